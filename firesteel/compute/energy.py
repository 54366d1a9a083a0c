"""Where joules come from: the processor's own counter (RAPL), the card's (NVML), or a model of the power drawn.

Counters measure more truly than models, but often cannot be read: RAPL needs root or an administrator's permission and
is hidden in most virtual machines. What was used is told in `method`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firesteel.compute import proc
from firesteel.core.config import MachineSettings

WATTS_PER_THREAD = 4.0  # a busy hardware thread; CodeCarbon's DEFAULT_POWER_PER_CORE, for want of anything better
POWERCAP = Path("/sys/class/powercap")
NVML = "libnvidia-ml.so.1"


@dataclass
class Counter:
    """A hardware energy counter: `read` gives joules since some moment, and falls by `wrap` joules when it is full."""

    name: str
    read: Callable[[], float]
    wrap: float = 0.0
    total: float = 0.0
    last: float | None = None

    def advance(self) -> float:
        """Joules since the first call, over any number of wraps if called more often than they happen."""
        now = self.read()
        if self.last is not None:
            step = now - self.last
            self.total += step if step >= 0 else max(0.0, step + self.wrap)
        self.last = now
        return self.total


def rapl(root: Path = POWERCAP) -> list[Counter]:
    """The processor's counters that this user may read: every package, and its memory where that is counted apart."""
    counters = []
    for zone in sorted(root.glob("intel-rapl:*")):  # the kernel uses this name on AMD too
        name = (proc.read(zone / "name") or "").strip()
        if (name.startswith("package") or name == "dram") and proc.read(zone / "energy_uj"):
            wrap = float(proc.read(zone / "max_energy_range_uj") or 0) / 1e6
            counters.append(Counter(f"RAPL {name}", lambda file=zone / "energy_uj": _joules(file), wrap))  # type: ignore[misc]
    return counters


def _joules(file: Path) -> float:
    return float(file.read_text()) / 1e6


def nvml(library: str = NVML) -> list[Counter]:
    """A counter for each NVIDIA card that has one (Volta or newer); it counts the whole card, whoever uses it."""
    try:
        lib = ctypes.CDLL(library)
    except OSError:
        return []
    count = ctypes.c_uint()
    if lib.nvmlInit_v2() or lib.nvmlDeviceGetCount_v2(ctypes.byref(count)):
        return []
    counters = []
    for index in range(count.value):
        handle, value = ctypes.c_void_p(), ctypes.c_ulonglong()
        if lib.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
            continue
        if lib.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(value)) == 0:
            counters.append(Counter(f"NVML card {index}", _card(lib, handle)))
    return counters


def _card(lib: ctypes.CDLL, handle: ctypes.c_void_p) -> Callable[[], float]:
    def joules() -> float:
        value = ctypes.c_ulonglong()  # mJ since the driver was loaded
        if lib.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(value)):
            raise OSError("the card no longer tells its energy")
        return value.value / 1000

    return joules


@dataclass
class Energy:
    """Joules of a stage so far; `method` says how they are known."""

    method: str
    counters: Sequence[Counter]
    watts: float = 0.0  # of the whole machine, from the recipe
    thread_watts: float = 0.0  # of a busy thread, where nothing counts the processor

    def joules(self, seconds: float, cpu_seconds: float) -> float:
        """Since the start: counters as they stand, plus modelled power times (busy) time."""
        counted = sum(counter.advance() for counter in self.counters)
        return counted + self.watts * seconds + self.thread_watts * cpu_seconds


def energy(settings: MachineSettings, cpu: list[Counter], cards: list[Counter], blind: Sequence[str] = ()) -> Energy:
    """How to know the energy: the recipe's watts if given, else counters, and the model for what has no counter.

    `blind` names accelerators that work here without a counter: they are said to be left out.
    """
    if settings.watts:
        return Energy(f"{settings.watts:g} W from the recipe x time", (), watts=settings.watts)
    names = [counter.name for counter in (*cpu, *cards)]
    if not cpu:
        names.append(f"model: {WATTS_PER_THREAD:g} W x busy threads (no processor counter is readable)")
    if blind:
        names.append(f"not counted: {', '.join(blind)}; set machine.watts")
    return Energy(" + ".join(names), (*cpu, *cards), thread_watts=0.0 if cpu else WATTS_PER_THREAD)
