"""Whether a user's own task is what it says: each mistake is named when the task is loaded, not after hours of training."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from firesteel.core.errors import MachineError, RecipeError
from firesteel.tasks.answers import exact
from firesteel.tasks.task import Called, Draw, Problem, Task
from firesteel.tasks.tools import TOOLS, schemas

TRIED = 200  # problems drawn before a task is believed
LEAST = 20  # different ones among them; a tenth of the questions is kept for tests
WORKED = 3  # of which the worked solution is judged, and its tools are called
SHAPE = "def boxes(draw): ... return Problem('How many?', answer=12)"


def check_task(task: Task, where: str) -> None:
    """What the task says of itself fits together. Raises RecipeError."""
    levels, usual, languages = task.levels, task.usual, task.languages
    if not isinstance(levels, int) or levels < 1:
        raise RecipeError(
            "a task's levels are a number from 1 on", value=f"{where}.levels = {levels!r}", hint="levels = 3"
        )
    pair = isinstance(usual, (tuple, list)) and len(usual) == 2 and all(isinstance(level, int) for level in usual)
    if not pair or not 1 <= usual[0] <= usual[1] <= levels:
        hint = f"the lowest and the highest that are drawn: usual = (1, {levels})"
        raise RecipeError(
            "a task's usual levels are two of its levels, in order", value=f"{where}.usual = {usual!r}", hint=hint
        )
    if not isinstance(languages, (tuple, list)) or not all(isinstance(one, str) and one for one in languages):
        raise RecipeError(
            "a task's languages are a tuple of names", value=f"{where}.languages = {languages!r}", hint='("zh", "en")'
        )


def check_problem(problem: Any, where: str) -> Problem:
    """A Problem that can be asked, written down and judged. Raises RecipeError."""
    if not isinstance(problem, Problem):
        why = f"it returned {type(problem).__name__}"
        raise RecipeError("the task does not return a Problem", value=where, why=why, hint=SHAPE)
    if not isinstance(problem.question, str) or not problem.question.strip():
        raise RecipeError(
            "the task's question is not a text", value=where, why=repr(problem.question)[:200], hint=SHAPE
        )
    try:
        f"{problem.question}{problem.system}{problem.worked()}".encode()
    except UnicodeEncodeError as e:
        raise RecipeError("the task's text cannot be written as UTF-8", value=where, why=f"{e}"[:200]) from e
    except (AttributeError, TypeError) as e:
        hint = 'calls=(Called("calculator", {"expression": "2*3"}, "6"),)'
        raise RecipeError("the task's worked solution is not made of texts", value=where, why=str(e), hint=hint) from e
    _check_answer(problem, where)
    _check_tools(problem, where)
    return problem


def try_out(task: Task, where: str) -> None:
    """Draw some problems: a function of the draw alone, enough of them, right worked solutions. Raises RecipeError."""
    questions = set()
    low, high = task.usual
    for i in range(TRIED):
        level = low + i % (high - low + 1)
        draws = [Draw(random.Random(f"{where}/{i}"), level, task.languages or ("zh", "en")) for _ in range(2)]
        problem = task.make(draws[0])
        if i < WORKED:
            problem.verify(problem, "")
            _check_worked(problem, where)
            if task.make(draws[1]).question != problem.question:
                hint = "draw.rng is the only source of chance: draw.rng.randint(2, 9) instead of random.randint(2, 9)"
                raise RecipeError("the task makes another question from the same draw", value=where, hint=hint)
        questions.add(problem.question)
    if len(questions) < LEAST:
        why = f"{TRIED} draws gave {len(questions)} different ones; a tenth of the questions is kept for tests"
        hint = "wider numbers, more names or wordings"
        raise RecipeError("the task makes too few different questions", value=where, why=why, hint=hint)


def _check_answer(problem: Problem, where: str) -> None:
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
    finite = not isinstance(answer, float) or math.isfinite(answer)
    if isinstance(answer, bool) or not isinstance(answer, (str, int, float)) or not finite:
        hint = "give a number or a text, or a verifier of your own: Problem(..., verify=f)"
        raise RecipeError("the plain verifier cannot compare such an answer", value=where, why=shown, hint=hint)
    try:
        told = exact(problem, str(answer)).reward >= 1
    except Exception:
        told = False
    if not told:
        hint = "write it shorter or plainer, or give a verifier of your own: Problem(..., verify=f)"
        raise RecipeError("the plain verifier does not accept the task's own answer", value=where, why=shown, hint=hint)


def _check_tools(problem: Problem, where: str) -> None:
    """There are such tools, and the worked solution calls no others."""
    if isinstance(problem.tools, str) or not all(isinstance(call, Called) for call in problem.calls):
        hint = 'Problem(..., tools=("calculator",), calls=(Called("calculator", {"expression": "2*3"}, "6"),))'
        raise RecipeError("tools are a tuple of names, calls one of Called", value=where, hint=hint)
    schemas(problem.tools)
    if strange := [call.name for call in problem.calls if call.name not in problem.tools]:
        hint = f"Problem(..., tools=({strange[0]!r},))"
        raise RecipeError("the worked solution calls what the problem does not offer", value=where, hint=hint)


def _check_worked(problem: Problem, where: str) -> None:
    """What would be taught earns the whole reward, and its tools say what it says that they say."""
    if problem.reply and (found := problem.verify(problem, problem.reply)).reward < 1:
        why = f"{problem.reply[:120]!r} earns {found.reward:g}: {found.reason}; the answer is {problem.answer!r}"[:300]
        hint = "mend the reply, the answer or the verifier; without a reply nothing is taught"
        raise RecipeError("the task's own worked solution is not right", value=where, why=why, hint=hint)
    for call in problem.calls:
        try:
            said = TOOLS[call.name].run(call.arguments)
        except MachineError:  # no sandbox here
            continue
        if said.strip() != call.result.strip():
            why = f"{call.name}({call.arguments}) says {said[:120]!r}, not {call.result[:120]!r}"
            hint = "give what the tool says as the call's result"
            raise RecipeError("a call of the worked solution has another result", value=where, why=why, hint=hint)
