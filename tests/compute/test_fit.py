"""Whether a recipe fits, and the nearest one that does: proposals fit, and no smaller step on their lever would."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.compute.fit import LEVERS, changed, check_fit, fit, peaks
from firesteel.compute.rates import MACHINES, Rates
from firesteel.core.config import Recipe, load_recipe, parse_recipe
from firesteel.core.errors import MachineError

RECIPES = Path(__file__).parents[2] / "recipes"
LAPTOP, H100 = MACHINES["laptop-2core"], MACHINES["h100"]


def recipe(**tables: Any) -> Recipe:
    return parse_recipe({"name": "r"} | tables)


def fits(one: Recipe, available: float, rates: Rates = LAPTOP) -> bool:
    return max(peaks(one, rates, 1e6).values()) <= available


def test_a_recipe_that_fits_is_left_alone() -> None:
    for name in ("quickstart", "toy", "my-documents"):
        found = check_fit(load_recipe(RECIPES / f"{name}.toml"), LAPTOP)
        assert found.fits and found.changes == {} and found.command == ""


def test_one_that_does_not_is_refused_with_what_is_predicted_what_there_is_and_what_would_fit() -> None:
    too_large = recipe(pretrain={"batch_size": 4096})
    with pytest.raises(MachineError) as caught:
        check_fit(too_large, LAPTOP, 4e9)
    error = str(caught.value)
    assert (
        "of 3.7 GiB" in error and "pretrain" in error and "the nearest that fits: --set pretrain.micro_batch=" in error
    )
    assert caught.value.exit_code == 2
    found = fit(too_large, LAPTOP, 4e9)
    assert found.changes is not None and fits(changed(too_large, found.changes), 4e9)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4096), st.sampled_from([64, 256, 1024]), st.sampled_from([1, 2, 4, 8]), st.integers(9, 40))
def test_a_proposal_fits_and_smaller_steps_on_its_lever_do_not(
    batch: int, length: int, scale: int, tenths: int
) -> None:
    one = recipe(pretrain={"batch_size": batch, "sequence_length": length}, model={"scale": scale})
    available = tenths * 1e8
    found = fit(one, LAPTOP, available)
    if found.changes is None:
        assert not fits(
            changed(one, {"model.scale": 1, "pretrain.micro_batch": 1, "pretrain.sequence_length": 64}), available
        )
        return
    assert fits(changed(one, found.changes), available)
    assert found.fits == (not found.changes)
    if list(found.changes) == ["pretrain.micro_batch"]:
        twice = min(2 * found.changes["pretrain.micro_batch"], batch)
        assert not fits(changed(one, {"pretrain.micro_batch": twice}), available) or twice == batch
    for key in found.changes:  # none of them is idle
        fewer = {other: value for other, value in found.changes.items() if other != key}
        assert not fits(changed(one, fewer), available), key


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(LEVERS), st.sampled_from(["pretrain", "sft", "grpo", "tokenizer"]), st.sampled_from([1, 8]))
def test_each_lever_goes_step_by_step_to_less(lever: Any, stage: str, processes: int) -> None:
    one = recipe(parallel={"processes": processes})
    needs = []
    for step in lever(stage, one, LAPTOP):
        needs.append(peaks(changed(one, step), LAPTOP, 1e6)[stage])
    assert lever.__name__ == "_number" or needs == sorted(needs, reverse=True)


def test_levers_that_cost_nothing_come_first() -> None:
    one = recipe(pretrain={"batch_size": 64, "sequence_length": 512}, model={"scale": 8})
    wanted = max(peaks(one, LAPTOP, 1e6).values())
    order = [next(iter(fit(one, LAPTOP, share * wanted).changes or {"": 0})) for share in (0.95, 0.7)]
    assert set(order) == {"pretrain.micro_batch"}


def test_a_model_that_is_too_large_whatever_its_batch_becomes_a_smaller_one() -> None:
    found = fit(recipe(model={"scale": 20}), LAPTOP, 4e9)
    assert found.changes is not None and found.changes["model.scale"] < 20
    larger = dict(found.changes) | {"model.scale": found.changes["model.scale"] + 1}
    assert not fits(changed(recipe(model={"scale": 20}), larger), 4e9)


def test_a_model_to_start_from_is_never_replaced(tmp_path: Path) -> None:
    one = recipe(model={"scale": 32}, pretrain={"start_from": str(tmp_path), "steps": 0})
    assert fit(one, LAPTOP, 2e9).changes is None
    with pytest.raises(MachineError, match="a machine with more memory"):
        check_fit(one, LAPTOP, 2e9)


def test_on_cards_a_model_is_parted_before_it_is_made_smaller() -> None:
    one = recipe(model={"preset": "deepseek-v2-lite"})
    found = fit(one, H100)
    assert not found.fits and found.changes is not None
    assert found.changes["parallel.processes"] > 1 and "model.scale" not in found.changes
    parted = changed(one, found.changes)
    assert max(peaks(parted, H100, 1e6).values()) <= H100.memory_bytes


def test_deepseek_v3_fits_on_h800_and_on_ascend_in_smaller_parts() -> None:
    v3 = load_recipe(RECIPES / "deepseek-v3.toml")
    assert check_fit(v3, MACHINES["h800"]).fits
    found = fit(v3, MACHINES["ascend-910b"])
    assert not found.fits and found.stage == "pretrain" and found.changes is not None
    assert not any(key.startswith(("model", "pretrain")) for key in found.changes)
    assert fit(changed(v3, found.changes), MACHINES["ascend-910b"]).fits


def test_changes_are_what_the_command_line_makes_of_them(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text('name = "r"\n[data]\nsources = ["."]\n[model]\nhidden_size = 256\nn_routed_experts = 8\n')
    for changes in (
        {"model.scale": 3},
        {"pretrain.micro_batch": 2, "pretrain.precision": "bfloat16"},
        {"tokenizer.sample_mb": 2.0},
    ):
        overrides = tuple(f"{key}={value}" for key, value in changes.items())
        assert changed(load_recipe(file), changes) == load_recipe(file, overrides)


def test_an_unknown_memory_refuses_nothing() -> None:
    assert check_fit(recipe(model={"scale": 32}), replace(LAPTOP, memory_bytes=0.0)).fits


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (("--machine", "h800"), 0, "device-hours on 2048 devices"),
    (("--machine", "ascend-910b"), 2, "the nearest that fits: --set parallel."),
])  # fmt: skip
def test_the_command_says_so_and_ends_with_2(arguments: tuple[str, ...], code: int, said: str) -> None:
    command = [sys.executable, "-m", "firesteel", "plan", str(RECIPES / "deepseek-v3.toml"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stdout and "efficiency 30.0% of the peak" in done.stdout
