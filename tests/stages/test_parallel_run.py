"""A training stage in several processes: the numbers of one process, through killed workers, and on another count of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firesteel.compute.proc import family
from tests.known_speed import known_speed

ROOT = Path(__file__).parents[2]
SHORT = ("pretrain.steps=6", "pretrain.checkpoint_every=2", "pretrain.batch_size=4", "pretrain.sequence_length=32")
LIMIT = 200.0  # seconds for one run


def start(
    out: Path, *changes: str, span: str = "--only", by: tuple[str, ...] = ("-m", "firesteel")
) -> subprocess.Popen[str]:
    command = [sys.executable, *by, "run", str(ROOT / "recipes" / "toy.toml"), "--out", str(out), span, "pretrain"]
    sets = [word for change in (*SHORT, *changes) for word in ("--set", change)]
    env = {name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK")}
    env |= {"OMP_WAIT_POLICY": "PASSIVE", "TERM": "dumb"} | known_speed(out.parent / "cache")
    return subprocess.Popen(
        command + sets, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        end(process)
        raise
    assert process.returncode == 0, said
    return said


def end(process: subprocess.Popen[str]) -> None:
    for pid in reversed(family(process.pid)):
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def losses(out: Path) -> dict[int, float]:
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {r["step"]: r["loss"] for r in map(json.loads, lines) if r["stage"] == "pretrain" and "loss" in r}


def after(out: Path, steps: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many steps are recorded."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until and process.poll() is None:
        if (out / "metrics.jsonl").is_file() and len((out / "metrics.jsonl").read_text().splitlines()) >= steps:
            return
        time.sleep(0.02)
    pytest.fail(f"no {steps} steps: {process.stdout.read() if process.poll() is not None else 'too slow'}")


def python_workers(process: subprocess.Popen[str]) -> list[int]:
    """Ids of the processes that train."""
    return [
        pid
        for pid in family(process.pid)
        if b"-m\0firesteel.stages.worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens to learn from, and the run of one process that others are compared with."""
    out = tmp_path_factory.mktemp("alone")
    finish(start(out, span="--to"))
    return out


@pytest.fixture
def fresh(material: Path, tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        out = tmp_path / name
        out.mkdir()
        for stage in ("data", "tokenizer", "tokens"):
            (out / stage).symlink_to(material / stage)
        return out

    return copy


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_the_job_goes_on_from_its_checkpoint(
    material: Path, fresh: Callable[[str], Path]
) -> None:
    out = fresh("workers")
    process = start(out, "parallel.processes=2", "parallel.zero=3")
    after(out, 3, process)
    workers = python_workers(process)
    assert len(workers) == 2, workers
    os.kill(workers[1], signal.SIGKILL)
    said = finish(process)
    assert "a worker died" in said and "resuming after step" in said
    assert losses(out) == pytest.approx(losses(material), rel=1e-3) and len(losses(out)) == 6


@pytest.mark.slow
def test_a_killed_run_takes_its_workers_with_it_and_goes_on_with_another_number_of_them(
    material: Path, fresh: Callable[[str], Path]
) -> None:
    out = fresh("leader")
    process = start(out, "parallel.processes=2", "parallel.expert=2")
    after(out, 3, process)
    everybody = family(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 20
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in everybody):
        time.sleep(0.1)
    assert not [pid for pid in everybody if Path(f"/proc/{pid}").exists()]
    said = finish(start(out))  # alone
    assert "resuming after step" in said
    assert losses(out) == pytest.approx(losses(material), rel=1e-3) and len(losses(out)) == 6


@pytest.mark.slow
def test_a_run_that_is_killed_while_its_workers_start_leaves_none_behind(fresh: Callable[[str], Path]) -> None:
    out = fresh("early")
    process = start(out, "parallel.processes=2")
    until = time.monotonic() + 60
    while time.monotonic() < until and len(named(out)) < 2:  # the run itself, and the first process that it starts
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 60
    while time.monotonic() < until and named(out):
        time.sleep(0.1)
    assert not named(out)


def named(out: Path) -> list[int]:
    """Ids of all processes whose command line names the run."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [int(file.parent.name)] if str(out).encode() in file.read_bytes() else []
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_torchrun_may_start_the_processes_itself(material: Path, fresh: Callable[[str], Path]) -> None:
    out = fresh("torchrun")
    by = (
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--local-addr=127.0.0.1",
        "--nproc-per-node=2",
        "-m",
        "firesteel",
    )
    finish(start(out, "parallel.processes=2", "parallel.pipeline=2", by=by))
    assert losses(out) == pytest.approx(losses(material), rel=1e-3)


@pytest.mark.slow  # quicker, without processes: test_together.py
def test_a_mistake_of_the_users_is_told_once_and_not_tried_again(fresh: Callable[[str], Path]) -> None:
    process = start(fresh("wrong"), "parallel.processes=2", "parallel.tensor=2", "model.num_attention_heads=1")
    said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 2 and said.count("parallel.tensor does not fit the model") == 1, said
    assert "a worker died" not in said
