"""A user's own task: a function in a Python file that the recipe names, `my_tasks.py:boxes`.

    from firesteel.tasks import Draw, Problem

    def boxes(draw: Draw) -> Problem:
        n, each = draw.rng.randint(2, 9 * draw.level), draw.rng.randint(2, 9)
        return Problem(f"There are {n} boxes with {each} pens each. How many pens?", answer=n * each)

What else a task says of itself may be set on the function: boxes.about = "...", boxes.levels = 3, boxes.usual = (1, 2),
boxes.languages = ("en",), boxes.ability, boxes.source; or the file makes a Task of it: BOXES = Task("boxes", boxes, levels=3).
Its verifier may be the user's, too: Problem(..., verify=f) with f(problem, reply) -> Found, or True and False.
The file is run when the recipe is: it is the user's own code, like the recipe is the user's own word.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from firesteel.core.errors import RecipeError, nearest
from firesteel.tasks.answers import Found, exact
from firesteel.tasks.own_checks import SHAPE, check_problem, check_task, try_out
from firesteel.tasks.task import Draw, Problem, Task

THROWN = (Exception, SystemExit)  # by the user's code: sys.exit() in it must not end a run as if all were done
SAYS = ("about", "ability", "levels", "usual", "languages", "source")


def load(file: str, name: str) -> Task:
    """The function (or Task) `name` of a file, tried out. Raises RecipeError that says what is wrong with it."""
    module = _module(Path(file))
    found = getattr(module, name, None)
    where = f"{file}:{name}"
    if isinstance(found, Task):
        task = found
    elif callable(found):
        task = _of_function(found, Path(file), where)
    else:
        names = [n for n, one in vars(module).items() if _offered(one, module)]
        hint = nearest(name, names) if names else f"the file defines no function; one such as {SHAPE}"
        raise RecipeError("no such task in the file", value=where, hint=hint)
    check_task(task, where)
    task = replace(task, make=functools.partial(_made, task.make, where))
    try_out(task, where)
    return task


def _offered(one: object, module: ModuleType) -> bool:
    return isinstance(one, Task) or (inspect.isfunction(one) and one.__module__ == module.__name__)


def _of_function(found: Callable[..., Any], path: Path, where: str) -> Task:
    try:
        inspect.signature(found).bind(None)
    except TypeError as e:
        why = f"it is called with one argument, the Draw: {e}"
        raise RecipeError("the task cannot be called", value=where, why=why, hint=SHAPE) from e
    said = {key: getattr(found, key) for key in SAYS if hasattr(found, key)}
    others = vars(found).keys() - set(SAYS) if inspect.isfunction(found) else set()
    if strange := sorted(key for key in others if not key.startswith("_")):
        hint = nearest(strange[0], SAYS)
        raise RecipeError("a task says no such thing of itself", value=f"{where}.{strange[0]}", hint=hint)
    about = (inspect.getdoc(found) or "").split("\n")[0]
    known: dict[str, Any] = {"about": about, "languages": (), "levels": 99, "source": "own"} | said
    return Task(f"{path.stem}:{found.__name__}", found, worked=False, **known)


def _made(make: Callable[[Draw], Any], where: str, draw: Draw) -> Problem:
    """A problem of the user's function, looked at. Raises RecipeError."""
    try:
        problem = make(draw)
    except THROWN as e:
        raise RecipeError("the task fails", value=where, why=_why(e), hint="mend the function") from e
    problem = check_problem(problem, where)
    own = problem.verify is not exact
    return replace(problem, verify=functools.partial(_judged, problem.verify, where)) if own else problem


def _judged(verify: Callable[[Problem, str], Any], where: str, problem: Problem, reply: str) -> Found:
    """What the user's verifier says; True and False stand for all and nothing. Raises RecipeError."""
    try:
        found = verify(problem, reply)
    except THROWN as e:
        why = f"{_why(e)}; the reply was {reply[:80]!r}"
        raise RecipeError(
            "the task's verifier fails", value=where, why=why, hint="a verifier gets whatever a model writes"
        ) from e
    if isinstance(found, bool):
        return Found(float(found), "right" if found else "wrong", reply.strip()[:200])
    if not isinstance(found, Found) or not 0 <= found.reward <= 1:
        why = f"it returned {found!r}"[:200]
        raise RecipeError(
            "the task's verifier does not return a Found", value=where, why=why, hint='Found(1.0, "right", reply)'
        )
    return found


def _why(error: BaseException) -> str:
    """The error and the line of the user's file."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"


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
    except THROWN as e:
        raise RecipeError("the file of tasks cannot be run", value=path, why=f"{type(e).__name__}: {e}") from e
    return module
