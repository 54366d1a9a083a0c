"""Reinforcement learning beside TRL's GRPOTrainer: wall time to a held-out accuracy, same weights, same questions.

    python benchmarks/rl.py --model runs/quickstart/sft --peer-python OTHER/bin/python
    python benchmarks/rl.py --model ... --steps 12 --prompts 64 --group 8 --json

The peer's environment: `pip install torch==2.13.0 transformers==5.23.0 trl==1.16.0`. Without one only ours is timed.

Each side has --processes (of its own kind: ours as [parallel] parts them, theirs as accelerate does; --peer-processes for
another number) that share --threads, set up as its users set it up: ours the grpo stage's engine, rollouts, objective and
loop with its log and stored answers; theirs GRPOTrainer with transformers' generate. Both start
from the same weights, ask the same questions in the same order with the same group size, answer length, temperature,
clipping and mean over tokens, make one update a step, and are judged by the same verifier. Ours takes Muon and credit by
step, its defaults; theirs AdamW at --peer-rate. A round is a step of each side in turn. Weights after some steps are then
judged by one evaluator on the same test questions, sampled at temperature 1. "To the target" is the first of these steps
whose accuracy is above the start's by --target, and the side's own time up to it. Learning is what generation and scoring
leave of a step.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.train_side import Pace
from firesteel.compute.device import environment, set_up
from firesteel.compute.machine import facts
from firesteel.compute.mesh import Mesh, joined
from firesteel.core.config import EvalSettings, GrpoSettings, MachineSettings, ParallelSettings
from firesteel.core.log import RunLog
from firesteel.core.tokenizer import Tokenizer
from firesteel.core.tokenizer_files import copy_tokenizer
from firesteel.model.weights import load_model, save_model
from firesteel.stages.judging import judge_model
from firesteel.stages.reinforcement import Asked, engine_of
from firesteel.tasks.table import get_task
from firesteel.train.batch import Batch, Share
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.store import Store

Plan = dict[str, Any]
PEER = Path(__file__).with_name("rl_side.py")
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a fine-tuned model's folder")
    parser.add_argument("--tasks", default="arithmetic,word-problems")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--new", type=int, default=96, help="tokens of an answer")
    parser.add_argument("--rate", type=float, default=6e-4, help="our learning rate (Muon)")
    parser.add_argument("--peer-rate", type=float, default=3e-4, help="theirs (AdamW)")
    parser.add_argument("--keep", default="", help="steps after which weights are judged; else every quarter")
    parser.add_argument("--samples", type=int, default=500, help="test questions a task")
    parser.add_argument("--target", type=float, default=0.03, help="accuracy above the start's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--processes", type=int, default=2, help="of a side; they share the threads")
    parser.add_argument("--peer-processes", type=int, default=0, help="of the peer, if not as many")
    parser.add_argument("--peer-python", default="", help="the interpreter that has trl")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        return ours(json.loads(args.side.read_text(encoding="utf-8")))
    if args.model is None:
        parser.error("--model is needed")
    with tempfile.TemporaryDirectory() as place:
        result = compare(args, Path(place))
    print(json.dumps(result, indent=1) if args.json else "\n".join(lines(result)))


def ours(plan: Plan) -> None:
    """Our side: the grpo stage's parts, held before each step."""
    device = set_up(MachineSettings(device="cpu", threads=plan["threads"]), plan["seed"])
    with joined(ParallelSettings(processes=plan["processes"]), device) as mesh:
        reinforced(plan, mesh)


def reinforced(plan: Plan, mesh: Mesh) -> None:
    """One process's part of it."""
    settings = GrpoSettings(
        tasks=tuple(plan["tasks"]), steps=plan["steps"] + 1, prompts=plan["prompts"], group_size=plan["group"],
        max_new_tokens=plan["new"], learning_rate=plan["rate"], micro_batch=plan["micro_batch"],
        format_reward=plan["format_reward"],
    )  # fmt: skip
    saved = Path(plan["saved"])
    log = RunLog(saved, first=mesh.first)
    tokenizer, model = Tokenizer.load(plan["model"]), load_model(plan["model"])
    pace = Pace(list, f"Firesteel, torch {torch.__version__}, Muon")

    class Held(Grpo):
        """Waits for its turn before each step, and keeps the weights of some."""

        def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
            if step in plan["keep"] and mesh.first:
                folder = saved / f"step-{step}"
                folder.mkdir()
                save_model(folder, model)
            record = next(iter(list(log.records("grpo"))[-1:]), {})
            pace.more = {
                "generation": record.get("sampling_seconds", 0.0), "scoring": record.get("judging_seconds", 0.0),
                "learning": record.get("learning_seconds", 0.0), "reward": record.get("reward", 0.0),
            }  # fmt: skip
            pace()
            yield from super().updates(step, share)

    asked = Asked(tokenizer, settings, plan["seed"])
    engine = engine_of(model, tokenizer, settings)
    store = Store(saved / "work", asked.text, kept=settings.keep_rollouts, replayed=15)
    rollouts = Rollouts(model, tokenizer, engine, asked, settings, seed=plan["seed"], store=store, mesh=mesh)
    loop = Loop("grpo", saved / "work", "benchmark", settings, settings.steps, log, mesh=mesh)
    loop.run(Whole(model, mesh, micro_batch=settings.micro_batch), Held(tokenizer, rollouts, settings))


class Side:
    """Processes that train a step whenever they are told to."""

    def __init__(self, command: Sequence[str], plan: Plan, place: Path, extra: Mapping[str, str]) -> None:
        place.mkdir()
        plan = plan | {"saved": str(place)}
        file = place / "plan.json"
        file.write_text(json.dumps(plan), encoding="utf-8")
        count = plan["processes"]
        env = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(plan["threads"])} | extra
        if count > 1:  # torchrun's names
            env |= {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        self.processes = []
        with (place / "log").open("w") as log:
            for rank in range(count):
                own = env | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else {})
                self.processes.append(subprocess.Popen(
                    [*command, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=own
                ))  # fmt: skip
        self.place, self.steps = place, list[dict[str, Any]]()

    def step(self) -> None:
        """One step, to its end."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in self.processes if process.stdout is not None]
        if not all(answers):
            sys.exit(f"{self.place.name} ended:\n{(self.place / 'log').read_text()[-2000:]}")
        self.steps.append(json.loads(answers[0]))

    def end(self) -> None:
        """Let them go."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes:
            process.wait(120)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def compare(args: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Both sides step by step, then what their weights are worth."""
    tasks, keep = args.tasks.split(","), [int(k) for k in args.keep.split(",") if k]
    keep = keep or sorted({max(1, args.steps * i // 4) for i in (1, 2, 3, 4)})
    plan: Plan = {
        "model": str(args.model.resolve()), "tasks": tasks, "steps": args.steps, "prompts": args.prompts, "group": args.group,
        "new": args.new, "rate": args.rate, "peer_rate": args.peer_rate, "keep": keep, "seed": SEED,
        "format_reward": 0.1, "micro_batch": 64,
    }  # fmt: skip
    tokenizer = Tokenizer.load(args.model)
    numbers = [(tasks[i % len(tasks)], i) for i in range((args.steps + 1) * args.prompts)]
    prompts = [tokenizer.prompt(get_task(name).problem("train", SEED, i).prompt()) for name, i in numbers]
    spoken = [tokenizer.backend.decode(ids, skip_special_tokens=False) for ids in prompts]
    questions = [{"prompt": text, "task": name, "index": i} for text, (name, i) in zip(spoken, numbers, strict=True)]

    def parted(count: int) -> Plan:
        return {"processes": count, "threads": max(1, args.threads // count)}

    mine, theirs = parted(args.processes), parted(args.peer_processes or args.processes)
    sides = {"ours": Side([sys.executable, __file__, "--side"], plan | mine, place / "ours", environment())}
    if args.peer_python:
        asked = plan | theirs | {"questions": questions}
        sides["TRL"] = Side([args.peer_python, str(PEER)], asked, place / "trl", {"ACCELERATE_USE_CPU": "true"})
    for number in range(args.steps):
        for name, side in sides.items():
            side.step()
            print(f"step {number + 1} {name}: {side.steps[-1]['seconds']:.1f} s", file=sys.stderr)
    for side in sides.values():  # the step that they wait for saves what the last one made
        side.end()
    start = accuracy(args.model, args.model, args)
    found = {
        name: {k: accuracy(side.place / f"step-{k}", args.model, args) for k in keep} for name, side in sides.items()
    }
    return {
        "machine": f"{facts(place)['cpu']}, {args.threads} threads",
        "processes": {"ours": mine["processes"], "TRL": theirs["processes"]}, "plan": {k: plan[k] for k in plan if k != "model"},
        "start": start, "sides": {name: told(side.steps, found[name], start, args.target) for name, side in sides.items()},
    }  # fmt: skip


def accuracy(folder: Path, base: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Held-out accuracy of weights, as every evaluation here is made."""
    if folder != base and not (folder / "tokenizer.json").exists():
        copy_tokenizer(base, folder)
    settings = EvalSettings(tasks=tuple(args.tasks.split(",")), samples=args.samples, max_new_tokens=args.new)
    found: dict[str, Any] = judge_model(
        load_model(folder), Tokenizer.load(base), settings, seed=0, temperature=1.0
    )["all"]  # fmt: skip
    return found


def told(
    steps: list[dict[str, Any]], found: dict[int, dict[str, Any]], start: dict[str, Any], target: float
) -> dict[str, Any]:
    """A side's figures: seconds a step, shares, accuracy after some steps, and when the target was met."""
    wall = {k: sum(s["seconds"] for s in steps[:k]) for k in found}
    met = next((k for k in found if found[k]["value"] >= start["value"] + target), None)
    total = sum(s["seconds"] for s in steps)
    share = {name: sum(s[name] for s in steps) / total for name in ("generation", "scoring")}
    return {
        "how": steps[-1]["how"], "seconds_a_step": statistics.median(s["seconds"] for s in steps),
        "shares": share | {"learning": 1 - sum(share.values())}, "accuracy": found, "wall": wall,
        "to_target": None if met is None else {"steps": met, "seconds": wall[met]},
    }  # fmt: skip


def lines(result: dict[str, Any]) -> list[str]:
    """The figures as text."""

    def shown(e: dict[str, Any]) -> str:
        return f"{e['value']:.1%} [{e['low']:.1%}, {e['high']:.1%}]"

    shared = ", ".join(f"{name} {count}" for name, count in result["processes"].items())
    out = [
        f"{result['machine']}; processes: {shared}",
        f"at the start: {shown(result['start'])}, n={result['start']['n']}",
    ]
    for name, side in result["sides"].items():
        share = ", ".join(f"{k} {v:.0%}" for k, v in side["shares"].items())
        out += [f"{name} ({side['how']}): {side['seconds_a_step']:.1f} s a step ({share})"]
        out += [f"  after {k} steps, {side['wall'][k]:.0f} s: {shown(e)}" for k, e in side["accuracy"].items()]
        met = side["to_target"]
        out += [f"  target met after {met['steps']} steps, {met['seconds']:.0f} s" if met else "  target not met"]
    if len(result["sides"]) > 1:
        mine, theirs = result["sides"].values()
        out.append(f"a step: {theirs['seconds_a_step'] / mine['seconds_a_step']:.2f} times as fast")
        if mine["to_target"] and theirs["to_target"]:
            out.append(
                f"to the target: {theirs['to_target']['seconds'] / mine['to_target']['seconds']:.2f} times as fast"
            )
    return out


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"{time.perf_counter() - began:.0f} s in all", file=sys.stderr)
