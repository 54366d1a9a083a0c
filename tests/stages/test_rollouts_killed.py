"""kill -9 in the middle of steps: the same weights and metrics in the end, and no answer is paid for twice.

This file is also the program that is killed: it forks children, which is faster than starting them.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from firesteel.core.config import GrpoSettings
from firesteel.core.log import RunLog
from firesteel.serve.engine import Engine
from firesteel.tasks.curriculum import Curriculum
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.rl import store as storing
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Question, Verdict
from firesteel.train.rl.store import Store
from tests.stages.test_grpo_with_the_engine import Ids, fresh

SETTINGS = GrpoSettings(
    prompts=6, group_size=4, max_new_tokens=6, learning_rate=5e-3, warmup_steps=0, checkpoint_every=3, max_logprob_gap=1e-3,
    minibatches=2, resample=2, curriculum=True, routing_replay=True,
)  # fmt: skip
STEPS, PIECE = 7, 8
TIMES = {"time", "seconds", "tokens_per_s", "learning_seconds", "sampling_seconds", "judging_seconds", "mfu"}
TIMES |= {"resident_bytes", "peak_bytes"}


class Paid:
    """An engine whose every answer is written down, as a bill would be."""

    def __init__(self, engine: Engine, bill: Path) -> None:
        self.engine, self.bill = engine, bill

    def sample(self, prompts, **how):
        done = self.engine.sample(prompts, **how)
        with self.bill.open("a") as f:
            f.write(hashlib.sha256(json.dumps([prompts, how["seed"]]).encode()).hexdigest() + "\n")
        return done


def run(folder: Path) -> str:
    """Learn to the end; the weights' hash."""
    torch.manual_seed(0)
    model, log = fresh(), RunLog(folder)
    curriculum = Curriculum({"small": (1, 3)})

    def judge(bound):
        return lambda ids, stopped: Verdict(len(ids), sum(i < bound for i in ids) > len(ids) / 2, False)

    def questions(start, count):
        levels = [curriculum.level("small", i) for i in range(start, start + count)]
        return [Question([1, 3 + i % 30, 35 + level], judge(28 - 6 * level), "small", level)
                for i, level in enumerate(levels, start)]  # fmt: skip

    engine = Paid(Engine(model, Ids(), max_sequences=8, cache_tokens=512), folder / "bill")
    rollouts = Rollouts(
        model, Ids(), engine, questions, SETTINGS, seed=3, store=Store(folder / "work", str), memory=curriculum, piece=PIECE,
    )  # fmt: skip
    Loop("grpo", folder / "work", "k", SETTINGS, STEPS, log).run(Whole(model), Grpo(Ids(), rollouts, SETTINGS))
    log.close()
    bits = [t.detach().numpy().tobytes() for t in model.state_dict().values()]
    return hashlib.sha256(b"".join(bits)).hexdigest()


def metrics(folder: Path) -> list[dict]:
    """What was recorded, without what differs from run to run."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{name: v for name, v in json.loads(line).items() if name not in TIMES} for line in lines]


@pytest.mark.slow  # quicker, without processes: tests/train/rl/test_rollouts.py
@pytest.mark.timeout(240)
def test_killed_at_random_moments_everything_comes_out_the_same(tmp_path):
    command = [sys.executable, "-m", "tests.stages.test_rollouts_killed", str(tmp_path)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=False, env=env, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["kills"] >= 4, facts
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert facts["whole"] == facts["broken"]
    assert metrics(whole) == metrics(broken)
    bills = [(folder / "bill").read_text().split() for folder in (whole, broken)]
    assert len(bills[0]) == len(set(bills[0])) > 2 * STEPS, "rounds of new questions are in it"
    assert set(bills[1]) == set(bills[0])
    assert len(bills[1]) - len(bills[0]) <= facts["kills"], facts


def child(folder: Path, point: str, number: int) -> None:
    """Run, and be killed before or after the writing of a piece, if that is wanted."""
    inner, calls = storing.Store.save, []

    def fatal(self, *args):
        calls.append(1)
        if point == "before" and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        inner(self, *args)
        if point == "after" and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    storing.Store.save = fatal
    (folder / "hash").write_text(run(folder))


def forked(folder: Path, seconds: float = 0, point: str = "", number: int = 0) -> bool:
    """Whether a child came to the end, or was killed."""
    pid = os.fork()
    if not pid:
        try:
            child(folder, point, number)
        finally:
            os._exit(0 if (folder / "hash").is_file() else 1)
    if seconds:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
    return not os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def main(root: Path) -> None:
    """One run to the end, one that is killed again and again; prints what came of it."""
    for module in ("torch._dynamo", "torch.distributed.checkpoint", "tensorboardX"):
        try:
            importlib.import_module(module)  # loaded when first used otherwise, by every child again
        except ImportError:
            continue
    whole, broken = root / "whole", root / "broken"
    whole.mkdir(), broken.mkdir()
    began = time.monotonic()
    assert forked(whole)
    seconds, rng, kills = time.monotonic() - began, random.Random(time.time_ns()), 0
    for point in ("before", "after", "before"):  # one after the other, each further on
        kills += not forked(broken, point=point, number=rng.randint(3, 6))
        kills += not forked(broken, seconds=rng.uniform(0.1, 0.5) * seconds)
    assert forked(broken)
    print(json.dumps({
        "kills": kills, "whole": (whole / "hash").read_text(), "broken": (broken / "hash").read_text(),
    }))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
