"""A user's own task: a function in a Python file that the recipe names, `my_tasks.py:boxes`.

    from firesteel.tasks import Draw, Problem

    def boxes(draw: Draw) -> Problem:
        n, each = draw.rng.randint(2, 9), draw.rng.randint(2, 9)
        return Problem(f"There are {n} boxes with {each} pens each. How many pens?", answer=n * each)

The file is run when the recipe is: it is the user's own code, like the recipe is the user's own word.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

from firesteel.core.errors import RecipeError, nearest
from firesteel.tasks.task import Task


def load(file: str, name: str) -> Task:
    """The function (or Task) `name` of a file. Raises RecipeError if it is not there, or the file cannot be run."""
    module = _module(Path(file))
    found = getattr(module, name, None)
    if isinstance(found, Task):
        return found
    if not callable(found):
        names = [
            n for n, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        raise RecipeError(
            "no such task in the file",
            value=f"{file}:{name}",
            hint=nearest(name, names) if names else "the file defines no function",
        )
    about = (inspect.getdoc(found) or "").split("\n")[0]
    return Task(f"{Path(file).stem}:{name}", found, about=about, languages=(), worked=False, levels=99, source="own")


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise RecipeError(
            "no such file of tasks", value=path, hint="paths in a recipe are relative to the recipe's folder"
        )
    spec = importlib.util.spec_from_file_location(f"firesteel_own_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as e:
        raise RecipeError("the file of tasks cannot be run", value=path, why=f"{type(e).__name__}: {e}") from e
    return module
