"""Facts of this machine: processor, memory, disk, container, accelerators, software. Loads no heavy library."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from firesteel.compute import proc
from firesteel.compute.device import hardware

ISA = {  # our name -> the kernel's names in /proc/cpuinfo, x86 and ARM
    "avx2": ("avx2",), "avx512": ("avx512f",), "vnni": ("avx512_vnni", "avx_vnni"), "bf16": ("avx512_bf16", "bf16"),
    "amx": ("amx_tile",), "neon": ("asimd",), "sve": ("sve",), "i8mm": ("i8mm",),
}  # fmt: skip


def cpu_name() -> str:
    """The processor's marketing name, or its architecture where the system has no name for it."""
    info = proc.fields("/proc/cpuinfo")
    return info.get("model name") or info.get("Hardware") or platform.processor() or platform.machine()


def isa() -> list[str]:
    """Instruction sets that matter to matrix products, by the names of `ISA`."""
    info = proc.fields("/proc/cpuinfo")
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return [name for name, kernel in ISA.items() if flags & set(kernel)]


def version(distribution: str) -> str | None:
    """Version of an installed package, or None; the package is not imported."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _existing(path: Path) -> Path:
    """The nearest folder above `path` that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())


def facts(path: Path | str = ".") -> dict[str, Any]:
    """What this machine is; `path` names the disk in question. Values the system does not tell are None."""
    total, limit = proc.memory_total(), proc.memory_limit()
    return {
        "cpu": cpu_name(), "architecture": platform.machine(), "isa": isa(),
        "cores": proc.cores(), "cores_online": os.cpu_count(), "container_cpus": proc.cpu_limit(),
        "memory_bytes": min(total, limit) if total and limit else total, "container_memory_bytes": limit,
        "memory_available_bytes": proc.memory_available(),
        "disk_free_bytes": shutil.disk_usage(_existing(Path(path))).free,
        "os": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
        "torch": version("torch"), "accelerators": hardware(),
    }  # fmt: skip
