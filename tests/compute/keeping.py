"""What a forward and backward pass takes beside weights, gradients and optimiser state. Run as a process of its own.

python -m tests.compute.keeping '[{"rows": 8, "length": 128, "vocabulary": 2048, "model": {...}}, ...]'     prints bytes
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def measured(cases: list[dict[str, Any]]) -> list[float]:
    """Bytes that a training step of each case takes at its peak, each in a process that did nothing before."""
    from firesteel.compute.device import environment

    command = [sys.executable, "-m", "tests.compute.keeping", json.dumps(cases)]
    env = environment() | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    env["PATH"] = "/usr/bin:/bin"
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=200, check=True)
    return [float(line) for line in done.stdout.split()]


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


def weigh(case: dict[str, Any]) -> int:
    """Peak resident memory of a pass, over what is resident before it and the gradients that it leaves."""
    import torch

    from firesteel.compute import proc
    from firesteel.core.config import ModelSettings
    from firesteel.model.config import ModelConfig
    from firesteel.model.transformer import Transformer

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
    return proc.peak() - before - gradients


def main() -> None:
    """A fork for each case: loading torch takes longer than the case, and its threads start with the first product."""
    for module in ("firesteel.model.transformer", "firesteel.train.losses"):
        importlib.import_module(module)
    for case in json.loads(sys.argv[1]):
        child = os.fork()
        if not child:
            print(weigh(case), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{case}: its process failed")


if __name__ == "__main__":
    main()
