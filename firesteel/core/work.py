"""Many tasks, one function: what runs them here, in processes, or on a cluster looks the same to whoever has the work.

A task writes its result to disk and returns a small value. Results do not depend on who ran it, where, or in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Crash:
    """A task whose process died or took too long: the fault of its input, as far as anybody can tell."""

    reason: str


class Executor(Protocol):
    """Runs a function over tasks. `workers`: how many at a time."""

    workers: int

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """(number of the task, what the function returned or a Crash) as they are done, in any order.

        What the function raises is raised here. `function` is importable by name, tasks and values can be pickled.
        """

    def close(self) -> None:
        """Give back what is held for the next run."""


class Serial:
    """One task after another in this process: the slow twin of every other executor."""

    workers = 1

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See Executor."""
        for i, task in enumerate(tasks):
            yield i, function(task)

    def close(self) -> None:
        """See Executor."""
