"""Training speed of the model core beside transformers': forward + backward, same config, weights, batch and dtype.

    python benchmarks/model.py                      both models in bfloat16 and float32
    python benchmarks/model.py --dtype bfloat16 --rounds 9 --json

Rounds are interleaved (ours, theirs, ours, ...), figures are medians. "of the matrix rate" is the model's own arithmetic
(6 operations a weight and token, and causal attention) over the rate of large matrix products in the same dtype, measured in
the same run. transformers runs with its defaults (sdpa attention, its own choice of expert kernel), which are printed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from firesteel.compute.count import Shape, training_flops
from firesteel.compute.device import environment, keep_freed_memory
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from firesteel.train.losses import next_token_loss

BATCH, LENGTH = 4, 512
MODELS = {
    "DeepSeek-V3 style, 16 experts top-4": ModelConfig(
        vocab_size=8192, hidden_size=384, num_hidden_layers=8, num_attention_heads=6, intermediate_size=1024,
        max_position_embeddings=1024, q_lora_rank=192, kv_lora_rank=128, qk_nope_head_dim=64, qk_rope_head_dim=32,
        v_head_dim=64, n_routed_experts=16, num_experts_per_tok=4, n_shared_experts=1, moe_intermediate_size=256,
        first_k_dense_replace=1, routed_scaling_factor=2.5, tie_word_embeddings=True,
    ),
    "Llama style, dense": ModelConfig(
        vocab_size=8192, hidden_size=576, num_hidden_layers=8, num_attention_heads=9, intermediate_size=1536,
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
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    chosen = [m for m in MODELS if not args.model or ("moe" if "expert" in m else "dense") in args.model]
    rows = [_pair(name, d, args.rounds) for d in args.dtype or ["bfloat16", "float32"] for name in chosen]
    print(json.dumps(rows, indent=1) if args.json else _table(rows))


def _pair(name: str, dtype_name: str, rounds: int) -> dict[str, object]:
    """One model in one dtype: ours and theirs, in turn."""
    dtype, config = getattr(torch, dtype_name), MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        model = Transformer(config)
        model.initialise(torch.Generator().manual_seed(0))
        save_model(Path(folder), model, dtype=dtype)
        ours, theirs = load_model(folder, dtype=dtype).train(), _transformers(folder, dtype)
    tokens = torch.randint(0, config.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(1))
    learn = torch.ones_like(tokens, dtype=torch.bool)

    def step_ours() -> float:
        loss, parts = next_token_loss(ours, tokens, learn, 0.0, 0.0)
        loss.backward()
        ours.zero_grad(set_to_none=True)
        return parts["loss"]

    def step_theirs() -> float:
        loss = theirs(tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        theirs.zero_grad(set_to_none=True)
        return float(loss)

    a, b = torch.randn(2, 2048, 2048, dtype=dtype).unbind()
    steps: dict[str, Callable[[], object]] = {"ours": step_ours, "theirs": step_theirs, "product": lambda: a @ b}
    losses = [steps[who]() for who in ("ours", "theirs")]  # warm-up, and whether both compute the same
    for step in steps.values():
        step()
    seconds: dict[str, list[float]] = {who: [] for who in steps}
    for _ in range(rounds):
        for who, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[who].append(time.perf_counter() - began)
    median = {who: statistics.median(times) for who, times in seconds.items()}
    rate = 2 * 2048**3 / min(seconds["product"])
    flops = training_flops(Shape.of(vars(config)), LENGTH) * BATCH * LENGTH
    return {
        "model": name, "dtype": dtype_name, "machine": _machine(), "transformers": _version(theirs),
        "loss": losses, "ours_tokens_per_s": round(BATCH * LENGTH / median["ours"]),
        "theirs_tokens_per_s": round(BATCH * LENGTH / median["theirs"]),
        "ratio": round(statistics.median(t / o for o, t in zip(seconds["ours"], seconds["theirs"], strict=True)), 2),
        "matrix_gflops": round(rate / 1e9), "ours_of_matrix_rate": round(flops / median["ours"] / rate, 3),
        "theirs_of_matrix_rate": round(flops / median["theirs"] / rate, 3),
    }  # fmt: skip


def _transformers(folder: str, dtype: torch.dtype) -> torch.nn.Module:
    import transformers

    model: torch.nn.Module = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    return model.train()


def _version(model: torch.nn.Module) -> str:
    import transformers

    c = model.config
    experts = getattr(c, "_experts_implementation", None)
    return f"{transformers.__version__}, {c._attn_implementation} attention, experts: {experts or 'none'}"


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
    import os

    if not all(os.environ.get(name) == value for name, value in environment().items()):
        os.environ |= environment()
        import sys

        os.execv(sys.executable, [sys.executable, *sys.argv])  # torch's libraries read these when they load
    main()
