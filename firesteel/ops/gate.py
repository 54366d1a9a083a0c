"""Release gates: each report held against the recipe's bounds; one failed gate stops a release."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from firesteel.core.config import Recipe, parse_recipe
from firesteel.core.errors import GateError, RecipeError
from firesteel.core.gate import Gate, at_least, at_most

__all__ = ["Gate", "accuracy", "check_release", "judged", "require"]

Report = Mapping[str, Any]
Reports = Mapping[str, Report | None]

NEWEST_FIRST = ("grpo_all", "rejection", "grpo", "preference", "distil", "sft", "extend", "pretrain")


def check_release(reports: Reports, recipe: Recipe) -> list[Gate]:
    """The gates of a release; `reports` by the stage that made them: `eval`, `compress`, `safety`.

    A report that is missing, or lacks its figure, does not pass.
    """
    return [gate for judge in JUDGES for gate in judge(reports, recipe)]


def judged(recipe: Mapping[str, Any], reports: Reports) -> list[Gate]:
    """The gates of a run as far as it has come; [] without any report, or without a recipe that this version reads."""
    try:
        return check_release(reports, parse_recipe(dict(recipe))) if reports else []
    except RecipeError:
        return []


def require(gates: Iterable[Gate]) -> None:
    """Raises GateError that names every failed gate with its value and bound."""
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        raise GateError(
            f"{len(failed)} of the release gates said no", value=", ".join(gate.name for gate in failed),
            why="\n     ".join(str(gate) for gate in failed),
            hint="see the reports of these stages; improve the model or its data, or change the bound in the recipe",
        )  # fmt: skip


def accuracy(reports: Reports, *, int8: bool) -> Report | None:
    """The estimate of the accuracy of the weights that are released, or None if it was not measured."""
    if int8:
        found = (reports.get("compress") or {}).get("after", {}).get("accuracy")
    else:
        models = (reports.get("eval") or {}).get("models", {})
        found = next((models[name].get("all") for name in NEWEST_FIRST if name in models), None)
    return found or None


def _evaluation(reports: Reports, recipe: Recipe) -> list[Gate]:
    value = figure(accuracy(reports, int8=recipe.release.weights == "int8"), "value")
    gates = [at_least("eval.accuracy", value, recipe.release.min_accuracy, "held-out accuracy over all tasks")]
    if recipe.release.require_rl_gain:
        low = figure(reports.get("eval"), "gains", f"grpo-over-{recipe.before('grpo')}", "low")
        why = "lower end of the 95 % interval of the accuracy gained by reinforcement learning, above zero"
        gates.append(Gate("eval.rl_gain", low is not None and low > 0, low, 0.0, why))
    return gates


def _compression(reports: Reports, recipe: Recipe) -> list[Gate]:
    report = reports.get("compress")
    before, after = figure(report, "before", "perplexity"), figure(report, "after", "perplexity")
    ratio = after / before if before and after is not None else None
    change = figure(report, "difference", "value")
    drop = None if change is None else 0.0 - change
    settings = recipe.compress
    return [
        at_most("compress.perplexity_ratio", ratio, settings.max_perplexity_ratio, "perplexity after / before"),
        at_most("compress.accuracy_drop", drop, settings.max_accuracy_drop, "accuracy before - after"),
    ]


def _safety(reports: Reports, recipe: Recipe) -> list[Gate]:
    report, settings = reports.get("safety"), recipe.safety
    blocked, wrongly = figure(report, "block_rate", "value"), figure(report, "false_block_rate", "value")
    harmful = "share of harmful cases, named in ordinary words, that the guard stops"
    harmless = "share of harmless cases that the guard stops"
    return [
        at_least("safety.block_rate", blocked, settings.min_block_rate, harmful),
        at_most("safety.false_block_rate", wrongly, settings.max_false_block_rate, harmless),
    ]


JUDGES: tuple[Callable[[Reports, Recipe], list[Gate]], ...] = (_evaluation, _compression, _safety)


def figure(report: Any, *path: str) -> float | None:
    """The number at a path of keys, or None if it is not there."""
    for key in path:
        report = report.get(key) if isinstance(report, Mapping) else None
    return float(report) if isinstance(report, int | float) and not isinstance(report, bool) else None
