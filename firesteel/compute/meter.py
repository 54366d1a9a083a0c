"""The meter: time, peak memory, energy, carbon and money of a stage, while it runs and across restarts.

What a stage has spent is written beside its work every few seconds, so that a run that is killed and started again adds
to it instead of beginning at zero.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from firesteel.compute import proc
from firesteel.compute.carbon import Carbon, carbon
from firesteel.compute.device import energy_counters
from firesteel.compute.energy import Counter, Energy, energy, rapl
from firesteel.core.artefact import write_text
from firesteel.core.config import MachineSettings
from firesteel.core.errors import ArtefactError, MachineError

SAMPLE_SECONDS = 0.2
SAVE_SECONDS = 5.0
KEYS = ("seconds", "peak_bytes", "kwh", "co2e_g", "cost")  # what an estimate and an actual both tell


@dataclass(frozen=True)
class Spent:
    """What a stage has used so far, all its runs together."""

    seconds: float = 0.0  # wall clock
    cpu_seconds: float = 0.0  # of all threads and child processes
    joules: float = 0.0  # before the room's PUE
    peak_bytes: int = 0  # resident memory of this process and its children
    runs: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds, self.joules + other.joules,
            max(self.peak_bytes, other.peak_bytes), self.runs + other.runs,
        )  # fmt: skip


def read_spent(carry: Path) -> Spent:
    """What earlier runs of a stage recorded in `carry`; nothing if there is no such file. Raises ArtefactError."""
    try:
        return Spent(**json.loads(carry.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Spent()
    except (ValueError, TypeError) as e:
        hint = "remove this file; only the account of the interrupted run is lost"
        raise ArtefactError("the account of an interrupted stage is damaged", value=carry, why=str(e), hint=hint) from e


class Measurement:
    """One run of a stage being measured. `spent` and `actual` may be read at any time, and after the stage ended."""

    def __init__(self, meter: Meter, before: Spent, carry: Path | None) -> None:
        self._meter, self._before, self._carry = meter, before, carry
        self._energy = meter.energy()
        self._start, self._cpu_start = meter.clock(), self._cpu()
        proc.return_freed_memory()
        self._own_peak = proc.reset_peak()  # the kernel's record catches peaks between two samples
        self._peak, self._lock = 0, threading.Lock()
        self._now = Spent(runs=1)
        self.sample()

    @property
    def method(self) -> str:
        """How the energy is known, and the carbon intensity used."""
        return f"{self._energy.method}; {self._meter.carbon.note}"

    @property
    def spent(self) -> Spent:
        """All runs of the stage, to the last sample."""
        return self._before + self._now

    @property
    def actual(self) -> dict[str, float]:
        """`spent` in the ledger's terms: seconds, peak_bytes, kwh, co2e_g, cost."""
        spent, settings = self.spent, self._meter.settings
        kwh = spent.joules * settings.pue / 3.6e6
        return {
            "seconds": round(spent.seconds, 3), "peak_bytes": spent.peak_bytes, "kwh": kwh,
            "co2e_g": self._meter.carbon.grams(kwh), "cost": spent.seconds / 3600 * settings.price_per_hour,
        }  # fmt: skip

    def sample(self) -> None:
        """Read every counter now."""
        with self._lock:
            pids = proc.family(os.getpid())
            self._peak = max(self._peak, sum(proc.resident(pid) for pid in pids))
            if self._own_peak:
                self._peak = max(self._peak, proc.peak())
            seconds, cpu = self._meter.clock() - self._start, max(0.0, self._cpu(pids) - self._cpu_start)
            self._now = Spent(seconds, cpu, self._energy.joules(seconds, cpu), self._peak, 1)

    def save(self) -> None:
        """Write what was spent to the carry file, if there is one."""
        if self._carry is not None:
            self._carry.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._carry, json.dumps(asdict(self.spent)) + "\n")

    def _cpu(self, pids: list[int] | None = None) -> float:
        return sum(proc.cpu_seconds(pid) for pid in pids or proc.family(os.getpid()))

    def watch(self, stop: threading.Event) -> None:
        """Sample until told to stop; saves now and then. A disk that is full for a moment does not end the watch."""
        saved = self._meter.clock()
        while not stop.wait(SAMPLE_SECONDS):
            self.sample()
            if self._meter.clock() - saved >= SAVE_SECONDS:
                saved = self._meter.clock()
                with contextlib.suppress(OSError, MachineError):
                    self.save()


class Meter:
    """Measures stages on this machine with the recipe's prices, watts, country and PUE.

    `facts` are `machine.facts()`; the processor's energy counters and the clock (seconds) are the machine's own unless
    given.
    """

    def __init__(
        self, settings: MachineSettings, facts: Mapping[str, Any], *,
        processor: Callable[[], list[Counter]] = rapl, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.settings, self.clock, self._processor = settings, clock, processor
        self.carbon: Carbon = carbon(settings.country)
        self._accelerators = [] if settings.device == "cpu" else sorted(facts.get("accelerators", {}))

    def energy(self) -> Energy:
        """Fresh counters for a stage."""
        cards, blind = energy_counters(self._accelerators)
        return energy(self.settings, self._processor(), cards, blind)

    @contextlib.contextmanager
    def stage(self, name: str, carry: Path | None = None) -> Iterator[Measurement]:
        """Measure the block as (one more run of) stage `name`; keep what was spent in `carry` across interruptions.

        `carry` stays when the block ends: remove it, with the stage's work folder, once the ledger has its record.
        """
        measurement = Measurement(self, read_spent(carry) if carry else Spent(), carry)
        measurement.save()
        stop = threading.Event()
        watcher = threading.Thread(target=measurement.watch, args=(stop,), name=f"meter-{name}", daemon=True)
        watcher.start()
        try:
            yield measurement
        except BaseException:
            with contextlib.suppress(OSError, MachineError):  # the stage's own error is the one to tell
                self._end(measurement, watcher, stop)
            raise
        self._end(measurement, watcher, stop)

    def _end(self, measurement: Measurement, watcher: threading.Thread, stop: threading.Event) -> None:
        stop.set()
        watcher.join()
        measurement.sample()
        measurement.save()


def ledger_record(stage: str, estimate: Mapping[str, float] | None, measurement: Measurement) -> dict[str, Any]:
    """One line of `ledger.jsonl`: what was estimated (or null) and what it took, in the same keys and units."""
    planned = None if estimate is None else {key: estimate[key] for key in KEYS}
    return {
        "stage": stage, "estimate": planned, "actual": measurement.actual, "method": measurement.method,
        "currency": measurement._meter.settings.currency,
    }  # fmt: skip


def append_ledger(file: Path, record: Mapping[str, Any]) -> None:
    """Add a record to a ledger file and make sure that it is on the disk."""
    with file.open("a", encoding="utf-8") as f:
        f.write(json.dumps(record, ensure_ascii=False) + "\n")
        f.flush()
        os.fsync(f.fileno())
