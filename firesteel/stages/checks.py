"""What a recipe asks of its tasks, looked at before a run begins: a stage of hours away should not find out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from firesteel.core.config import Recipe
from firesteel.core.errors import RecipeError
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem

Firsts = Mapping[str, Problem]  # the first problem of each task


def check_tasks(recipe: Recipe) -> None:
    """Raise RecipeError for tasks that do not exist or cannot be learnt so: before the hours that come before it."""
    for name in (*recipe.eval.tasks, *recipe.eval.other):
        get_task(name)
    _some("eval", recipe.eval.tasks)
    for stage in recipe.model_stages:
        if check := CHECKS.get(stage):
            table = "sft" if stage == "distil" else stage  # distillation asks what [sft] would
            settings = getattr(recipe, table)
            written = stage == "distil" and recipe.distil.kind == "sequences"
            if written or not getattr(settings, "sources", ()):  # else the user's own conversations are enough
                _some(table, settings.tasks)
            check(recipe, first_problems(settings.tasks, recipe.seed))


def first_problems(names: Sequence[str], seed: int) -> Firsts:
    """What each task asks first. Raises RecipeError for a task that does not exist or fails."""
    return {name: get_task(name).problem("train", seed, 0) for name in names}


def check_turns(table: str, max_turns: int, firsts: Firsts) -> tuple[str, ...]:
    """Those of the tasks that offer tools which one turn cannot call. Raises RecipeError where they are needed."""
    if max_turns > 1:
        return ()
    for name, first in firsts.items():
        if first.calls:
            why = "its worked solutions call tools, and an answer of one turn never hears what they say"
            hint = f"set {table}.max_turns = 3, or leave the task out"
            raise RecipeError("a task that needs tools", value=f"{name} with {table}.max_turns = 1", why=why, hint=hint)
    return tuple(name for name, first in firsts.items() if first.tools)


def check_worked(firsts: Firsts) -> None:
    """Raise RecipeError for a task that has no worked solutions to learn."""
    for name, first in firsts.items():
        if not first.reply:
            why = "its problems come with answers to check, and with no solution to learn"
            hint = "take it into grpo.tasks alone, or let the task give Problem(reasoning=..., reply=...)"
            raise RecipeError("a task cannot be taught", value=name, why=why, hint=hint)


def check_one_turn(firsts: Firsts) -> None:
    """Raise RecipeError for a task whose answers need more turns than one."""
    for name, first in firsts.items():
        if first.calls:
            hint = "leave it out here: its worked solutions are learnt by [sft], its answers are rewarded by [grpo]"
            why = "answers that are written to be learnt from are of one turn"
            raise RecipeError("a task that needs tools cannot be answered here", value=name, why=why, hint=hint)


def _distilled(recipe: Recipe, firsts: Firsts) -> None:
    if recipe.distil.kind == "sequences":
        check_one_turn(firsts)
    else:
        check_worked(firsts)


def _some(table: str, tasks: Sequence[str]) -> None:
    if not tasks:
        hint = f'name some: {table}.tasks = ["arithmetic"]; `firesteel task` lists them'
        raise RecipeError("nothing is asked", value=f"{table}.tasks = []", hint=hint)


CHECKS: dict[str, Callable[[Recipe, Firsts], object]] = {
    "sft": lambda recipe, firsts: check_worked(firsts),
    "distil": _distilled,
    "grpo": lambda recipe, firsts: check_turns("grpo", recipe.grpo.max_turns, firsts),
    "rejection": lambda recipe, firsts: check_one_turn(firsts),
    "grpo_all": lambda recipe, firsts: check_turns("grpo_all", recipe.grpo_all.max_turns, firsts),
}
