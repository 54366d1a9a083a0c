"""kill -9 at any moment of saving: the last checkpoint that stood is there, whole, and nothing else.

This file is also the program that is killed: it forks children, which is faster than starting them.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from firesteel.core import artefact
from firesteel.train.checkpoint import Checkpoints
from firesteel.train.shards import Copy


def checkpoints(work, say=sys.exit):
    return Checkpoints(work, "key", SimpleNamespace(rank=0, size=1), say=say)


def test_killed_at_any_moment_the_last_that_stood_is_there(tmp_path):
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["kills"] >= 20 and facts["reached"] > 20 and facts["leftovers"] >= 5, facts


POINTS = {  # where a child kills itself, at its third save: (object, function, before or after it)
    "copied": (Copy, "write", "before"), "written": (Copy, "write", "after"),
    "not sealed": (artefact, "_write_manifest", "before"), "sealed": (artefact, "_move_into_place", "before"),
    "renamed": (artefact, "_move_into_place", "after"), "retiring": (artefact, "remove", "before"),
}  # fmt: skip
SIZE = 300_000


def _child(work, out, point):
    """Save every step for ever; tell the parent what stands."""
    if point:
        owner, name, when = POINTS[point]
        inner, calls = getattr(owner, name), []

        def fatal(*args, **kwargs):
            calls.append(1)
            if len(calls) == 3 and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = inner(*args, **kwargs)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, fatal)
    c, state = checkpoints(work, say=str), {"w": torch.zeros(SIZE), "n/step": torch.tensor(0.0)}
    step = (c.load(state) or {"step": 0})["step"]
    while True:
        step += 1
        for tensor in state.values():
            tensor.fill_(step)
        c.save(step, state, {"step": step})
        os.write(out, f"{step - 1}\n".encode())  # this save has begun, so the one before stands


def _kill_once(work, wait, point):
    """Returns what the child said stood, when it was killed `wait` seconds after its second save."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            _child(work, writer, point)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        said.readline()
        stands = int(said.readline() or 0)
        if not point:
            time.sleep(wait)
            os.kill(child, signal.SIGKILL)
        stands = max([stands, *(int(line) for line in said.read().split())])
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    return stands


def _killer(work):
    importlib.import_module("torch.distributed.checkpoint")  # once, not at the first save of every child
    torch.set_num_threads(1)
    chance, facts = random.Random(0), {"kills": 0, "leftovers": 0, "reached": 0}
    for point in [None] * 20 + list(POINTS):
        stands = _kill_once(work, chance.uniform(0, 0.03), point)
        facts["kills"] += 1
        facts["leftovers"] += any(p.name.startswith(".") for p in work.iterdir())
        for folder in work.glob("step-*"):
            artefact.read(folder, "checkpoint", verify=True)  # never in part, swept or not
        c, state = checkpoints(work), {"w": torch.zeros(SIZE), "n/step": torch.tensor(0.0)}
        reached = c.load(state)["step"]
        assert stands <= reached <= stands + 2, (point, stands, reached)
        assert all(t.eq(reached).all() for t in state.values())
        assert all(p.name.startswith("step-") for p in work.iterdir())
        facts["reached"] = reached
    print(json.dumps(facts))


if __name__ == "__main__":
    _killer(Path(sys.argv[1]))
