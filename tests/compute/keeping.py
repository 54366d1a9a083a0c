"""What a forward and backward pass takes beside weights, gradients and optimiser state. Run as a process of its own.

python -m tests.compute.keeping '{"rows": 8, "length": 128, "vocabulary": 2048, "model": {...}}'     prints bytes
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def measured(model: dict[str, Any], rows: int, length: int, vocabulary: int = 2048) -> float:
    """Bytes that a training step of a [model] table takes at its peak, in a fresh process."""
    from firesteel.compute.device import environment

    case = json.dumps({"model": model, "rows": rows, "length": length, "vocabulary": vocabulary})
    command = [sys.executable, "-m", "tests.compute.keeping", case]
    env = environment() | {"OMP_NUM_THREADS": "2", "PATH": "/usr/bin:/bin", "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=150, check=True)
    return float(done.stdout)


def learn(model: Any, tokens: Any) -> None:
    """Forward and backward as pretraining goes, with every prediction module and the balance loss."""
    import torch

    from firesteel.train.batch import Batch
    from firesteel.train.losses import NextToken

    rule, all_of_them = NextToken(0.3, modules=len(model.mtp)), torch.ones_like(tokens, dtype=torch.bool)
    for moe in model.moe_layers():
        moe.balance_weight = 1e-4 / len(tokens)
    counts = rule.counts(all_of_them, None)
    batch = Batch(tokens, all_of_them, counts, totals=counts)
    rule(model, model(tokens), batch)[0].backward()


def main() -> None:
    """Peak resident memory of a pass, over what is resident before it and the gradients that it leaves."""
    import torch

    from firesteel.compute import proc
    from firesteel.core.config import ModelSettings
    from firesteel.model.config import ModelConfig
    from firesteel.model.transformer import Transformer

    case = json.loads(sys.argv[1])
    model = Transformer(ModelConfig.from_settings(ModelSettings(**case["model"]), case["vocabulary"]))
    model.initialise(torch.Generator().manual_seed(0))
    model.train()

    def step(rows: int, length: int) -> None:
        learn(model, torch.randint(0, case["vocabulary"], (rows, length)))

    step(1, 32)  # what torch loads and keeps for itself
    model.zero_grad(set_to_none=True)
    proc.return_freed_memory()
    proc.reset_peak()
    before = proc.peak()
    step(case["rows"], case["length"])
    gradients = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    print(proc.peak() - before - gradients)


if __name__ == "__main__":
    main()
