"""Training speed of the model core beside transformers': forward + backward, same config, weights, batch and dtype.

    python benchmarks/model.py                      both models in bfloat16 and float32
    python benchmarks/model.py --dtype bfloat16 --model moe --rounds 9 --json

Each side is a process of its own, set up as its users set it up: ours with Firesteel's environment (compute.device), theirs
with transformers' and torch's defaults (sdpa attention and its own choice of expert kernel, which are printed). Rounds are
interleaved (ours, theirs, ours, ...), figures are medians. "of the matrix rate" is the model's own arithmetic (6 operations
a weight and token, and causal attention) over the rate of large matrix products in the same dtype, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from firesteel.compute.count import Shape, training_flops
from firesteel.compute.device import environment, keep_freed_memory
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from firesteel.train.batch import Batch
from firesteel.train.losses import NextToken

BATCH, LENGTH, VOCABULARY = 4, 512, 8192
SQUARE = 2048  # of the large product
MODELS = {
    "DeepSeek-V3 style, 16 experts top-4": ModelConfig(
        vocab_size=VOCABULARY, hidden_size=384, num_hidden_layers=8, num_attention_heads=6, intermediate_size=1024,
        max_position_embeddings=1024, q_lora_rank=192, kv_lora_rank=128, qk_nope_head_dim=64, qk_rope_head_dim=32,
        v_head_dim=64, n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=1, moe_intermediate_size=256,
        first_k_dense_replace=1, routed_scaling_factor=2.5, tie_word_embeddings=True,
    ),
    "Llama style, dense": ModelConfig(
        vocab_size=VOCABULARY, hidden_size=576, num_hidden_layers=8, num_attention_heads=9, intermediate_size=1536,
        max_position_embeddings=1024, attention="gqa", num_key_value_heads=3, head_dim=64, rope_interleave=False,
        tie_word_embeddings=True,
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], action="append")
    parser.add_argument("--model", choices=["moe", "dense"], action="append")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.side:
        _serve(args.side, args.folder, getattr(torch, args.dtype[0]))
        return
    chosen = [m for m in MODELS if not args.model or ("moe" if "expert" in m else "dense") in args.model]
    rows = [_pair(name, d, args) for d in args.dtype or ["bfloat16", "float32"] for name in chosen]
    print(json.dumps(rows, indent=1) if args.json else _table(rows))


def _pair(name: str, dtype: str, args: argparse.Namespace) -> dict[str, object]:
    """One model in one dtype: a round is a step of ours, a step of theirs, and a large product."""
    config = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        model = Transformer(config)
        model.initialise(torch.Generator().manual_seed(0))
        save_model(Path(folder), model, dtype=getattr(torch, dtype))
        sides = {side: _start(side, folder, dtype, args.threads) for side in ("ours", "theirs")}
        first = {side: _ask(process, "step") for side, process in sides.items()}  # warm-up, and the loss of each
        seconds: dict[str, list[float]] = {"ours": [], "theirs": [], "product": []}
        for _ in range(args.rounds):
            for side, process in sides.items():
                seconds[side].append(_ask(process, "step")["seconds"])
            seconds["product"].append(_ask(sides["ours"], "product")["seconds"])
        for process in sides.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
    median = {who: statistics.median(times) for who, times in seconds.items()}
    rate = 2 * SQUARE**3 / min(seconds["product"])
    flops = training_flops(Shape.of(vars(config)), LENGTH) * BATCH * LENGTH
    ratios = [t / o for o, t in zip(seconds["ours"], seconds["theirs"], strict=True)]
    return {
        "model": name, "dtype": dtype, "machine": _machine(), "transformers": first["theirs"]["how"],
        "losses": [first[side]["loss"] for side in sides], "ours_tokens_per_s": round(BATCH * LENGTH / median["ours"]),
        "theirs_tokens_per_s": round(BATCH * LENGTH / median["theirs"]), "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(min(ratios), 2), round(max(ratios), 2)], "matrix_gflops": round(rate / 1e9),
        "ours_of_matrix_rate": round(flops / median["ours"] / rate, 3),
        "theirs_of_matrix_rate": round(flops / median["theirs"] / rate, 3),
    }  # fmt: skip


def _start(side: str, folder: str, dtype: str, threads: int) -> subprocess.Popen[str]:
    ours = environment() if side == "ours" else {}
    command = [
        sys.executable,
        __file__,
        "--side",
        side,
        "--folder",
        folder,
        "--dtype",
        dtype,
        "--threads",
        str(threads),
    ]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | ours,
    )


def _ask(process: subprocess.Popen[str], what: str) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(what + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def _serve(side: str, folder: str, dtype: torch.dtype) -> None:
    """One side's process: does what each line asks for, and answers with the time that it took."""
    step, how = _ours(folder, dtype) if side == "ours" else _theirs(folder, dtype)
    a, b = torch.randn(2, SQUARE, SQUARE, dtype=dtype).unbind()
    work: dict[str, Callable[[], float]] = {"step": step, "product": lambda: float((a @ b)[0, 0])}
    for line in sys.stdin:
        began = time.perf_counter()
        loss = work[line.strip()]()
        print(json.dumps({"seconds": time.perf_counter() - began, "loss": loss, "how": how}), flush=True)


def _ours(folder: str, dtype: torch.dtype) -> tuple[Callable[[], float], str]:
    keep_freed_memory()
    model, tokens = load_model(folder, dtype=dtype).train(), _tokens()
    learn, next_token = torch.ones_like(tokens, dtype=torch.bool), NextToken()
    batch = Batch(tokens, learn, next_token.counts(learn, None))
    batch.totals = batch.counts

    def step() -> float:
        loss, parts = next_token(model, model(tokens), batch)
        loss.backward()
        model.zero_grad(set_to_none=True)
        return float(parts["loss"])

    return step, ""


def _theirs(folder: str, dtype: torch.dtype) -> tuple[Callable[[], float], str]:
    import transformers

    model: torch.nn.Module = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).train()
    tokens, c = _tokens(), model.config
    experts = getattr(c, "_experts_implementation", None)

    def step() -> float:
        loss = model(tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        model.zero_grad(set_to_none=True)
        return float(loss.detach())

    return step, f"{transformers.__version__}, {c._attn_implementation} attention, experts: {experts or 'none'}"


def _tokens() -> torch.Tensor:
    return torch.randint(0, VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(1))


def _machine() -> str:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = next((line.split(":")[1].strip() for line in flags.splitlines() if line.startswith("model name")), "")
    has = [f for f in ("avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if f in flags]
    return (
        f"{model or platform.machine()}, {torch.get_num_threads()} threads, {' '.join(has)}, torch {torch.__version__}"
    )


def _table(rows: list[dict[str, object]]) -> str:
    lines = [f"machine: {rows[0]['machine']}", f"transformers: {rows[0]['transformers']}", ""]
    lines.append(
        f"{'model':<38}{'dtype':<10}{'ours':>8}{'theirs':>8}{'ratio':>7}{'GFLOP/s':>9}{'ours %':>8}{'theirs %':>9}"
    )
    for r in rows:
        lines.append(
            f"{r['model']:<38}{r['dtype']:<10}{r['ours_tokens_per_s']:>8}{r['theirs_tokens_per_s']:>8}{r['ratio']:>7}"
            f"{r['matrix_gflops']:>9}{100 * float(str(r['ours_of_matrix_rate'])):>8.1f}"
            f"{100 * float(str(r['theirs_of_matrix_rate'])):>9.1f}"
        )
    lines.append("\nours, theirs: tokens/s of forward + backward; %: of the measured matrix rate of that dtype")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
