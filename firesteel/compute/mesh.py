"""A process mesh as a value: who this process is, and which part of a batch is its own. One process is a mesh too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from firesteel.core.errors import MachineError


@dataclass(frozen=True)
class Mesh:
    """Data-parallel processes in a row: this one is number `rank` of `size`."""

    rank: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if not (self.size >= 1 and 0 <= self.rank < self.size):
            raise MachineError("a process needs 0 <= rank < size", value=f"rank {self.rank}, size {self.size}")

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks to the console."""
        return self.rank == 0

    def shard(self, n: int) -> range:
        """This process's indices of a batch of `n`: contiguous, in order of rank, sizes differing by at most one."""
        whole, extra = divmod(n, self.size)
        start = self.rank * whole + min(self.rank, extra)
        return range(start, start + whole + (self.rank < extra))


def from_environment(environ: Mapping[str, str] = os.environ) -> Mesh:
    """The mesh that a launcher announced in RANK and WORLD_SIZE (torchrun's names); alone when it did not.

    Raises MachineError for values that are no numbers or do not fit each other.
    """
    rank, size = environ.get("RANK", "0"), environ.get("WORLD_SIZE", "1")
    if not (rank.isdigit() and size.isdigit()):
        hint = "unset both to run alone"
        raise MachineError("RANK and WORLD_SIZE must be numbers", value=f"{rank!r}, {size!r}", hint=hint)
    return Mesh(int(rank), int(size))
