"""The meter: conservation over interruptions, honest prices, and a ledger that reads back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firesteel.compute import proc
from firesteel.compute.energy import Counter
from firesteel.compute.meter import KEYS, Meter, Spent, append_ledger, ledger_record, read_spent
from firesteel.core.config import MachineSettings
from firesteel.core.errors import ArtefactError


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def meter(clock: Clock | None = None, joules: list[float] | None = None, **settings: object) -> Meter:
    readings = iter(joules or [])
    last = [0.0]

    def read() -> float:
        last[0] = next(readings, last[0])
        return last[0]

    counters = [Counter("test", read)] if joules else []
    fields = MachineSettings(country="FRA", **settings)  # type: ignore[arg-type]
    return Meter(fields, {"accelerators": {}}, processor=lambda: counters, clock=clock or Clock())


def test_time_energy_carbon_and_money_follow_the_clock_and_the_recipe() -> None:
    clock = Clock()
    with meter(clock, watts=360, pue=1.5, price_per_hour=2).stage("pretrain") as m:
        clock.now += 1800
    assert m.actual["seconds"] == 1800 and m.actual["cost"] == 1.0
    assert m.actual["kwh"] == pytest.approx(0.36 * 0.5 * 1.5) and m.actual["co2e_g"] == pytest.approx(0.27 * 56)
    assert set(m.actual) == set(KEYS)


def test_a_stage_that_is_interrupted_adds_up(tmp_path: Path) -> None:
    clock, carry = Clock(), tmp_path / "work" / "spent.json"
    for run, seconds in enumerate((10, 20)):
        with pytest.raises(KeyboardInterrupt), meter(clock, watts=100).stage("sft", carry) as m:
            assert read_spent(carry).runs == run + 1  # told from the first moment on
            clock.now += seconds
            raise KeyboardInterrupt
        assert read_spent(carry).seconds == (10, 30)[run]
    with meter(clock, watts=100).stage("sft", carry) as m:
        clock.now += 5
    assert m.actual["seconds"] == 35 and m.spent.joules == 3500 and read_spent(carry) == m.spent
    assert m.spent.runs == 3


KILLED = """
import os, signal, sys, time
from pathlib import Path
from firesteel.compute import meter as room
from firesteel.compute.meter import Meter
from firesteel.core.config import MachineSettings
room.SAMPLE_SECONDS = room.SAVE_SECONDS = 0.01
with Meter(MachineSettings(), {}).stage("grpo", Path(sys.argv[1])) as m:
    for _ in range(1000):
        if room.read_spent(Path(sys.argv[1])).seconds:
            break
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_keeps_the_account(tmp_path: Path) -> None:
    carry = tmp_path / "spent.json"
    run = subprocess.run([sys.executable, "-c", KILLED, str(carry)], check=False)
    assert run.returncode == -signal.SIGKILL
    before = read_spent(carry)
    assert before.seconds > 0 and before.peak_bytes > 1 << 20 and before.runs == 1
    with meter(Clock()).stage("grpo", carry) as m:
        pass
    assert m.spent.seconds == before.seconds and m.spent.runs == 2


def test_a_stage_begins_its_own_peak_and_its_own_processor_time() -> None:
    hold = bytearray(256 << 20)
    hold[::4096] = b"1" * len(hold[::4096])
    own = proc.resident(os.getpid())
    del hold
    with meter().stage("data") as m:
        pass
    assert m.actual["peak_bytes"] < own - (128 << 20) and m.spent.cpu_seconds < 1
    with meter().stage("data") as m:
        hold = bytearray(256 << 20)
        hold[::4096] = b"1" * len(hold[::4096])
        del hold
    assert m.actual["peak_bytes"] > 256 << 20


LEFT = """
from firesteel.compute.device import keep_freed_memory
from firesteel.compute.meter import Meter
from firesteel.core.config import MachineSettings
keep_freed_memory()
hold = bytearray(256 << 20)
hold[::4096] = b"1" * len(hold[::4096])
del hold
with Meter(MachineSettings(), {}).stage("sft") as m:
    pass
print(m.spent.peak_bytes)
"""


def test_memory_that_the_stage_before_left_is_not_this_stages() -> None:
    run = subprocess.run([sys.executable, "-c", LEFT], check=True, capture_output=True)
    assert int(run.stdout) < 128 << 20


def test_children_are_part_of_a_stage() -> None:
    code = (
        "import time; x = bytearray(96 << 20); x[::4096] = b'1' * len(x[::4096])\nwhile time.process_time() < 0.3: pass"
    )
    with meter().stage("data") as m, subprocess.Popen([sys.executable, "-c", code]) as child:
        while child.poll() is None:
            m.sample()
    assert m.spent.peak_bytes > proc.resident(os.getpid()) + (64 << 20) and m.spent.cpu_seconds >= 0.25


def test_counters_are_read_afresh_for_each_stage() -> None:
    one = meter(joules=[500, 500, 530])
    with one.stage("data") as m:
        m.sample()
    assert m.spent.joules == 30 and m.method.startswith("test; 56 gCO2e/kWh, FRA")


def test_an_account_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    carry = tmp_path / "spent.json"
    for text in ("{", '{"seconds": 1, "apples": 2}', "[]"):
        carry.write_text(text)
        with pytest.raises(ArtefactError, match="damaged"):
            read_spent(carry)
    assert read_spent(tmp_path / "none.json") == Spent()


def test_the_ledger_tells_estimate_and_actual_in_the_same_keys(tmp_path: Path) -> None:
    clock = Clock()
    with meter(clock, currency="EUR").stage("eval") as m:
        clock.now += 1
    estimate = dict.fromkeys(KEYS, 1.0) | {"tokens": 5.0}
    append_ledger(tmp_path / "ledger.jsonl", ledger_record("eval", estimate, m))
    append_ledger(tmp_path / "ledger.jsonl", ledger_record("data", None, m))
    first, second = (json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines())
    assert set(first) == {"stage", "estimate", "actual", "method", "currency"} and first["currency"] == "EUR"
    assert set(first["estimate"]) == set(first["actual"]) == set(KEYS) and second["estimate"] is None
