"""What number types cost in loss: the same small model from the same weights on the same batches, in each of them.

    python benchmarks/precision.py                              float32, bfloat16 and fp8, two seeds, 120 steps
    python benchmarks/precision.py --seeds 4 --steps 300 --text DIR --json

A DeepSeek-V3-style model (latent attention, experts, multi-token prediction) learns the bytes of text files with AdamW. The
loss of a run is the mean over its last steps, before the update, of next-byte prediction alone. The error of fp8 is relative
to bfloat16 (the DeepSeek-V3 report, §3.3, says less than 0.25 % for 16B and 230B parameters after trillions of tokens); bfloat16
against float32 shows how much any change of rounding makes: in so short a run up to 0.4 %, as much as another number of threads
does (0.3 %), so look at several seeds. FP8 is computed exactly, not fast: its products are float32's.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.compute.device import keep_freed_memory
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.precision import PRECISIONS, Masters, use_precision

BATCH, LENGTH = 4, 128
CONFIG = ModelConfig(
    vocab_size=256, hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256,
    max_position_embeddings=256, q_lora_rank=128, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=32,
    n_routed_experts=8, num_experts_per_tok=2, n_shared_experts=1, moe_intermediate_size=128, first_k_dense_replace=1,
    routed_scaling_factor=2.5, num_nextn_predict_layers=1,
)  # fmt: skip
RATE, WARMUP, MTP_WEIGHT, BALANCE_SPEED = 3e-3, 10, 0.3, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=list(PRECISIONS), action="append")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--last", type=int, default=30, help="steps at the end whose losses are averaged")
    parser.add_argument(
        "--text", default=str(Path(__file__).parent.parent / "docs"), help="folder of .md or .txt files"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    text, chosen = _bytes(Path(args.text)), args.precision or ["float32", "bfloat16", "fp8"]
    rows = []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        runs = {name: _train(name, text, seed, args.steps) for name in chosen}
        rows.append(_row(seed, runs, args.last))
    print(json.dumps(rows, indent=1) if args.json else _table(rows))


def _bytes(folder: Path) -> Tensor:
    files = sorted(f for f in folder.rglob("*") if f.suffix in (".md", ".txt"))
    data = bytearray(b"\n\n".join(f.read_bytes() for f in files))
    return torch.frombuffer(data, dtype=torch.uint8).long()


def _train(precision: str, text: Tensor, seed: int, steps: int) -> tuple[list[float], float]:
    """Losses of every step, and seconds a step (the median)."""
    model = Transformer(CONFIG).train()
    model.initialise(torch.Generator().manual_seed(seed))
    use_precision(model, precision)
    masters = Masters(model, PRECISIONS[precision].weights)
    optimiser = torch.optim.AdamW(masters.named.values(), betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    losses, seconds = [], []
    for step in range(steps):
        began = time.perf_counter()
        optimiser.param_groups[0]["lr"] = _rate(step, steps)
        losses.append(_backward(model, _batch(text, seed, step)))
        torch.nn.utils.clip_grad_norm_(masters.named.values(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        masters.publish()
        for moe in model.moe_layers():
            moe.balance(BALANCE_SPEED)
        seconds.append(time.perf_counter() - began)
    return losses, statistics.median(seconds)


def _backward(model: Transformer, tokens: Tensor) -> float:
    hidden = model(tokens)
    loss = total = _cross_entropy(model, hidden, tokens, 1)
    for k, states in enumerate(model.predict_further(hidden, tokens), start=1):
        total = total + MTP_WEIGHT * _cross_entropy(model, states, tokens, k + 1)
    total.backward()
    return loss.item()


def _cross_entropy(model: Transformer, states: Tensor, tokens: Tensor, ahead: int) -> Tensor:
    logits = model.logits(states[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, ahead:].flatten())


def _batch(text: Tensor, seed: int, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    starts = torch.randint(len(text) - LENGTH, (BATCH, 1), generator=generator)
    return text[starts + torch.arange(LENGTH)]


def _rate(step: int, steps: int) -> float:
    if step < WARMUP:
        return RATE * (step + 1) / WARMUP
    return RATE * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - WARMUP) / (steps - WARMUP))))


def _row(seed: int, runs: dict[str, tuple[list[float], float]], last: int) -> dict[str, float]:
    """Mean losses, relative errors in per cent against bfloat16, and milliseconds a step."""
    mean = {name: statistics.mean(losses[-last:]) for name, (losses, _) in runs.items()}
    row: dict[str, float] = {"seed": seed} | {name: round(value, 5) for name, value in mean.items()}
    base = mean.get("bfloat16")
    row |= {f"{n} error %": round(100 * (v / base - 1), 3) for n, v in mean.items() if base and n != "bfloat16"}
    return row | {f"{name} ms": round(1000 * took) for name, (_, took) in runs.items()}


def _table(rows: list[dict[str, float]]) -> str:
    width = {name: max(len(name), 9) + 2 for name in rows[0]}
    lines = ["".join(f"{name:>{n}}" for name, n in width.items())]
    lines += ["".join(f"{row[name]:>{n}}" for name, n in width.items()) for row in rows]
    lines.append("\nloss: nats a byte, mean over the last steps; error %: relative to bfloat16")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
