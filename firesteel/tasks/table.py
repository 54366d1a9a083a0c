"""Task name -> task, and what may follow a name: NAME[@LEVEL[-LEVEL]][/LANGUAGE][+unseen].

arithmetic                 as it comes
arithmetic@3               at level 3           arithmetic@3-4   at levels 3 and 4
arithmetic/zh              in Chinese alone     arithmetic+unseen   worded as no training question is
my_tasks.py:boxes@2/en     the task `boxes` of a Python file (own.py)
exam.jsonl                 questions of a file, for judging alone (questions.py)
reasoning-gym:chain_sum    a task of a package (extras.py)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from firesteel.core.errors import RecipeError, nearest
from firesteel.tasks import extras, own
from firesteel.tasks.code import problems as code
from firesteel.tasks.families import (
    arithmetic,
    bases,
    calculator,
    chain,
    comparison,
    countdown,
    counting,
    dates,
    equations,
    format,
    json_extraction,
    knights,
    knowledge,
    logic_grid,
    reading,
    sequences,
    sorting,
    tables,
    units,
    word_problems,
)
from firesteel.tasks.judging import questions
from firesteel.tasks.latex import problems as latex
from firesteel.tasks.task import Task

OURS = (
    arithmetic.TASK, word_problems.TASK, chain.TASK, equations.TASK, countdown.TASK, comparison.TASK, units.TASK,
    bases.TASK, sequences.TASK, sorting.TASK, counting.TASK, dates.TASK, code.TASK,
    logic_grid.TASK, knights.TASK, tables.TASK, json_extraction.TASK, format.TASK, latex.TASK,
    reading.TASK, calculator.TASK,
)  # fmt: skip
TASKS: dict[str, Task] = {task.name: task for task in OURS}
FOR_JUDGING: dict[str, Task] = {"knowledge": knowledge.TASK}  # there is nothing to train on in them
WRITTEN = re.compile(
    r"(?P<name>[^@/+]+|.+\.py:[^@/+]+|.+\.jsonl)(?:@(?P<low>\d+)(?:-(?P<high>\d+))?)?(?:/(?P<language>[a-z]+))?(?P<unseen>\+unseen)?"
)
FROM: dict[str, Callable[[str], Task]] = {"reasoning-gym": extras.reasoning_gym, "chalkbase": extras.chalkbase}


def get_task(written: str) -> Task:
    """The task that is written so. Raises RecipeError with the nearest name, or what the task has instead."""
    match = WRITTEN.fullmatch(written)
    if match is None:
        raise RecipeError("not a task", value=written, hint="NAME[@LEVEL[-LEVEL]][/LANGUAGE][+unseen]")
    task = _named(match["name"])
    if match["low"]:
        low = int(match["low"])
        task = _levels(task, low, int(match["high"] or low))
    if language := match["language"]:
        if language not in task.languages:
            hint = f"it has {', '.join(task.languages) or 'none'}"
            raise RecipeError("the task has no such language", value=f"{task.name}/{language}", hint=hint)
        task = replace(task, languages=(language,))
    return _unseen(task) if match["unseen"] else task


def _named(name: str) -> Task:
    file, colon, rest = name.rpartition(":")
    if colon and file.endswith(".py"):
        return own.load(file, rest)
    if colon and file in FROM:
        return FROM[file](rest)
    if name == "chalkbase":
        return extras.chalkbase("")
    if name.endswith(".jsonl"):
        return questions.load(name)
    if name.endswith(".py"):
        raise RecipeError(
            "a file of tasks, and which of them?", value=name, hint=f"{name}:NAME, where NAME is a function in it"
        )
    known = TASKS | FOR_JUDGING
    if name not in known:
        raise RecipeError("unknown task", value=name, hint=nearest(name, known))
    return known[name]


def _unseen(task: Task) -> Task:
    """The task in wordings that training never shows. Raises RecipeError for one that has none."""
    other = replace(task, unseen=True)
    if all(task.problem("test", 0, i).question == other.problem("test", 0, i).question for i in range(8)):
        raise RecipeError("the task has no unseen wordings", value=f"{task.name}+unseen", hint="leave +unseen out")
    return other


def _levels(task: Task, low: int, high: int) -> Task:
    if not 1 <= low <= high <= task.levels:
        hint = f"it has levels 1 to {task.levels}"
        raise RecipeError("the task has no such level", value=f"{task.name}@{low}-{high}", hint=hint)
    return task.at(low, high)
