"""Work before training that is done once and kept: in pieces, so that a run that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from firesteel.core.errors import MachineError
from firesteel.train.batch import Share

Barrier = Callable[[], None]  # returns when every process has called it


def alone() -> None:
    """The barrier of a process that has nobody to wait for."""


def make_once(
    files: list[Path], make: Callable[[int, bool], None], *, share: Share | None = None, barrier: Barrier = alone
) -> None:
    """Call make(number, write) for every file that is not there; processes share the work and all return when it is done.

    `make` writes file `number` under a temporary name and renames it, so that what is there is whole. All processes call it
    equally often, since a sharded model needs all of them for every forward pass; with `write` false the piece is another
    process's. Raises MachineError if the processes do not see each other's files.
    """
    share = share or Share()
    missing = [number for number, file in enumerate(files) if not file.is_file()]
    barrier()  # nobody writes before everybody has looked, or the lists would differ
    for first in range(0, len(missing), share.of):
        mine = first + share.index
        make(missing[min(mine, len(missing) - 1)], mine < len(missing))
    barrier()
    lost = [file for file in files if not file.is_file()]
    if lost:
        raise MachineError(
            "a file that another process wrote is not here", value=lost[0], why="the processes do not share a disk",
            hint="give --out a folder that every machine sees",
        )  # fmt: skip
