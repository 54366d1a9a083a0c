"""Running a phase: tasks whose result is there are skipped, the others are given to the executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from firesteel.core.errors import FiresteelError
from firesteel.core.work import Crash, Executor

QUIET = 30.0  # seconds between lines of progress


class Phases:
    """The phases of one run in its work folder."""

    def __init__(self, work: Path, executor: Executor, say: Callable[[str], None]) -> None:
        self.work, self.executor, self.say = work, executor, say
        work.mkdir(parents=True, exist_ok=True)

    def place(self, name: str, number: int) -> Path:
        """Where the result of a task goes."""
        return self.work / name / f"{number:05d}"

    def run(
        self, name: str, function: Callable[[Any], Any], tasks: Sequence[Any],
        mend: Callable[[Any, Crash], None] | None = None,
    ) -> list[Path]:  # fmt: skip
        """Do the tasks that are not done; the folders of all results, in order.

        `mend` does a task whose process died; without it that is an error.
        """
        todo = [task for task in tasks if not task.out.is_dir()]
        if todo:
            todo[0].out.parent.mkdir(parents=True, exist_ok=True)
        last = time.monotonic()
        for done, (i, outcome) in enumerate(self.executor.run(function, todo), len(tasks) - len(todo) + 1):
            if isinstance(outcome, Crash):
                if mend is None:
                    raise FiresteelError(f"a task of '{name}' failed", value=todo[i].out, why=outcome.reason)
                mend(todo[i], outcome)
            if time.monotonic() - last > QUIET:
                last = time.monotonic()
                self.say(f"  {name}: {done} of {len(tasks)}")
        return [task.out for task in tasks]
