"""How fast a machine is, in the few numbers that the planner needs: measured here, or looked up by name.

Measuring runs in a process of its own, so that it disturbs neither the caller's memory nor its random numbers, and its
result is kept in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from firesteel.compute.device import environment
from firesteel.core.artefact import digest, write_text
from firesteel.core.errors import MachineError, nearest

FORMAT = 1  # of a cache file; counts up when the benchmark changes
BUSY = 0.2  # share of the processor in other hands above which a measurement is not kept


@dataclass(frozen=True)
class Links:
    """How devices of a cluster reach each other: bytes a second of one device, in one direction."""

    per_node: int  # devices of a node
    node_bytes: float  # to another device of the node
    network_bytes: float  # to another node
    fp8_flops: float  # matrix products in FP8; 0: the device has none
    source: str

    def reach(self, span: int) -> float:
        """Rate within a group of neighbouring devices that takes `span` places: its slowest link decides."""
        return self.node_bytes if span <= self.per_node else self.network_bytes


@dataclass(frozen=True)
class Rates:
    """A machine's speed and size. `measured` tells where the numbers come from."""

    name: str
    fp32_flops: float  # matrix product in float32, operations a second
    bf16_flops: float  # the same in bfloat16
    read_bytes: float  # reading memory, bytes a second
    traffic_bytes: float  # reading and writing by the operations between matrix products, bytes a second
    operation_seconds: float  # starting one operation, forward or backward
    python_seconds: float  # a fixed piece of text work in plain Python
    memory_bytes: float
    watts: float  # under load; 0 = model it from threads
    threads: int
    measured: str
    price_per_hour: float = 0.0
    load: float = 0.0  # share of the processor that others used meanwhile
    links: Links | None = None  # of a machine that many make a cluster of


def _accelerator(
    name: str, fp32: float, bf16: float, memory: float, size: float, watts: float, source: str, links: Links
) -> Rates:
    """A card from its maker's figures; starting an operation costs what eager torch costs on a server's processor."""
    return Rates(name, fp32, bf16, memory, memory, 8e-6, 0.02, size, watts, 16, source, links=links)


HBM_80, HBM_64 = 81_559 * 2.0**20, 65_536 * 2.0**20  # "80 GB" and "64 GB" cards, as their tools show them
H100 = Links(8, 450e9, 50e9, 1979e12, "maker's data sheet: NVLink 900 GB/s both ways, one 400 Gb/s port a card")
H800 = Links(
    8, 160e9, 50e9, 1979e12, "DeepSeek-V3 report, sections 3.1 and 3.2.2: NVLink 160 GB/s, InfiniBand 50 GB/s a card"
)
ASCEND = Links(8, 100e9, 25e9, 0.0, "assumed: 8 cards on HCCS at 100 GB/s, one 200 Gb/s RoCE port a card; no FP8")

MACHINES = {  # name -> rates; prices are the user's to fill in
    machine.name: machine
    for machine in (
        Rates("laptop-2core", 1.2e11, 3e10, 1.5e10, 8e9, 12e-6, 0.03, 8e9, 20, 2, "typical, not measured"),
        Rates("server-16core", 1.2e12, 1.2e12, 1.5e11, 5e10, 8e-6, 0.02, 64e9, 200, 16, "typical, not measured"),
        _accelerator("h100", 67e12, 989e12, 3.35e12, HBM_80, 700, "maker's data sheet, SXM, dense", H100),
        _accelerator("h800", 67e12, 989e12, 3.35e12, HBM_80, 700, "as h100 with slower links between cards", H800),
        _accelerator(  # published for its variants: 280 to 354 TFLOP/s in bfloat16
            "ascend-910b",
            80e12,
            320e12,
            1.6e12,
            HBM_64,
            400,
            "press reports, not the maker's",
            ASCEND,
        ),
    )
}


def named(name: str) -> Rates:
    """A machine of the table. Raises MachineError with the nearest name."""
    if name not in MACHINES:
        raise MachineError("unknown machine", value=name, hint=nearest(name, MACHINES))
    return MACHINES[name]


def cache_file(facts: Mapping[str, Any], threads: int, folder: Path | None = None) -> Path:
    """Where the rates of this machine are kept: one file for a processor, a thread count and a torch version."""
    folder = folder or Path(os.environ.get("FIRESTEEL_CACHE") or Path.home() / ".cache" / "firesteel")
    what = {"format": FORMAT, "cpu": facts["cpu"], "threads": threads, "torch": facts["torch"]}
    return folder / f"rates-{digest(what)[:16]}.json"


def here(facts: Mapping[str, Any], threads: int = 0, folder: Path | None = None) -> Rates:
    """This machine's rates: from the cache, else measured (some seconds) and kept unless others were using the machine.

    `facts` are `machine.facts()`; `threads` 0 = all cores. Raises MachineError if the benchmark cannot run.
    """
    threads = threads or facts["cores"]
    file = cache_file(facts, threads, folder)
    with contextlib.suppress(OSError, ValueError, TypeError):
        return replace(Rates(**json.loads(file.read_text(encoding="utf-8"))), memory_bytes=facts["memory_bytes"] or 0.0)
    rates = Rates(**_measure(threads), memory_bytes=facts["memory_bytes"] or 0.0, name=facts["cpu"])
    if rates.load <= BUSY:
        with contextlib.suppress(OSError, MachineError):  # a home that cannot be written only costs measuring again
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(asdict(rates), indent=1) + "\n")
    return rates


def _measure(threads: int) -> dict[str, Any]:
    """Run `measure.py` in a fresh process."""
    command = [sys.executable, "-m", "firesteel.compute.measure", str(threads)]
    env = os.environ | environment()
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise MachineError("this machine's speed cannot be measured", why=str(e), hint="firesteel doctor") from e
    lines = run.stdout.strip().splitlines()
    if run.returncode or not lines or not re.match(r"\{.*\}$", lines[-1]):
        why = (run.stderr.strip().splitlines() or [f"it ended with code {run.returncode}"])[-1]
        raise MachineError("this machine's speed cannot be measured", why=why, hint="firesteel doctor")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
