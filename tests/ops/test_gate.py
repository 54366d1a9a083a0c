"""A release passes only with every figure there and within its bound."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.config import parse_recipe
from firesteel.core.errors import GateError
from firesteel.core.gate import at_least, at_most
from firesteel.ops.gate import check_release, require
from firesteel.safety.report import gate as safety_gates

RECIPE = {"name": "r", "release": {"min_accuracy": 0.5, "require_rl_gain": True}}


@pytest.fixture
def reports(finished: Path) -> dict[str, Any]:
    """Reports that pass every gate."""
    return {name: json.loads((finished / name / "report.json").read_text()) for name in ("eval", "compress", "safety")}


def failed(reports: dict[str, Any], **tables: Any) -> set[str]:
    """Names of the gates that are not passed."""
    return {gate.name for gate in check_release(reports, parse_recipe(RECIPE | tables)) if not gate.passed}


def test_a_good_model_passes_every_gate(reports: dict[str, Any]) -> None:
    gates = check_release(reports, parse_recipe(RECIPE))
    assert len(gates) == 6 and all(gate.passed for gate in gates)
    require(gates)


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("eval", "models", "grpo", "all", "value"), 0.4, "eval.accuracy"),
        (("eval", "gains", "grpo-over-sft", "low"), 0.0, "eval.rl_gain"),
        (("compress", "after", "perplexity"), 40.0, "compress.perplexity_ratio"),
        (("compress", "after", "perplexity"), float("nan"), "compress.perplexity_ratio"),
        (("compress", "difference", "value"), -0.021, "compress.accuracy_drop"),
        (("safety", "block_rate", "value"), 0.9, "safety.block_rate"),
        (("safety", "false_block_rate", "value"), 0.06, "safety.false_block_rate"),
    ],
)
def test_each_gate_closes_on_its_own_figure(
    reports: dict[str, Any], path: tuple[str, ...], value: float, name: str
) -> None:
    spoilt = copy.deepcopy(reports)
    place = spoilt
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert failed(spoilt) == {name}


@pytest.mark.parametrize("name", ["eval", "compress", "safety"])
def test_a_missing_report_does_not_pass(reports: dict[str, Any], name: str) -> None:
    del reports[name]
    gone = failed(reports)
    assert gone and all(gate.startswith(name) for gate in gone)


def test_a_gain_is_asked_for_only_if_the_recipe_says_so(reports: dict[str, Any]) -> None:
    del reports["eval"]["gains"]
    assert failed(reports) == {"eval.rl_gain"}
    assert failed(reports, release={}) == set()


def test_the_accuracy_judged_is_that_of_the_weights_released(reports: dict[str, Any]) -> None:
    reports["compress"]["after"]["accuracy"]["value"] = 0.1
    assert failed(reports) == set()
    assert failed(reports, release={"weights": "int8", "min_accuracy": 0.5}) == {"eval.accuracy"}


def test_the_model_judged_is_the_last_one_trained(reports: dict[str, Any]) -> None:
    del reports["eval"]["models"]["grpo"]
    reports["eval"]["models"]["sft"]["all"]["value"] = 0.3
    assert failed(reports, release={"min_accuracy": 0.5}) == {"eval.accuracy"}


def test_every_failed_gate_is_named_with_value_and_bound(reports: dict[str, Any]) -> None:
    reports["safety"]["block_rate"]["value"] = 0.9
    del reports["compress"]
    with pytest.raises(GateError) as caught:
        require(check_release(reports, parse_recipe(RECIPE)))
    text = str(caught.value)
    assert "3 of the release gates said no" in text
    assert "safety.block_rate: 0.9, bound 0.95" in text and "compress.accuracy_drop: not measured, bound 0.02" in text
    assert "eval.accuracy" not in text


def test_the_safety_room_and_the_release_judge_alike(reports: dict[str, Any]) -> None:
    recipe = parse_recipe(RECIPE)
    release = [gate for gate in check_release(reports, recipe) if gate.name.startswith("safety.")]
    assert release == safety_gates(reports["safety"], recipe.safety)


def test_bounds_are_inclusive_and_nothing_does_not_pass() -> None:
    assert at_least("a", 0.5, 0.5, "").passed and at_most("a", 0.5, 0.5, "").passed
    assert not at_least("a", None, 0.0, "").passed and not at_most("a", None, 0.0, "").passed
    assert not at_least("a", float("nan"), 0.0, "").passed and not at_most("a", float("nan"), 0.0, "").passed
