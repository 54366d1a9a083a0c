"""Executors: the same results from one process, several, and Ray's; a dying worker costs its own task only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firesteel.compute.workers import Processes, count
from firesteel.core.errors import SourceError
from firesteel.core.work import Crash, Executor, Serial


def square(n: int) -> int:
    """A task."""
    return n * n


def die_at_three(n: int) -> int:
    """A task that the third number kills, as a fault in a parser would."""
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return n * n


def whoami(_: int) -> int:
    """A task that tells who does it."""
    return os.getpid()


def refuse(n: int) -> int:
    """A task whose input is the user's mistake."""
    raise SourceError("no good", value=n, why="it is odd", hint="take an even one")


@pytest.mark.parametrize("executor", [Serial(), Processes(2)], ids=["serial", "processes"])
def test_every_task_is_done_once(executor: Executor) -> None:
    assert sorted(executor.run(square, list(range(20)))) == [(i, i * i) for i in range(20)]
    assert list(executor.run(square, [])) == []


def test_a_worker_that_dies_costs_its_own_task_only() -> None:
    outcomes = dict(Processes(2).run(die_at_three, list(range(8))))
    assert isinstance(outcomes.pop(3), Crash)
    assert outcomes == {i: i * i for i in range(8) if i != 3}


def test_workers_are_kept_until_they_are_let_go() -> None:
    workers = Processes(1)
    (first,), (second,) = (list(workers.run(whoami, [0])) for _ in range(2))
    workers.close()
    (third,) = list(workers.run(whoami, [0]))
    workers.close()
    assert first == second != third


def test_what_a_task_raises_is_raised_here_with_everything_it_says() -> None:
    with pytest.raises(SourceError, match="no good") as caught:
        list(Processes(1).run(refuse, [7]))
    assert (caught.value.value, caught.value.why, caught.value.hint) == (7, "it is odd", "take an even one")


def test_workers_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firesteel.compute.proc.memory_available", lambda: 1 << 30)
    monkeypatch.setattr("firesteel.compute.proc.memory_limit", lambda: 1 << 30)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert count() == 2 and count(5) == 5
    monkeypatch.setattr("firesteel.compute.proc.memory_available", lambda: 100 << 20)
    assert count() == 1


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, os\nfrom firesteel.compute.workers import Processes\n"
        "from tests.compute.test_workers import report\n"
        f"list(Processes(2).run(report, [({str(tmp_path)!r}, i) for i in range(2)]))"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(file.name) for file in tmp_path.iterdir()]
    parent.kill()
    parent.wait()
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(workers) == 2 and not any(alive(pid) for pid in workers)


def report(task: tuple[str, int]) -> None:
    """Leave the process's number, then wait."""
    (Path(task[0]) / str(os.getpid())).touch()
    time.sleep(120)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
