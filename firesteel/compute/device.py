"""The one file that names accelerators: what there is, which one to use, and how to make its results repeatable."""

from __future__ import annotations

import ctypes
import glob
import platform
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from firesteel.compute import proc
from firesteel.compute.energy import Counter, nvml
from firesteel.core.config import MachineSettings
from firesteel.core.errors import MachineError, nearest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Accelerator:
    """A kind of device: what it computes natively, what makes torch see it, and how else it shows."""

    dtypes: tuple[str, ...]
    needs: str
    nodes: str = ""  # glob of device files: hardware that is there even when torch cannot use it
    energy: Callable[[], list[Counter]] = list  # its energy counters, if it has any
    collectives: str = "gloo"  # torch.distributed's library for it


ACCELERATORS = {
    "cpu": Accelerator(("float32", "bfloat16", "float64"), "nothing"),
    "cuda": Accelerator(
        ("float32", "bfloat16", "float16"), "a CUDA or ROCm build of torch and the driver", "/dev/nvidia[0-9]*", nvml,
        "nccl",
    ),
    "npu": Accelerator(
        ("float32", "bfloat16", "float16"), "torch-npu for this torch, and CANN", "/dev/davinci[0-9]*",
        collectives="hccl",
    ),
    "xpu": Accelerator(("float32", "bfloat16", "float16"), "an XPU build of torch and the driver", collectives="xccl"),
    "mps": Accelerator(("float32", "bfloat16", "float16"), "macOS on Apple silicon"),
}  # fmt: skip

MALLOC = {
    -3: 1 << 30,
    -1: (1 << 31) - 1,
    -2: 64 << 20,
}  # malloc.h: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD; bytes


def environment() -> dict[str, str]:
    """Variables that repeatable and neighbourly work needs; set them before torch loads: its libraries read them once.

    MKL and OpenMP must not choose thread counts by load, MKL must not choose its code path by memory alignment, cuBLAS
    must not share workspaces between streams. OpenMP threads sleep when they wait: spinning, two processes that share
    the cores slow each other down several times (docs/guides/compute.md has the figures).
    """
    return {
        "MKL_DYNAMIC": "FALSE",
        "OMP_DYNAMIC": "FALSE",
        "MKL_CBWR": "AUTO,STRICT",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def hardware() -> dict[str, int]:
    """Kind of accelerator -> how many device files show it; says nothing about whether torch can use them."""
    counts = {name: len(glob.glob(kind.nodes)) for name, kind in ACCELERATORS.items() if kind.nodes}
    return {name: count for name, count in counts.items() if count}


def energy_counters(kinds: Iterable[str]) -> tuple[list[Counter], list[str]]:
    """Energy counters of these kinds of accelerator, and the kinds that have none."""
    counters = {kind: ACCELERATORS[kind].energy() for kind in kinds}
    readable = [counter for found in counters.values() for counter in found]
    return readable, [kind for kind, found in counters.items() if not found]


def usable() -> dict[str, int]:
    """Kind of device -> how many of them torch can use here; the CPU first."""
    import torch

    found = {"cpu": 1}
    if torch.accelerator.is_available():
        current = torch.accelerator.current_accelerator()
        assert current is not None
        found[current.type] = torch.accelerator.device_count()
    return found


def pick(name: str) -> torch.device:
    """The device called `name`: `auto` (the accelerator if there is one, else the CPU), a kind, or kind:index.

    Raises MachineError for a device that is unknown or not here.
    """
    import torch

    found = usable()
    if name == "auto":
        return torch.device(list(found)[-1])
    kind, _, index = name.partition(":")
    if kind not in ACCELERATORS and kind not in found:
        raise MachineError("unknown device", value=name, hint=nearest(kind, ["auto", *ACCELERATORS, *found]))
    if kind not in found:
        why = f"torch {torch.__version__} sees: {', '.join(found)}"
        hint = f'use device = "auto", or install {ACCELERATORS[kind].needs}'
        raise MachineError("this device is not usable here", value=name, why=why, hint=hint)
    if index and (not index.isdigit() or int(index) >= found[kind]):
        raise MachineError("no device with this number", value=name, why=f"there are {found[kind]}, counted from 0")
    return torch.device(name)


def collectives(device: torch.device) -> str:
    """The torch.distributed backend for tensors of this device; tensors on the CPU can always be sent, too."""
    known = ACCELERATORS.get(device.type)
    library = known.collectives if known else "gloo"
    return "gloo" if device.type == "cpu" else f"cpu:gloo,{device.type}:{library}"


def own_device(device: torch.device, local: int) -> torch.device:
    """The device of process number `local` on this machine, now the current one; the CPU is everybody's.

    Raises MachineError where there are more processes than accelerators.
    """
    import torch

    if device.type == "cpu":
        return device
    count = usable()[device.type]
    if local >= count:
        raise MachineError(
            "more training processes than accelerators", value=f"process {local} of {count} {device.type}",
            why="each process has an accelerator of its own", hint="lower parallel.processes, or use more machines",
        )  # fmt: skip
    torch.accelerator.set_device_index(local)
    return torch.device(device.type, local)


def dtypes(device: torch.device) -> tuple[str, ...]:
    """Number types this kind of device computes natively, the most exact first."""
    known = ACCELERATORS.get(device.type)
    return known.dtypes if known else ("float32",)


@cache
def multiplies(dtype: torch.dtype, kind: str) -> bool:
    """Whether devices of this kind have instructions for products of `dtype`; a CPU may store bfloat16 without them.

    torch's libraries then emulate each product, several times slower than float32 (docs/guides/compute.md has figures).
    """
    import torch

    if kind != "cpu" or dtype not in (torch.bfloat16, torch.float16):
        return True
    checks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    if platform.machine() not in ("x86_64", "AMD64") or None in checks:
        return True  # nothing is known: leave it to torch
    return dtype == torch.bfloat16 and any(check() for check in checks if check)


def memory(device: torch.device) -> tuple[int, int]:
    """(free, total) bytes of a device's memory; the CPU's within the container's limit."""
    import torch

    readers: dict[str, Callable[[], tuple[int, int]]] = {
        "cpu": lambda: (proc.memory_available() or 0, min(proc.memory_total() or 0, proc.memory_limit() or 1 << 62)),
        "mps": lambda: (
            torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory(),
            torch.mps.recommended_max_memory(),
        ),
    }
    if device.type in readers:
        return readers[device.type]()
    free, total = torch.accelerator.get_memory_info(device)
    return free, total


def set_up(settings: MachineSettings, seed: int) -> torch.device:
    """Prepare this process for repeatable work: threads, deterministic algorithms, seeds. Returns the device.

    Results are bit-exact for one machine type, thread count and torch version. An operation that has no deterministic
    form raises at its first use. Raises MachineError.
    """
    import numpy as np
    import torch

    device = pick(settings.device)
    torch.set_num_threads(settings.threads or proc.cores())
    torch.use_deterministic_algorithms(True)
    # filling unset memory only serves to find reads of it; torch replaces this module by an object, hence setattr
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    if device.type == "cpu":
        keep_freed_memory()
    random.seed(seed)
    np.random.seed(seed)  # for libraries that draw from the global state
    torch.manual_seed(seed)
    return device


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensor instead of giving it back to the kernel; whether that was possible.

    A training step frees and takes the same large blocks again and again, and the kernel must clear each page it gives
    out. Keeping them made the default model's step a fifth faster for a fifth more peak memory (docs/guides/compute.md).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only; elsewhere nothing is changed
    if mallopt is None:
        return False
    return all(mallopt(option, value) == 1 for option, value in MALLOC.items())
