"""Tasks of other packages through the same protocol; each package is an extra, imported when one of its tasks is asked for."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from firesteel.core.errors import RecipeError, nearest
from firesteel.tasks.answers import LONGEST, NOTHING, SEVERAL, Found, marked, right, unwrapped, value, wrong
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.task import Draw, Problem, Task

GYM = "reasoning-gym 0.1.25 (Apache-2.0)"
CHALK = "chalkbase 0.1.1 (MIT), primary-school mathematics derived from textbooks (Beijing Normal University Press)"
GRADES = 6


def reasoning_gym(name: str) -> Task:
    """One of reasoning-gym's generators, harder by its own curriculum where it has one. Raises RecipeError."""
    _need("reasoning_gym", "reasoning-gym")
    from reasoning_gym.factory import DATASETS, create_curriculum, has_curriculum

    if name not in DATASETS:
        raise RecipeError("reasoning-gym has no such task", value=name, hint=nearest(name, DATASETS))
    levels = 1
    if has_curriculum(name):
        levels = max((len(one.levels) for one in create_curriculum(name).attributes.values()), default=1)
    return Task(
        f"reasoning-gym:{name}", functools.partial(_gym_problem, name), about=f"{name} of reasoning-gym", levels=levels,
        languages=("en",), worked=False, source=GYM,
    )  # fmt: skip


def _gym_problem(name: str, draw: Draw) -> Problem:
    """An entry drawn with a seed of ours."""
    entry = _dataset(name, draw.rng.randrange(2**31), draw.level)[0]
    known = json.loads(json.dumps(entry, default=str))
    return Problem(
        entry["question"], known["answer"], language="en", level=draw.level, verify=gym_score,
        facts={"name": name, "entry": known},
    )  # fmt: skip


def _dataset(name: str, seed: int, level: int) -> Any:
    from reasoning_gym import create_dataset
    from reasoning_gym.factory import create_curriculum, has_curriculum

    if not has_curriculum(name):
        return create_dataset(name, seed=seed, size=1)
    curriculum = create_curriculum(name)
    curriculum.set_global_level(level - 1)
    config = asdict(curriculum.generate_configuration({"seed": seed, "size": 1}))
    return create_dataset(name, **config)


def gym_score(problem: Problem, reply: str) -> Found:
    """Verifier: the package's own, asked about the one answer that the reply claims.

    Less than its full score is nothing: many of its scorers give 0.01 to anything, and parts to a text that merely holds the
    answer, which would pay for lists of guesses.
    """
    said = marked(reply)
    if len(said) > 1:
        return SEVERAL
    claim = unwrapped(said[0] if said else reply[-LONGEST:]).strip()
    if not said:
        claim = claim.strip()
    if not claim:
        return NOTHING
    if said and re.fullmatch(r"[-\d.,/ ]+[.。]", claim):
        claim = claim[:-1]
    scorer = _scorer(problem.facts["name"])
    try:
        full = float(scorer(claim, problem.facts["entry"])) >= 1.0
    except Exception:  # a scorer of another package that fails on what a model wrote
        return Found(0.0, "cannot be scored", claim[:200])
    return right(claim[:200]) if full else wrong(claim[:200])


@functools.cache
def _scorer(name: str) -> Any:
    """The scoring function of a task."""
    _need("reasoning_gym", "reasoning-gym")
    from reasoning_gym import get_score_answer_fn

    return get_score_answer_fn(name)


def chalkbase(grade: str) -> Task:
    """A grade of chalkbase's Chinese primary-school mathematics, or ("") all six as levels. Raises RecipeError."""
    items = chalk_items()
    if not grade:
        return Task(
            "chalkbase", _chalk_problem, about="Chinese primary-school mathematics; level = grade", ability="mathematics",
            levels=GRADES, usual=(1, GRADES), languages=("zh",), source=CHALK,
        )  # fmt: skip
    if not grade.isascii() or not grade.isdigit() or int(grade) not in items:
        raise RecipeError(
            "chalkbase has no such grade", value=grade, hint=f"grades: {', '.join(map(str, sorted(items)))}"
        )
    return Task(
        f"chalkbase:{grade}", functools.partial(_of_grade, int(grade)), about=f"Chinese mathematics of grade {grade}",
        ability="mathematics", languages=("zh",), source=CHALK,
    )  # fmt: skip


def _chalk_problem(draw: Draw) -> Problem:
    return _of_grade(draw.level, draw)


def _of_grade(grade: int, draw: Draw) -> Problem:
    question, answer, solution = draw.rng.choice(chalk_items()[grade])
    return Problem(question, answer, solution, REPLIES["zh"].format(answer), "zh", draw.level, facts={"grade": grade})


@functools.cache
def chalk_items() -> dict[int, list[tuple[str, int | float, str]]]:
    """Grade -> (question, answer, solution): those with one number as their answer that need no figure.

    The package's data file is read; its programs are not run.
    """
    root = _need("chalkbase", "chalkbase")
    kinds = json.loads((root / "data" / "archetypes.json").read_text(encoding="utf-8"))
    found: dict[int, dict[str, tuple[str, int | float, str]]] = {}
    for kind in kinds:
        features = kind.get("difficulty_features") or {}
        grade = int(features.get("grade") or 0)
        if (
            kind.get("verifiable_type") != "program"
            or features.get("requires_figure")
            or grade not in range(1, GRADES + 1)
        ):
            continue
        for item in kind.get("rewritten_examples") or ():
            answer, question = _single_number(str(item.get("answer", ""))), str(item.get("problem", "")).strip()
            if answer is not None and item.get("solution") and question.count("__") <= 12:
                found.setdefault(grade, {})[question] = (question, answer, item["solution"])
    return {grade: list(items.values()) for grade, items in found.items()}


def _single_number(text: str) -> int | float | None:
    """A text that is one plain number."""
    if not re.fullmatch(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", text.strip()) or value(text.strip()) is None:
        return None
    return float(text) if "." in text else int(text)


def _need(module: str, package: str) -> Path:
    """The folder of an optional package. Raises RecipeError with how to install it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise RecipeError(
            "the task needs a package that is not installed", value=package, hint="pip install 'firesteel[tasks]'"
        )
    return Path(spec.origin).parent
