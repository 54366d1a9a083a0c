"""Task name -> task."""

from __future__ import annotations

from firesteel.core.errors import RecipeError, nearest
from firesteel.tasks import arithmetic, word_problems
from firesteel.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (arithmetic.TASK, word_problems.TASK)}


def get_task(name: str) -> Task:
    """The task of that name. Raises RecipeError with the nearest name."""
    if name not in TASKS:
        raise RecipeError("unknown task", value=name, hint=nearest(name, TASKS))
    return TASKS[name]
