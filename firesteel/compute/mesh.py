"""The process mesh: who this process is along each axis of parallelism, and what processes say to each other.

One process is a mesh, too: torch.distributed is then never started, and every method gives back what it was given.
Processes are numbered with the pipeline outermost, then replicas of the experts, experts, context and tensor, so that what
talks most sits next to each other. `data` stands for the replicas and the experts' axis together.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from firesteel.compute.device import collectives, own_device
from firesteel.core.config import ParallelSettings
from firesteel.core.errors import MachineError

AXES = ("pipeline", "replica", "expert", "context", "tensor")  # outermost first
JOINED = {  # names for several axes together, which have a group of their own
    "data": ("replica", "expert"),  # those that have different rows
    "tokens": ("replica", "expert", "context"),  # those that have different tokens, and all weights but the experts
    "copies": ("replica", "context"),  # those that have the same experts
}
TIMEOUT = 600.0  # seconds after which a process that waits for another gives up


@dataclass(frozen=True)
class Mesh:
    """This process is number `rank` of settings.processes; `devices` is torch's mesh, None for a process alone."""

    settings: ParallelSettings = field(default_factory=ParallelSettings)
    rank: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    devices: DeviceMesh | None = None
    flat: Mapping[str, DeviceMesh] = field(default_factory=dict)  # of the joined axes, by name

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise MachineError("a process needs 0 <= rank < size", value=f"rank {self.rank}, size {self.size}")

    @property
    def size(self) -> int:
        """Processes in all."""
        return self.settings.processes

    @property
    def alone(self) -> bool:
        """Whether there is nobody to talk to."""
        return self.devices is None

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks to the console."""
        return self.rank == 0

    def count(self, *axes: str) -> int:
        """Processes along an axis, or along several together."""
        s = self.settings
        sizes = dict(zip(AXES, (s.pipeline, s.data // s.expert, s.expert, s.context, s.tensor), strict=True))
        return math.prod(sizes[axis] for axis in _single(axes))

    def index(self, *axes: str) -> int:
        """This process's number along an axis, or along several together, the outer one first."""
        number = 0
        for axis in _single(axes):
            inner = AXES[AXES.index(axis) + 1 :]
            number = number * self.count(axis) + self.rank // self.count(*inner) % self.count(axis)
        return number

    def sub(self, *axes: str) -> DeviceMesh:
        """torch's mesh of these axes; `data`, `tokens` and `copies` are one axis of it each."""
        assert self.devices is not None, "one process has no device mesh"
        return self.flat[axes[0]] if axes[0] in self.flat else self.devices[axes]

    def group(self, *axes: str) -> dist.ProcessGroup | None:
        """The processes along an axis; without one, all of them, which is None in torch's terms."""
        return self.sub(*axes).get_group() if axes else None

    def sum(self, tensor: Tensor, *axes: str) -> Tensor:
        """Add a tensor up over each of the axes (none named: over all processes), in place."""
        for axis in axes or ("",):
            if not self.alone and (self.count(axis) > 1 if axis else self.size > 1):
                dist.all_reduce(tensor, group=self.group(axis) if axis else None)
        return tensor

    def barrier(self) -> None:
        """Wait until every process is here."""
        if not self.alone:
            dist.barrier()

    def tell(self, value: Any) -> Any:
        """The first process's plain data (what JSON can say), for everybody."""
        return self.everyone(value if self.first else None)[0]

    def everyone(self, value: Any) -> list[Any]:
        """Every process's plain data (what JSON can say), in order of rank."""
        if self.alone:
            return [value]
        text = torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8, device=self.device)
        sizes = torch.zeros(self.size, dtype=torch.long, device=self.device)
        sizes[self.rank] = len(text)
        dist.all_reduce(sizes)
        rows = [text.new_empty(int(sizes.max())) for _ in range(self.size)]
        dist.all_gather(rows, torch.nn.functional.pad(text, (0, len(rows[0]) - len(text))))
        return [json.loads(bytes(row[:n].tolist())) for row, n in zip(rows, sizes.tolist(), strict=True)]


def _single(axes: tuple[str, ...]) -> list[str]:
    """Joined names taken apart, in the order of the mesh."""
    apart = {one for axis in axes for one in JOINED.get(axis, (axis,))}
    assert apart <= set(AXES), f"no such axis: {apart - set(AXES)}"
    return sorted(apart, key=AXES.index)


def announced(settings: ParallelSettings, environ: Mapping[str, str] = os.environ) -> int:
    """This process's rank, as a launcher announced it in RANK and WORLD_SIZE (torchrun's names); 0 where there is one process.

    Raises MachineError for values that are no numbers, or do not fit the recipe.
    """
    rank, size = environ.get("RANK", "0"), environ.get("WORLD_SIZE", "1")
    if not (rank.isdigit() and size.isdigit()):
        hint = "unset both to run alone"
        raise MachineError("RANK and WORLD_SIZE must be numbers", value=f"{rank!r}, {size!r}", hint=hint)
    if int(size) != settings.processes:
        why = f"the launcher started {size}"
        hint = f"start it with torchrun --nproc-per-node={settings.processes // settings.nodes}, or let firesteel run do it"
        raise MachineError("parallel.processes are not there", value=settings.processes, why=why, hint=hint)
    if int(rank) >= int(size):
        raise MachineError("a process needs 0 <= rank < size", value=f"rank {rank}, size {size}")
    return int(rank)


@contextmanager
def joined(
    settings: ParallelSettings,
    device: torch.device,
    *,
    environ: Mapping[str, str] = os.environ,
    timeout: float = TIMEOUT,
) -> Iterator[Mesh]:
    """Find the other processes (at MASTER_ADDR and MASTER_PORT) and be a mesh with them while the context lasts.

    `timeout` in seconds. Raises MachineError.
    """
    rank = announced(settings, environ)
    if settings.processes == 1:
        yield Mesh(settings, device=device)
        return
    device = own_device(device, int(environ.get("LOCAL_RANK", rank)))
    try:
        dist.init_process_group(collectives(device), timeout=timedelta(seconds=timeout))
    except (ValueError, RuntimeError) as e:
        hint = "MASTER_ADDR and MASTER_PORT name the first process; torchrun sets them"
        raise MachineError("the training processes cannot find each other", why=str(e), hint=hint) from e
    try:
        yield meshed(settings, rank, device)
    finally:
        dist.destroy_process_group()


def meshed(settings: ParallelSettings, rank: int, device: torch.device) -> Mesh:
    """This process's place in a mesh, when all have found each other; they must all ask for the same one."""
    plain = Mesh(settings, rank, device)
    devices = init_device_mesh(device.type, tuple(plain.count(axis) for axis in AXES), mesh_dim_names=AXES)
    # by every process, in one order: making a group is a collective
    flat = {name: devices[axes]._flatten(name) for name, axes in JOINED.items()}
    return Mesh(settings, rank, device, devices, flat)
