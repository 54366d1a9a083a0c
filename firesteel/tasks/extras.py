"""Tasks of other packages through the same protocol; each package is an extra, imported when one of its tasks is asked for."""

from __future__ import annotations

from firesteel.core.errors import RecipeError
from firesteel.tasks.task import Task


def reasoning_gym(name: str) -> Task:
    """One of reasoning-gym's generators (Apache-2.0)."""
    raise RecipeError("not built yet", value=name)


def chalkbase(name: str) -> Task:
    """A grade of chalkbase's Chinese primary-school mathematics (MIT; derived from textbooks)."""
    raise RecipeError("not built yet", value=name)
