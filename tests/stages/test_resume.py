"""kill -9 at random moments, the same command again: the same final weights, and nothing done twice without saying so."""

import json
import random
import time
from pathlib import Path

import pytest

from firesteel.core import artefact
from tests.stages.forked import Commands

TOY = Path(__file__).parents[2] / "recipes" / "toy.toml"
KILLS = 4


@pytest.fixture(scope="module")
def commands():
    with Commands() as commands:
        yield commands


def go(commands: Commands, out: Path, seconds: float = 240) -> int:
    arguments = ("run", str(TOY), "--out", str(out), "--set", "machine.threads=1")
    return commands.run(*arguments, log=out.parent / f"{out.name}.log", seconds=seconds)


def weights(out: Path) -> dict[str, str]:
    stages = ("pretrain", "sft", "grpo", "compress", "release")
    return {s: artefact.file_hash(out / s / "model.safetensors") for s in stages}


@pytest.fixture(scope="module")
def uninterrupted(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    out = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    assert go(commands, out) == 0, (out.parent / "run.log").read_text()
    return out, time.monotonic() - began


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_killed_at_random_moments_the_weights_come_out_the_same(commands, uninterrupted, tmp_path):
    whole, seconds = uninterrupted
    out = tmp_path / "run"
    rng = random.Random(time.time_ns())
    for _ in range(KILLS):
        assert go(commands, out, rng.uniform(0.05, 0.4) * seconds) in (0, -9)
    assert go(commands, out) == 0, (tmp_path / "run.log").read_text()
    assert weights(out) == weights(whole)
    for name in ("pretrain", "sft", "grpo"):
        records = [r for r in map(json.loads, (out / "metrics.jsonl").read_text().splitlines()) if r["stage"] == name]
        assert [r["step"] for r in records] == list(range(1, len(records) + 1)), name
        other = [r for r in map(json.loads, (whole / "metrics.jsonl").read_text().splitlines()) if r["stage"] == name]
        assert [r.get("loss") for r in records] == [r.get("loss") for r in other]


def test_a_finished_run_is_skipped_and_says_so(commands, uninterrupted):
    out, _ = uninterrupted
    before = weights(out)
    assert go(commands, out) == 0
    log = (out.parent / "run.log").read_text()
    assert log.count("already made") >= 10 and weights(out) == before


def test_a_damaged_artefact_is_named_and_not_used(commands, uninterrupted):
    out, _ = uninterrupted
    file = out / "sft" / "model.safetensors"
    good = file.read_bytes()
    try:
        file.write_bytes(good[:-10])
        assert go(commands, out) == 2
        assert "sft/model.safetensors" in (out.parent / "run.log").read_text().replace("\n", "")
    finally:
        file.write_bytes(good)
