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
import json
import math
import random
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from firesteel.core.errors import RecipeError, nearest
from firesteel.tasks.answers import Found, exact
from firesteel.tasks.task import Draw, Problem, Task
from firesteel.tasks.tools import schemas

TRIED = 200  # problems drawn before a task is believed
LEAST = 20  # different ones among them; a tenth of the questions is kept for tests
SHAPE = "def boxes(draw): ... return Problem('How many?', answer=12)"
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
    task = replace(task, make=functools.partial(_made, task.make, where))
    _try_out(task, where)
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
    about = (inspect.getdoc(found) or "").split("\n")[0]
    known: dict[str, Any] = {"about": about, "languages": (), "levels": 99, "source": "own"} | said
    return Task(f"{path.stem}:{found.__name__}", found, worked=False, **known)


def _made(make: Callable[[Draw], Any], where: str, draw: Draw) -> Problem:
    """A problem of the user's function, looked at. Raises RecipeError."""
    try:
        problem = make(draw)
    except Exception as e:
        raise RecipeError("the task fails", value=where, why=_why(e), hint="mend the function") from e
    if not isinstance(problem, Problem):
        why = f"it returned {type(problem).__name__}"
        raise RecipeError("the task does not return a Problem", value=where, why=why, hint=SHAPE)
    if not isinstance(problem.question, str) or not problem.question.strip():
        raise RecipeError(
            "the task's question is not a text", value=where, why=repr(problem.question)[:200], hint=SHAPE
        )
    _look_at_answer(problem, where)
    _look_at_tools(problem, where)
    return (
        problem
        if problem.verify is exact
        else replace(problem, verify=functools.partial(_judged, problem.verify, where))
    )


def _look_at_answer(problem: Problem, where: str) -> None:
    """The answer can be written down, and the plain verifier can tell it when it sees it."""
    answer = problem.answer
    shown = f"{type(answer).__name__} {answer!r}"[:200]
    try:
        json.dumps([answer, problem.facts], allow_nan=False)
    except (TypeError, ValueError) as e:
        hint = "give a number, a text, or lists and dicts of them; int(...) and float(...) make plain numbers"
        raise RecipeError(
            "the task's answer cannot be written as JSON", value=where, why=f"{shown}: {e}", hint=hint
        ) from e
    if problem.verify is not exact:
        return
    if (
        isinstance(answer, bool)
        or not isinstance(answer, (str, int, float))
        or (isinstance(answer, float) and not math.isfinite(answer))
    ):
        hint = "give a number or a text, or a verifier of your own: Problem(..., verify=f)"
        raise RecipeError("the plain verifier cannot compare such an answer", value=where, why=shown, hint=hint)
    try:
        told = exact(problem, str(answer)).reward >= 1
    except Exception:
        told = False
    if not told:
        hint = "write it shorter or plainer, or give a verifier of your own: Problem(..., verify=f)"
        raise RecipeError("the plain verifier does not accept the task's own answer", value=where, why=shown, hint=hint)


def _look_at_tools(problem: Problem, where: str) -> None:
    """There are such tools, and the worked solution calls no others."""
    schemas(problem.tools)
    if strange := [call.name for call in problem.calls if call.name not in problem.tools]:
        hint = f"Problem(..., tools=({strange[0]!r},))"
        raise RecipeError("the worked solution calls what the problem does not offer", value=where, hint=hint)


def _judged(verify: Callable[[Problem, str], Any], where: str, problem: Problem, reply: str) -> Found:
    """What the user's verifier says; True and False stand for all and nothing. Raises RecipeError."""
    try:
        found = verify(problem, reply)
    except Exception as e:
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


def _try_out(task: Task, where: str) -> None:
    """Draw some problems: they are a function of the draw alone, and there are enough of them for a test split."""
    questions = set()
    low, high = task.usual
    for i in range(TRIED):
        level = low + i % (high - low + 1)
        draws = [Draw(random.Random(f"{where}/{i}"), level, task.languages or ("zh", "en")) for _ in range(2)]
        problem = task.make(draws[0])
        if i < 5:
            task.make(draws[1]).verify(problem, "")
            if task.make(Draw(random.Random(f"{where}/{i}"), level, draws[0].languages)).question != problem.question:
                hint = "draw.rng is the only source of chance: draw.rng.randint(2, 9) instead of random.randint(2, 9)"
                raise RecipeError("the task makes another question from the same draw", value=where, hint=hint)
        questions.add(problem.question)
    if len(questions) < LEAST:
        why = f"{TRIED} draws gave {len(questions)} different ones; a tenth of the questions is kept for tests"
        raise RecipeError(
            "the task makes too few different questions",
            value=where,
            why=why,
            hint="wider numbers, more names or wordings",
        )


def _why(error: Exception) -> str:
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
    except Exception as e:
        raise RecipeError("the file of tasks cannot be run", value=path, why=f"{type(e).__name__}: {e}") from e
    return module
