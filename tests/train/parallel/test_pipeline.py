"""A pipeline of processes learns what one process learns, whatever the order of passes, and fails as a whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributed.pipelining._utils import generate_stage_to_rank_mapping

from firesteel.core.config import ParallelSettings
from firesteel.core.errors import RecipeError
from firesteel.kernels.linear import product_dtype
from firesteel.model.moe import MoE
from firesteel.train.parallel.idle import idle, stand_in
from firesteel.train.parallel.parts import own_parts
from firesteel.train.parallel.pipeline import KEPT, round_up
from firesteel.train.parallel.stages import ORDERS, cut, layer_costs, layers_of_stages, micro_batches, stage_numbers
from tests.train.objectives import small
from tests.train.parallel.harness import launch
from tests.train.parallel.pipelines import Lesson, batch_of, toy

PROGRAMS = "tests.train.parallel.pipelines"
EXACT = 1e-5  # relative distance of metrics, norms and the first update's gradients, each tensor by itself
DRIFT = 1e-4  # of a weight after two steps of AdamW, which magnifies the rounding of small gradients
NARROW = 0.02  # of all of these where products are rounded to bfloat16

DEEP = {"layers": 8, "modules": 1, "tied": False}
TIED = {"layers": 4, "modules": 1, "tied": True}
MTP2 = {"layers": 5, "modules": 2, "tied": True}
V = {"schedule": "dualpipe-v"}
TWO = {
    "1f1b": {"axes": {"schedule": "1f1b"}, **TIED, "steps": 2},
    "interleaved": {"axes": {"schedule": "interleaved"}, **TIED, "steps": 2},
    "zero-bubble, two modules": {"axes": {"schedule": "zero-bubble"}, **MTP2},
    "dualpipe-v, two modules": {"axes": V, **MTP2},
    "dualpipe-v, frozen": {"axes": V, **TIED, "frozen": True},
    "dualpipe-v, bfloat16": {"axes": V, **TIED, "narrow": True},
}
FOUR = {
    "1f1b": {"axes": {"pipeline": 4, "schedule": "1f1b"}, **DEEP},
    "interleaved": {"axes": {"pipeline": 4, "schedule": "interleaved"}, **DEEP},
    "dualpipe-v": {"axes": {"pipeline": 4, "schedule": "dualpipe-v"}, **DEEP},
    "zero-bubble, zero": {"axes": {"pipeline": 4, "schedule": "zero-bubble", "zero": 3}, **DEEP},
    "replicas": {"axes": {"pipeline": 2, "schedule": "zero-bubble"}, **TIED},
    "experts": {"axes": {"pipeline": 2, "expert": 2, "schedule": "1f1b"}, **TIED},
    "experts, zero": {"axes": {"pipeline": 2, "expert": 2, "zero": 2, "schedule": "interleaved"}, **TIED},
    "tensor": {"axes": {"pipeline": 2, "tensor": 2, "schedule": "dualpipe-v"}, **TIED},
    "context": {"axes": {"pipeline": 2, "context": 2, "schedule": "1f1b"}, **TIED},
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What two processes say of every case, and of batches of many lengths."""
    cases = [case | {"axes": {"pipeline": 2} | case["axes"]} for case in TWO.values()]
    lengths = [16, 24, 32, 48, 64, 16]
    return launch(2, f"{PROGRAMS}:check", 2, cases, lengths, "dualpipe-v", folder=tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What four processes say of every case."""
    return launch(4, f"{PROGRAMS}:check", 4, list(FOUR.values()), [], "", folder=tmp_path_factory.mktemp("four"))


@pytest.mark.parametrize("name", TWO)
def test_two_processes_learn_what_one_learns(two: list[Any], name: str) -> None:
    judge(two, list(TWO).index(name), TWO[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUR)
def test_four_processes_learn_what_one_learns(four: list[Any], name: str) -> None:
    judge(four, list(FOUR).index(name), FOUR[name])


def judge(answers: list[Any], number: int, case: dict[str, Any]) -> None:
    """Every process is right about what it has, every layer is somewhere, and copies of the table have the same bits."""
    own = [answer["cases"][number] for answer in answers]
    assert {layer for found in own for layer in found["layers"]} == set(range(case["layers"]))
    rough = case.get("narrow") and product_dtype(torch.empty(0, dtype=torch.bfloat16)) == torch.bfloat16
    for found in own:
        assert max(found["gradients"], found["metrics"], found["norm"]) < (NARROW if rough else EXACT), found
        assert found["weights"] < (NARROW if rough else DRIFT) and (rough or found["loads"]), found
    shards = len(own) // case["axes"].get("pipeline", 2) if case["axes"].get("zero") else 1
    tables = [found["table"] for found in own if found["table"]]
    assert (tables or case.get("frozen")) and len(set(tables)) <= shards


def test_schedules_of_old_shapes_are_let_go(two: list[Any]) -> None:
    for answer in two:
        alive, same = answer["shapes"]
        assert same and alive <= 2 * KEPT


def test_when_a_process_whose_loss_failed_ends_the_others_notice(two: list[Any]) -> None:
    (said, failed), (heard, noticed) = sorted(answer["failing"] for answer in two)
    assert said.startswith("FiresteelError: this loss cannot be computed")
    assert heard.startswith("RuntimeError") and noticed - failed < 10


@pytest.mark.slow
def test_nobody_waits_longer_than_the_timeout_for_a_process_that_lingers(tmp_path: Path) -> None:
    (said, failed), (heard, noticed) = sorted(launch(2, f"{PROGRAMS}:lingering", 8.0, 2.0, folder=tmp_path))
    assert said.startswith("FiresteelError") and heard.startswith("RuntimeError") and noticed - failed < 8


@given(st.integers(1, 16), st.integers(1, 16), st.integers(0, 2), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_layer_is_in_one_stage_and_no_stage_is_empty(layers: int, stages: int, modules: int, tied: bool) -> None:
    config = toy(layers, modules, tied)
    if layers < stages:
        with pytest.raises(RecipeError, match="too few layers"):
            layers_of_stages(config, stages)
        return
    parts = layers_of_stages(config, stages)
    assert [i for part in parts for i in part] == list(range(layers)) and len(parts) == stages
    assert all(len(part) for part in parts)


@given(st.lists(st.integers(1, 40), min_size=4, max_size=9), st.integers(2, 4))
@settings(max_examples=100, deadline=None)
def test_the_slowest_stage_is_as_fast_as_can_be(costs: list[int], stages: int) -> None:
    """Beside every way to cut the layers."""

    def slowest(*places: int) -> int:
        return max(sum(costs[a:b]) for a, b in pairwise((0, *places, len(costs))))

    best = min(slowest(*places) for places in combinations(range(1, len(costs)), stages - 1))
    assert slowest(*(part.start for part in cut(costs, stages)[1:])) == best


def test_embedding_heads_and_prediction_weigh_in() -> None:
    """By hand, for a model whose layers are alike but the first."""
    config = toy(5, 1, False)
    first, second, *_, last = layer_costs(config)
    D, table = config.hidden_size, config.vocab_size * config.hidden_size
    attention = D * 16 + 16 * 2 * 16 + D * (16 + 8) + 16 * 2 * (8 + 16) + 2 * 16 * D  # MLA's five maps
    expert = 3 * D * config.moe_intermediate_size
    mixture = attention + D * config.n_routed_experts + (config.n_shared_experts + config.num_experts_per_tok) * expert
    assert first == pytest.approx(attention + 3 * D * config.intermediate_size + table / 3)
    assert second == mixture
    assert last == pytest.approx(mixture + table + (mixture + 2 * D * D + table) + table / 3)
    lengths = [len(part) for part in layers_of_stages(replace(config, num_hidden_layers=8), 4)]
    assert lengths[0] == 2 and lengths[-1] == 1


def test_widths_on_the_wire_are_few_and_waste_little() -> None:
    wires = [round_up(width) for width in range(1, 4097)]
    assert sorted(set(wires)) == [16] + [n for k in range(3, 11) for n in (3 * 2**k, 4 * 2**k)]
    assert all(width <= wire <= max(16, 1.5 * width) for width, wire in enumerate(wires, start=1))


@pytest.mark.parametrize("schedule", ORDERS)
@pytest.mark.parametrize("processes", [2, 3, 8])
def test_stages_are_where_torch_looks_for_them(schedule: str, processes: int) -> None:
    order = ORDERS[schedule]
    right = generate_stage_to_rank_mapping(processes, order.each * processes, "v" if order.v else "loop")
    own = {number: index for index in range(processes) for number in stage_numbers(schedule, processes, index)}
    assert own == right


def test_micro_batches_that_a_schedule_cannot_order_are_refused() -> None:
    def settings_of(schedule: str, microbatches: int) -> ParallelSettings:
        return ParallelSettings.model_validate(
            {"processes": 4, "pipeline": 4, "schedule": schedule, "microbatches": microbatches}
        )

    assert [micro_batches(settings_of(schedule, 0)) for schedule in ORDERS] == [8, 16, 8, 16]
    for schedule, microbatches in (("1f1b", 3), ("dualpipe-v", 7), ("interleaved", 9), ("zero-bubble", 13)):
        with pytest.raises(RecipeError, match="microbatches"):
            micro_batches(settings_of(schedule, microbatches))
    assert micro_batches(settings_of("zero-bubble", 3)) == 3


def test_one_table_where_the_ends_meet_and_no_sharding_of_it() -> None:
    v = ParallelSettings(processes=2, pipeline=2, schedule="dualpipe-v")
    first, last = own_parts(toy(4, 0, True), v, 0)
    assert first.embed_tokens is last.embed_tokens and first.first and last.last
    with pytest.raises(RecipeError, match="zero"):
        own_parts(toy(4, 1, False), v.model_copy(update={"zero": 2}), 1)
    assert len(own_parts(toy(4, 0, False), v.model_copy(update={"zero": 2}), 1)) == 2, "nothing is shared"


@pytest.mark.parametrize("schedule", ORDERS)
def test_without_a_pipeline_there_is_one_part(schedule: str) -> None:
    (whole,) = own_parts(toy(4, 1, True), ParallelSettings.model_validate({"schedule": schedule, "zero": 2}), 0)
    assert whole.first and whole.last and len(whole.layers) == 4


def test_passes_of_empty_micro_batches_leave_no_trace() -> None:
    model, lesson = small(num_nextn_predict_layers=1), Lesson(1)
    whole = batch_of(lesson, 4, 12, 0, group=2, extra={"source": torch.zeros(4, 12, dtype=torch.long)})
    whole.totals = whole.counts
    batch = stand_in(whole.part(4, 4))
    assert len(batch) == 2 and batch.learn.all() and batch.extra["source"].shape == (2, 12)
    layers = [module for module in model.modules() if isinstance(module, MoE)]
    for layer in layers:
        layer.balance_weight = 0.5
        layer.load += 3
    with idle(model):
        loss, _ = lesson.loss(model, model(batch.tokens, batch.segments), batch)
    (loss * 0).backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())
    assert all((layer.load == 3).all() and layer.balance_weight == 0.5 for layer in layers)
