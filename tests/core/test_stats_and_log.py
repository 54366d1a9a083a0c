"""Intervals against published values; metrics that survive interruption."""

import io
import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tensorboardX.proto.event_pb2 import Event

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
    assert list((tmp_path / "tensorboard").glob("sft/events*"))
    assert all(json.loads(line) for line in log.file.read_text().splitlines())


def test_what_is_recorded_outlives_a_killed_process_and_a_half_line(tmp_path):
    log = RunLog(tmp_path)
    log.metrics("sft", 1, loss=0.5)  # never closed
    assert [r["loss"] for r in RunLog(tmp_path).records()] == [0.5]
    with log.file.open("a") as f:
        f.write('{"stage": "sft", "step": 2, "lo')
    other = RunLog(tmp_path)
    other.metrics("sft", 2, loss=0.25)
    assert [r["loss"] for r in other.records()] == [0.5, 0.25]
    log.close()
    other.close()


def test_only_the_first_process_writes_and_speaks(tmp_path, capsys):
    log = RunLog(tmp_path / "run", Console(), first=False)
    log.metrics("sft", 1, "a line", loss=0.5)
    log.alarm("sft", 1, "spike", "far above")
    log.rewind("sft", 0)
    with log.progress("sft", 0, 1) as bar:
        bar.update(1, {"loss": 0.5})
    log.close()
    assert not (tmp_path / "run").exists() and capsys.readouterr().out == ""


def test_records_hold_parts_lists_and_nothing_that_json_lacks(tmp_path):
    log = RunLog(tmp_path)
    log.metrics("sft", 1, loss=math.nan, loss_by_source={"web": 2.0, "own": math.inf}, expert_load=[0.5, 0.5], note="x")
    log.close()
    (record,) = [json.loads(line, parse_constant=pytest.fail) for line in log.file.read_text().splitlines()]
    assert record["loss"] is None and record["loss_by_source"] == {"web": 2.0, "own": None}
    assert record["expert_load"] == [0.5, 0.5] and record["note"] == "x"


def test_tensorboard_has_every_number_by_stage_and_forgets_what_is_rewound(tmp_path):
    log = RunLog(tmp_path)
    for step in (1, 2, 3):
        log.metrics("sft", step, loss=step / 2, loss_by_source={"web": step / 4}, expert_load=[0.75, 0.25])
    log.close()
    again = RunLog(tmp_path)
    again.rewind("sft", 1)
    again.metrics("sft", 2, loss=7.0)
    again.close()
    first, second = (
        list(event_file_loader(file))
        for file in sorted((tmp_path / "tensorboard/sft").glob("events*"), key=lambda f: f.suffix)
    )
    scalars = [(e.step, v.tag, v.simple_value) for e in first for v in e.summary.value if v.HasField("simple_value")]
    assert scalars == [
        entry for s in (1, 2, 3) for entry in ((s, "sft/loss", s / 2), (s, "sft/loss_by_source/web", s / 4))
    ]
    bars = [list(v.histo.bucket) for e in first for v in e.summary.value if v.HasField("histo")]
    assert bars == [[0.75, 0.25]]  # of the first step; the next are some steps away
    assert [e.step for e in second if e.session_log.status == e.session_log.START] == [
        2
    ]  # what TensorBoard purges from


def event_file_loader(file):
    """Events of a TensorBoard file: records of length, checksum, bytes, checksum."""
    data, at = file.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length


def test_an_alarm_is_said_and_recorded(tmp_path):
    out = io.StringIO()
    log = RunLog(tmp_path, Console(file=out, width=200))
    log.alarm("sft", 7, "spike", "loss [9] is far above")
    assert out.getvalue() == "  ! sft, step 7: loss [9] is far above\n"
    (record,) = log.records()
    assert (record["step"], record["alarm"], record["text"]) == (7, "spike", "loss [9] is far above")
    log.close()


def test_going_back_keeps_the_alarm_that_was_the_reason_once(tmp_path):
    log = RunLog(tmp_path)
    log.metrics("sft", 6, loss=0.5)
    log.alarm("sft", 7, "spike", "far above")
    log.rewind("sft", 5)
    assert [(r["step"], r.get("alarm")) for r in log.records()] == [(7, "spike")]
    log.close()
    again = RunLog(tmp_path)  # a process that was killed after it went back meets the same spike again
    again.rewind("sft", 5)
    again.alarm("sft", 7, "spike", "far above")
    assert [(r["step"], r["alarm"]) for r in again.records()] == [(7, "spike")]
    again.rewind("sft", 0)  # the stage starts over, perhaps with other settings
    assert not list(again.records())
    again.close()
