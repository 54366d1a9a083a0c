"""Intervals against published values; metrics that survive interruption."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.log import RunLog
from firesteel.core.stats import paired_difference, wilson


def test_wilson_golden_values():
    """Newcombe 1998, Table I, method 3: 81/263 -> 0.2553 to 0.3662; 0/20 -> 0 to 0.1611."""
    e = wilson(81, 263)
    assert (e.low, e.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    e = wilson(0, 20)
    assert (e.low, e.high) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.1611, abs=5e-5))


@given(st.integers(1, 500), st.data())
def test_intervals_hold_their_value(n, data):
    e = wilson(data.draw(st.integers(0, n)), n)
    assert 0 <= e.low <= e.value <= e.high <= 1


def test_paired_difference_counts_only_changes():
    before = [True] * 50 + [False] * 50
    after = [True] * 50 + [True] * 30 + [False] * 20
    e = paired_difference(before, after)
    assert e.value == pytest.approx(0.30) and 0.2 < e.low < 0.3 < e.high < 0.4
    same = paired_difference(before, before)
    assert same.value == 0 and same.low < 0 < same.high


def test_paired_difference_is_antisymmetric():
    a, b = [True, False, True, True], [False, False, True, False]
    x, y = paired_difference(a, b), paired_difference(b, a)
    assert x.value == -y.value and x.low == pytest.approx(-y.high)


def test_rewind_forgets_what_a_checkpoint_does_not_know(tmp_path):
    log = RunLog(tmp_path)
    for stage, step in [("pretrain", 1), ("pretrain", 2), ("sft", 1), ("sft", 2), ("sft", 3)]:
        log.metrics(stage, step, loss=0.5)
    with log.file.open("a") as f:
        f.write('{"stage": "sft", "st')
    log.rewind("sft", 1)
    assert [(r["stage"], r["step"]) for r in log.records()] == [("pretrain", 1), ("pretrain", 2), ("sft", 1)]
    log.metrics("sft", 2, loss=0.25)
    assert [r["loss"] for r in log.records("sft")] == [0.5, 0.25]
    log.close()
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert all(json.loads(line) for line in log.file.read_text().splitlines())
