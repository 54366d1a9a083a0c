"""Speed of training beside its peers: whole steps (forward, backward, clipping, AdamW, schedule, log) of the same batches.

    python benchmarks/train.py --peer-python OTHER/bin/python                 all models and number types, about 9 minutes
    python benchmarks/train.py --peer-python ... --model dense --dtype float32 --rounds 9 --json
    python benchmarks/train.py --overhead                                     ours only: what the loop itself takes

The peers' environment: `pip install torch==2.13.0 transformers==5.23.0 accelerate numpy jsonargparse torchmetrics
lightning-utilities`, then `pip install --no-deps litgpt lightning` (litgpt pins another torch), and a C++ compiler, since
litgpt calls torch.compile. Any peer that is not there is left out, aloud.

Each side is a process of its own, set up as its users set it up, and trains through its real loop: ours train/loop.py with
its log, TensorBoard and watches; transformers' Trainer; litgpt.pretrain.setup. All start from the same weights, learn the
same batches in the same order with AdamW at one rate, decay and bound; multi-token prediction and balancing are off. A
round is a step of each side in turn, held at the point where its loop asks for rows; figures are medians, and ratios are
of wall time. Losses of the same steps are compared: they must agree, or the sides do not do the same work.

The loop's overhead: the share of a whole run's wall time, with a checkpoint at the default interval, that is not spent in
forward, backward, clipping or the optimiser. The second figure counts what the checkpoint's writing thread takes from the
steps as well: the wall time beyond as many median steps.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from firesteel.compute.device import environment, multiplies, set_up
from firesteel.compute.machine import facts
from firesteel.core.config import MachineSettings, PretrainSettings
from firesteel.core.log import RunLog
from firesteel.core.shards import TokenShards, write_shards
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from firesteel.train.batch import Batch, Share
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop, Training
from firesteel.train.precision import use_precision
from firesteel.train.pretrain import Pretrain

SIDE = Path(__file__).with_name("train_side.py")
sys.path.insert(0, str(SIDE.parents[1]))
from benchmarks.model import MODELS  # noqa: E402
from benchmarks.train_side import Pace  # noqa: E402

BATCH, LENGTH = 4, 512
WARM = 2  # turns before the clock counts: the first step, compilation, rows fetched ahead
RATE, BETAS, CLIP, FLOOR = 1e-3, (0.9, 0.95), 1.0, 0.1
DECAY = {
    "moe": 0.1,
    "dense": 0.0,
    "quickstart": 0.1,
}  # litgpt decays norms and embeddings too and offers no choice: none there
DECAYED = (
    "_proj.weight",
    "_proj_with_mqa.weight",
    "experts.gate_up_proj",
    "experts.down_proj",
)  # by transformers' names
SHAPES = {("moe" if "expert" in name else "dense"): config for name, config in MODELS.items()}
QUICK = ModelConfig(  # recipes/quickstart.toml
    vocab_size=2048, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, q_lora_rank=64, kv_lora_rank=32,
    qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=32, intermediate_size=384, moe_intermediate_size=64,
    n_routed_experts=16, num_experts_per_tok=2, n_shared_experts=1, first_k_dense_replace=1, tie_word_embeddings=True,
    max_position_embeddings=512,
)  # fmt: skip
PEERS: dict[tuple[str, str], dict[str, dict[str, Any]]] = {  # label -> what is added to its plan
    ("moe", "float32"): {"Trainer": {"peer": "trainer", "dtype": "float32"}},
    ("moe", "bfloat16"): {
        "Trainer, bf16=True": {"peer": "trainer", "dtype": "float32", "autocast": True},
        "Trainer, bfloat16 weights": {"peer": "trainer", "dtype": "bfloat16"},
    },
    ("dense", "float32"): {
        "litgpt, 32-true": {"peer": "litgpt", "precision": "32-true"},
        "Trainer": {"peer": "trainer", "dtype": "float32"},
    },
    ("dense", "bfloat16"): {
        "litgpt, bf16-mixed (its default)": {"peer": "litgpt", "precision": "bf16-mixed"},
        "litgpt, bf16-true": {"peer": "litgpt", "precision": "bf16-true"},
    },
}

Plan = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], action="append")
    parser.add_argument("--model", choices=[*sorted(SHAPES), "quickstart"], action="append")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--overhead", action="store_true", help="only our loop's overhead: moe and quickstart")
    parser.add_argument("--steps", type=int, default=60, help="of the runs that overhead is measured in")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--side", choices=["paced", "whole"], help=argparse.SUPPRESS)
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        return _side(args.side, json.loads(args.plan.read_text(encoding="utf-8")))
    rows: list[dict[str, Any]] = []
    cases = [] if args.overhead else [c for c in PEERS if _asked(c, args)]
    for case in cases:
        rows.append(_compare(*case, args))
        _print(rows[-1], args)
    for name, config in {"moe": SHAPES["moe"], "quickstart": QUICK}.items():
        if (args.overhead and name in (args.model or [name])) or not (args.model or args.dtype):
            rows.append(_overhead(name, config, args))
            _print(rows[-1], args)
    if args.json:
        print(json.dumps({"machine": _machine(args), "figures": rows}, indent=1))
    else:
        print(_machine(args))


def _asked(case: tuple[str, str], args: argparse.Namespace) -> bool:
    model, dtype = case
    return (not args.model or model in args.model) and (not args.dtype or dtype in args.dtype)


def prepare(folder: Path, config: ModelConfig, steps: int, **changes: Any) -> Plan:
    """Weights, tokens and the batches of every step in a folder, and the plan of a side; `changes` to the plan."""
    plan: Plan = {
        "model": str(folder / "model"), "tokens": str(folder / "tokens"), "batches": str(folder / "batches.safetensors"),
        "steps": steps, "batch": BATCH, "length": LENGTH, "rate": RATE, "decay": 0.0, "betas": BETAS, "clip": CLIP,
        "floor": FLOOR, "decayed": DECAYED, "autocast": False, "threads": torch.get_num_threads(), "dtype": "float32",
        "optimiser": "adamw",
    } | changes  # fmt: skip
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    (folder / "model").mkdir()
    save_model(folder / "model", model, dtype=torch.float32)
    size = steps * plan["batch"] * plan["length"]
    write_shards(
        folder / "tokens", [_text(size, config.vocab_size)], vocab_size=config.vocab_size, shard_tokens=1 << 24
    )
    rows = objective(plan)
    batches = [batch.tokens for step in range(steps) for update in rows.updates(step, Share()) for batch in update]
    save_file({"tokens": torch.stack(batches)}, plan["batches"])  # [S, B, T]
    return plan


def _text(size: int, vocabulary: int) -> list[int]:
    """Tokens that can be learnt: Zipf's frequencies, and half of the time a token that follows from the one before."""
    rng = np.random.default_rng(0)
    drawn, follows = (rng.zipf(1.2, size) - 1) % vocabulary, rng.random(size) < 0.5
    for i in range(1, size):
        if follows[i]:
            drawn[i] = (drawn[i - 1] * 31 + 7) % vocabulary
    return [int(token) for token in drawn]


def objective(plan: Plan, hold: Callable[[], None] = lambda: None) -> Pretrain:
    """Our pretraining objective, held where the loop asks for a step's rows."""

    class Held(Pretrain):
        def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
            hold()
            yield from super().updates(step, share)

    return Held(TokenShards(Path(plan["tokens"])), _settings(plan), seed=0)


def _settings(plan: Plan) -> PretrainSettings:
    beta1, beta2 = plan["betas"]
    return PretrainSettings(
        optimiser=plan["optimiser"], steps=plan["steps"], batch_size=plan["batch"], sequence_length=plan["length"],
        learning_rate=plan["rate"], min_learning_rate=plan["floor"], warmup_steps=0, weight_decay=plan["decay"],
        beta1=beta1, beta2=beta2, grad_clip=plan["clip"], precision=plan["dtype"], mtp_weight=0.0,
    )  # fmt: skip


def training(plan: Plan, out: Path, rows: Pretrain) -> Training:
    """Our loop with all that it does in a stage, ready to run."""
    set_up(MachineSettings(device="cpu", threads=plan["threads"]), 0)
    model = load_model(plan["model"])
    use_precision(model, plan["dtype"])
    loop = Loop("pretrain", out / "work", "benchmark", _settings(plan), plan["steps"], RunLog(out))
    return Training(loop, Whole(model), rows)


def losses_of(out: Path) -> list[float]:
    """What our run has recorded so far, a loss a step."""
    return [record["loss"] for record in RunLog(out, first=False).records("pretrain")]


def _side(kind: str, plan: Plan) -> None:
    """Our process: in step with the others, or a whole run that tells where its time went."""
    out = Path(plan["out"])
    if kind == "paced":
        training(plan, out, objective(plan, Pace(lambda: losses_of(out), f"torch {torch.__version__}"))).run()
    else:
        print(json.dumps(_whole_run(plan, out)))


def _whole_run(plan: Plan, out: Path) -> dict[str, Any]:
    """Seconds of a run of the loop, and of those in forward and backward, clipping, and the optimiser; not the first step."""
    asked: list[float] = []
    spent: dict[str, list[float]] = {"learn": [], "clip": [], "update": []}
    run = training(plan, out, objective(plan, lambda: asked.append(time.perf_counter())))

    def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            began = time.perf_counter()
            result = work(*args)
            spent[name].append(time.perf_counter() - began)
            return result

        return call

    state: Any = run.state
    run.learner.learn = timed("learn", run.learner.learn)  # type: ignore[method-assign]
    state.clip, state.update = timed("clip", state.clip), timed("update", state.update)
    run.run()
    ended = time.perf_counter()
    inside = sum(sum(times[1:]) for times in spent.values())
    step = statistics.median(sum(times) for times in list(zip(*spent.values(), strict=True))[1:])
    wall = ended - asked[1]
    return {
        "seconds_a_step": round(wall / (plan["steps"] - 1), 4), "overhead": round(1 - inside / wall, 4),
        "overhead_and_disturbance": round(1 - step * (plan["steps"] - 1) / wall, 4),
        "shares": {name: round(sum(times[1:]) / wall, 4) for name, times in spent.items()},
    }  # fmt: skip


def _overhead(name: str, config: ModelConfig, args: argparse.Namespace) -> dict[str, Any]:
    """What the loop takes of a run of this shape; the quickstart's has its own batch and optimiser."""
    changes = {"batch": 16, "length": 256, "optimiser": "muon", "rate": 6e-3} if name == "quickstart" else {}
    with tempfile.TemporaryDirectory() as folder:
        plan = prepare(Path(folder), config, args.steps, decay=DECAY[name], threads=args.threads, **changes)
        side = Side("whole", plan, Path(folder) / "ours", args)
        said = side.turn() or sys.exit(side.errors.read_text()[-2000:])
        side.end()
    return {"run": name, "steps": args.steps, "checkpoint_every": _settings(plan).checkpoint_every} | said


def _compare(model: str, dtype: str, args: argparse.Namespace) -> dict[str, Any]:
    """One model in one number type: a turn of each side in each round."""
    turns: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place, steps = Path(folder), args.rounds + WARM + 2  # rows that are fetched ahead are there
        plan = prepare(place, SHAPES[model], steps, decay=DECAY[model], threads=args.threads)
        sides = {"ours": Side("paced", plan | {"dtype": dtype}, place / "ours", args)}
        for label, changes in PEERS[model, dtype].items():
            sides[label] = Side(changes["peer"], plan | changes, place / label.replace(" ", "-"), args)
        for _ in range(WARM + args.rounds):
            for label in list(sides):
                if (answer := sides[label].turn()) is None:
                    side = sides.pop(label)
                    side.end()
                    print(
                        f"{label} is left out, its process ended:\n{side.errors.read_text()[-1500:]}", file=sys.stderr
                    )
                else:
                    turns.setdefault(label, []).append(answer)
        for side in sides.values():
            side.end()
    return {"model": model, "dtype": dtype, "load": os.getloadavg()[0]} | _figures({n: turns[n] for n in sides})


def _figures(turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Tokens a second of each side, and of each peer: the ratio to ours, and how far its losses are from ours."""
    timed = {label: answers[WARM:] for label, answers in turns.items()}
    median = {label: statistics.median(a["seconds"] for a in answers) for label, answers in timed.items()}
    out: dict[str, Any] = {"ours": {"tokens_per_s": round(BATCH * LENGTH / median["ours"])}, "peers": {}}
    for label in list(turns)[1:]:
        both = list(zip(timed["ours"], timed[label], strict=True))
        ratios = [b["seconds"] / a["seconds"] for a, b in both]
        curves = zip(turns["ours"][-1]["losses"], turns[label][-1]["losses"], strict=False)
        out["peers"][label] = {
            "how": turns[label][0]["how"], "tokens_per_s": round(BATCH * LENGTH / median[label]),
            "ratio": round(statistics.median(ratios), 2), "ratios": [round(min(ratios), 2), round(max(ratios), 2)],
            "processor_ratio": round(statistics.median(b["processor"] / a["processor"] for a, b in both), 2),
            "loss_difference": max(abs(a - b) / abs(a) for a, b in curves),
        }  # fmt: skip
    return out


class Side:
    """A side's process; what it says on its error stream goes to a file beside its output."""

    def __init__(self, kind: str, plan: Plan, out: Path, args: argparse.Namespace) -> None:
        out.mkdir(parents=True, exist_ok=True)
        file, self.errors = out / "plan.json", out / "errors.txt"
        file.write_text(json.dumps(plan | {"out": str(out)}), encoding="utf-8")
        ours = kind in ("paced", "whole")
        command = [sys.executable, __file__, "--side", kind, "--plan"] if ours else [args.peer_python, str(SIDE), kind]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*command, str(file)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env=os.environ | (environment() if ours else {}),
            )  # fmt: skip

    def turn(self) -> dict[str, Any] | None:
        """Its next answer; None if the process has ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("step\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def end(self) -> None:
        """Let it go."""
        with contextlib.suppress(BrokenPipeError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        self.process.wait()


def _print(row: dict[str, Any], args: argparse.Namespace) -> None:
    """A row for the terminal."""
    if args.json:
        return
    if "run" in row:
        parts = ", ".join(f"{name} {100 * share:.1f} %" for name, share in row["shares"].items())
        print(f"{row['run']}, {row['steps']} steps of {row['seconds_a_step']:.3f} s: {parts}")
        beyond = f"{100 * row['overhead']:.2f} %, with what checkpoints disturb {100 * row['overhead_and_disturbance']:.2f} %"
        print(f"    outside them: {beyond}", flush=True)
        return
    print(f"{row['model']}, {row['dtype']} (load {row['load']:.1f}): ours {row['ours']['tokens_per_s']} tokens/s")
    for label, peer in row["peers"].items():
        print(
            f"    {label:34}{peer['tokens_per_s']:>6} tokens/s, ratio {peer['ratio']:.2f} {peer['ratios']}, of processor time "
            f"{peer['processor_ratio']:.2f}; losses differ by {peer['loss_difference']:.1e} ({peer['how']})",
            flush=True,
        )


def _machine(args: argparse.Namespace) -> str:
    """What it ran on."""
    cpu = facts().get("cpu", "unknown processor")
    multiply = "has" if multiplies(torch.bfloat16, "cpu") else "has NO"
    return f"{cpu}, {args.threads} threads a side, {multiply} instructions for bfloat16 products"


if __name__ == "__main__":
    main()
