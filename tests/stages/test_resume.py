"""kill -9 at random moments, the same command again: the same final weights, and nothing done twice without saying so."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firesteel.core import artefact

TOY = Path(__file__).parents[2] / "recipes" / "toy.toml"
KILLS = 4


def start(out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "firesteel", "run", str(TOY), "--out", str(out), "--set", "machine.threads=1"]
    log = (out.parent / f"{out.name}.log").open("ab")
    with log:
        return subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
        )


def weights(out: Path) -> dict[str, str]:
    stages = ("pretrain", "sft", "grpo", "compress", "release")
    return {s: artefact.file_hash(out / s / "model.safetensors") for s in stages}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    out = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    assert start(out).wait(timeout=240) == 0, (out.parent / "run.log").read_text()
    return out, time.monotonic() - began


@pytest.mark.timeout(280)
def test_killed_at_random_moments_the_weights_come_out_the_same(uninterrupted, tmp_path):
    whole, seconds = uninterrupted
    out = tmp_path / "run"
    rng = random.Random(time.time_ns())
    for _ in range(KILLS):
        process = start(out)
        try:
            process.wait(timeout=rng.uniform(0.15, 0.5) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert start(out).wait(timeout=240) == 0, (tmp_path / "run.log").read_text()
    assert weights(out) == weights(whole)
    for name in ("pretrain", "sft", "grpo"):
        records = [r for r in map(json.loads, (out / "metrics.jsonl").read_text().splitlines()) if r["stage"] == name]
        assert [r["step"] for r in records] == list(range(1, len(records) + 1)), name
        other = [r for r in map(json.loads, (whole / "metrics.jsonl").read_text().splitlines()) if r["stage"] == name]
        assert [r.get("loss") for r in records] == [r.get("loss") for r in other]


def test_a_finished_run_is_skipped_and_says_so(uninterrupted):
    out, _ = uninterrupted
    before = weights(out)
    assert start(out).wait(timeout=120) == 0
    log = (out.parent / "run.log").read_text()
    assert log.count("already made") >= 10 and weights(out) == before


def test_a_damaged_artefact_is_named_and_not_used(uninterrupted):
    out, _ = uninterrupted
    file = out / "sft" / "model.safetensors"
    good = file.read_bytes()
    try:
        file.write_bytes(good[:-10])
        assert start(out).wait(timeout=120) == 2
        assert "sft/model.safetensors" in (out.parent / "run.log").read_text().replace("\n", "")
    finally:
        file.write_bytes(good)
