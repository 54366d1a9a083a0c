"""What this machine can do for Firesteel, what it lacks, and how to get it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firesteel.compute.device import ACCELERATORS
from firesteel.compute.energy import rapl
from firesteel.compute.machine import facts

GIB = 1 << 30
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXTRAS = {  # optional package -> (what it is for, how to get it)
    "playwright": ("the chat page's browser test", "pip install 'firesteel[test]'"),
}


@dataclass(frozen=True)
class Finding:
    """One checked fact; a `needed` finding that is not `ok` stops a run, the others only cost what `why` says."""

    name: str
    ok: bool
    value: str
    why: str = ""
    hint: str = ""
    needed: bool = False


def doctor(path: Path | str = ".") -> list[Finding]:
    """Check this machine; `path` names the disk that runs will be written to. Takes seconds, for it tries torch."""
    known = facts(path) | {"probe": probe_torch()}
    return [*(check(known) for check in CHECKS), *_extras()]


PROBE = """
import json, torch
from firesteel.compute.device import usable
print(json.dumps({"capability": torch.backends.cpu.get_cpu_capability(), "usable": usable()}))
"""


def probe_torch() -> dict[str, Any]:
    """What torch says of itself, asked in a process of its own: a broken installation is a finding, not our end."""
    try:
        run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120, check=False)
        if run.returncode == 0:
            found: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
            return found
        return {"error": (run.stderr.strip().splitlines() or [f"it ended with code {run.returncode}"])[-1]}
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as e:
        return {"error": str(e)}


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / GIB:.1f} GiB"


def _processor(known: Mapping[str, Any]) -> Finding:
    modern = {"avx2", "neon"} & set(known["isa"])
    value = f"{known['cpu']}, {known['cores']} usable cores, {' '.join(known['isa']) or 'no vectors'}"
    if modern:
        return Finding("processor", True, value)
    why = "matrix products are several times slower without AVX2 or NEON"
    hint = "servers since 2015 have them; if a virtual machine hides them, pass the host's processor through"
    return Finding("processor", False, value, why, hint)


def _container(known: Mapping[str, Any]) -> Finding:
    cpus, memory = known["container_cpus"], known["container_memory_bytes"]
    bound = cpus is not None and cpus < (known["cores_online"] or 0)
    value = ", ".join(([f"{cpus:g} CPUs"] if cpus else []) + ([_size(memory)] if memory else [])) or "no limits"
    return Finding(
        "container limits", not bound, value, f"the machine has {known['cores_online']} cores" if bound else "",
        "raise the container's CPU limit, or leave it: threads follow the limit" if bound else "",
    )  # fmt: skip


def _memory(known: Mapping[str, Any]) -> Finding:
    available = known["memory_available_bytes"]
    ok = available is None or available >= 2 * GIB
    value = f"{_size(available)} available of {_size(known['memory_bytes'])}"
    why, hint = "the quickstart recipe needs about 2 GiB", "close other programs, or use a larger machine"
    return Finding("memory", ok, value, "" if ok else why, "" if ok else hint, needed=True)


def _disk(known: Mapping[str, Any]) -> Finding:
    ok = known["disk_free_bytes"] >= 2 * GIB
    why, hint = "a small run writes up to 2 GiB with its checkpoints", "free some space, or write elsewhere with --out"
    value = f"{_size(known['disk_free_bytes'])} free"
    return Finding("disk", ok, value, "" if ok else why, "" if ok else hint, needed=True)


def _python(known: Mapping[str, Any]) -> Finding:
    ok = sys.version_info >= (3, 11)
    why, hint = "3.11 or newer is needed", "make install PYTHON=python3.11"
    return Finding("python", ok, known["python"], "" if ok else why, "" if ok else hint, needed=True)


def _torch(known: Mapping[str, Any]) -> Finding:
    probe: Mapping[str, Any] = known["probe"]
    if "error" not in probe:
        return Finding("torch", True, f"{known['torch']}, {probe['capability']} kernels", needed=True)
    why = "torch cannot be loaded" if known["torch"] else "torch is not installed"
    return Finding("torch", False, probe["error"], why, "run make install again", needed=True)


def _accelerator(known: Mapping[str, Any]) -> Finding:
    usable: Mapping[str, int] = known["probe"].get("usable", {})
    found = [f"{count} {kind}" for kind, count in usable.items() if kind != "cpu"]
    idle = [kind for kind in known["accelerators"] if kind not in usable]
    value = ", ".join(found) or "none (the CPU is used)"
    if not idle:
        return Finding("accelerator", True, value)
    needs = "; ".join(ACCELERATORS[kind].needs for kind in idle)
    why = f"there is hardware that torch cannot use: {', '.join(idle)}"
    return Finding("accelerator", False, value, why, f"install {needs}")


def _energy(known: Mapping[str, Any]) -> Finding:
    counters = rapl()
    if counters:
        return Finding("energy counter", True, ", ".join(counter.name for counter in counters))
    why = "energy is modelled from busy threads instead of measured (usual in virtual machines)"
    hint = "set machine.watts in the recipe; on bare metal let this user read /sys/class/powercap/*/energy_uj"
    return Finding("energy counter", False, "not readable", why, hint)


def _browser(known: Mapping[str, Any]) -> Finding:
    cache = Path.home() / ".cache" / "ms-playwright"
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    found = found or next((str(path) for path in sorted(cache.glob("chromium-*"))), None)
    if found:
        return Finding("browser", True, found)
    hint = "apt-get install chromium, or: playwright install chromium"
    return Finding("browser", False, "none", "the chat page's test needs Chromium; a run does not", hint)


def _extras() -> list[Finding]:
    findings = []
    for name, (use, get) in EXTRAS.items():
        ok = importlib.util.find_spec(name) is not None
        value = "installed" if ok else "not installed"
        findings.append(Finding(f"package {name}", ok, value, "" if ok else f"only for {use}", "" if ok else get))
    return findings


CHECKS: tuple[Callable[[Mapping[str, Any]], Finding], ...] = (
    _processor, _container, _memory, _disk, _python, _torch, _accelerator, _energy, _browser,
)  # fmt: skip
