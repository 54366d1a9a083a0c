"""Planning a cluster: a published run from first principles, and parts that follow from their causes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.compute import cluster
from firesteel.compute.cluster import Rows, Step, step
from firesteel.compute.count import Shape, parameters, training_flops
from firesteel.compute.layout import Layout, Products, layer, top
from firesteel.compute.links import remote_nodes
from firesteel.compute.passes import SCHEDULES, Passes, idle
from firesteel.compute.plan import Estimate, estimates
from firesteel.compute.rates import MACHINES, Rates
from firesteel.core.config import ModelSettings, ParallelSettings, PretrainSettings, Recipe, load_recipe
from firesteel.core.errors import MachineError

RECIPE = Path(__file__).parents[2] / "recipes/deepseek-v3.toml"
V3 = Shape.of(ModelSettings(preset="deepseek-v3").shape(), vocab_size=129_280)
SMALL = Shape.of(ModelSettings(scale=8).shape(), vocab_size=4096)
H800, ASCEND = MACHINES["h800"], MACHINES["ascend-910b"]


def v3(*overrides: str) -> Recipe:
    return load_recipe(RECIPE, overrides)


def pretraining(recipe: Recipe, rates: Rates) -> tuple[Estimate, dict[str, Any]]:
    found = estimates(recipe, rates)["pretrain"]
    assert found.cluster is not None
    return found, found.cluster


def small(rates: Rates = H800, *, optimiser: str = "adamw", precision: str = "bfloat16", **parallel: Any) -> Step:
    table = ParallelSettings(**{"processes": 64, "nodes": 8, "cluster": "auto"} | parallel)
    chosen = PretrainSettings(optimiser=optimiser, precision=precision)  # type: ignore[arg-type]
    return step(SMALL, chosen, table, rates, Rows(512, 2048, 512 * 2048))


def test_deepseek_v3_takes_its_published_gpu_hours_from_first_principles() -> None:
    """2.664 M H800 hours for 14.8 T tokens (V3 report, Table 1); the other figures are of ISCA 2025, Table 4."""
    found, table = pretraining(v3(), H800)
    assert found.tokens == pytest.approx(14.8e12, rel=1e-3)
    assert table["device_hours"] == pytest.approx(2.664e6, rel=0.05)
    assert table["step_seconds"] == pytest.approx(19.926, rel=0.05)
    assert table["mfu"] == pytest.approx(0.3894, rel=0.05)
    assert table["tokens_per_s"] * 86400 == pytest.approx(272.8e9, rel=0.05)


def test_parts_of_the_published_step_that_nothing_was_fitted_to() -> None:
    """Overlapped passes 13.95 s decide the efficiency; 3.60 s of passes alone, 2.06 s of bubble and 0.29 s do not."""
    _, table = pretraining(v3(), H800)
    parts, alone = table["parts"], (5 * 8 - 1) / 2 / 120
    assert parts["products"] * (1 - alone) == pytest.approx(13.95, rel=0.01)
    assert parts["products"] * alone + parts["all-to-all"] == pytest.approx(1.13 + 1.99 + 0.48, rel=0.05)
    assert parts["uneven stages"] + parts["bubble"] == pytest.approx(2.06, rel=0.2)
    assert parts["gradients"] + parts["optimiser"] == pytest.approx(0.29, abs=0.15)


def test_the_efficiency_is_said() -> None:
    _, table = pretraining(v3(), H800)
    assert any(f"{cluster.EFFICIENCY:.1%}" in note and "ISCA 2025" in note for note in table["notes"])


def test_twice_the_efficiency_halves_products_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    before = small(expert=8).parts
    monkeypatch.setattr(cluster, "EFFICIENCY", 2 * cluster.EFFICIENCY)
    after = small(expert=8).parts
    assert after["products"] == pytest.approx(before["products"] / 2)
    assert {k: v for k, v in after.items() if k != "products"} == {k: v for k, v in before.items() if k != "products"}


def test_ascend_is_slower_for_reasons_that_are_told() -> None:
    _, here = pretraining(v3(), H800)
    _, there = pretraining(v3(), ASCEND)
    assert there["device_hours"] > here["device_hours"] and any("no FP8" in note for note in there["notes"])
    assert H800.links is not None and ASCEND.links is not None
    slow_links = replace(H800, links=replace(ASCEND.links, fp8_flops=H800.links.fp8_flops))
    _, linked = pretraining(v3(), slow_links)
    for part in ("all-to-all", "gradients", "pipeline"):
        assert linked["parts"][part] > here["parts"][part], part
    assert linked["parts"]["products"] == here["parts"]["products"]
    _, narrow = pretraining(v3("pretrain.precision=bfloat16"), H800)
    assert narrow["parts"]["products"] > 1.5 * here["parts"]["products"]
    ratio = there["parts"]["products"] / narrow["parts"]["products"]
    assert ratio == pytest.approx(H800.bf16_flops / ASCEND.bf16_flops, rel=0.01)


def test_without_known_links_there_is_no_plan_of_a_cluster() -> None:
    with pytest.raises(MachineError, match="laptop-2core"):
        small(MACHINES["laptop-2core"])


def test_layers_multiply_what_counting_the_model_says() -> None:
    """6 N + attention of count.py, by layers: forward, and backward's two passes, without what backward computes again."""
    counts, whole = parameters(V3), layer(V3) * V3.num_hidden_layers + top(V3)
    assert whole.maps + whole.heads == pytest.approx(counts.matrices + counts.mtp_matrices, rel=1e-9)
    scores = 3 * 4096 * (whole.keys + whole.values)
    assert 6 * (whole.maps + whole.heads) + scores == pytest.approx(training_flops(V3, 4096), rel=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("pipeline", [1, 2, 8])
def test_stages_have_every_layer_once_and_every_parameter(schedule: str, pipeline: int) -> None:
    table = ParallelSettings(processes=pipeline, pipeline=pipeline, schedule=schedule)  # type: ignore[arg-type]
    layout = Layout(V3, table)
    assert sum(layout.ranks) == V3.num_hidden_layers
    held = [layout.held(rank) for rank in range(pipeline)]
    counts = parameters(V3)
    copies = counts.embedding * (
        pipeline > 1 and schedule != "dualpipe-v"
    )  # the prediction module looks tokens up, too
    everything = sum(one.shared + one.experts for one in held)
    assert everything == pytest.approx(counts.total + counts.mtp + copies, rel=5e-4)
    whole = sum((layout.products(rank) for rank in range(pipeline)), Products())
    assert whole.maps == pytest.approx((layer(V3) * V3.num_hidden_layers + top(V3)).maps)


def test_bubbles_are_those_of_the_report() -> None:
    """DeepSeek-V3 report, Table 2: (PP-1)(F+B), (PP-1)(F+B-2W), (PP/2-1)(F&B+B-3W) with two processes of a V for one PP."""
    p = Passes(P=8, M=64, f=1.0, b=1.0, w=1.0, c=0.0)
    assert idle("1f1b", p).bubble == 7 * 3 and idle("zero-bubble", p).bubble == 7 * 1
    assert idle("interleaved", p).bubble == 7 * 3 / 2
    assert idle("dualpipe-v", p).bubble == 7 * (3 + 2 - 3) / 2
    assert idle("1f1b", replace(p, P=1)).bubble == 0
    assert [idle(name, p).waiting for name in SCHEDULES] == [8, 11.5, 8, 8.5]


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(2, 16), st.integers(1, 200), st.floats(0, 10))
def test_nothing_is_gained_by_idling(schedule: str, processes: int, pieces: int, exchange: float) -> None:
    found = idle(schedule, Passes(processes, pieces, 1.0, 1.2, 0.8, exchange))
    assert found.bubble >= 0 and found.waiting <= pieces
    assert 0 <= found.exchange <= 2 * pieces * exchange * (1 + 1e-9)
    assert schedule == "dualpipe-v" or found.exchange == pytest.approx(2 * pieces * exchange)


def test_only_dualpipe_hides_the_exchange_and_only_behind_computing() -> None:
    fast = Passes(P=4, M=1000, f=1.0, b=1.0, w=1.0, c=0.5)
    assert idle("dualpipe-v", fast).exchange < 0.02 * idle("1f1b", fast).exchange
    slow = idle("dualpipe-v", replace(fast, c=10.0)).exchange
    assert slow == pytest.approx(1000 * (20 - 3), rel=0.01)


def test_a_token_reaches_at_most_the_nodes_of_its_groups() -> None:
    """V3 report, 3.2.2: at most 4 nodes of 8, and so 3.5 beside the own one."""
    assert 3 < remote_nodes(V3, 8) <= 3.5
    free = replace(V3, n_group=1, topk_group=1)
    assert remote_nodes(V3, 8) < remote_nodes(free, 8) < 7 and remote_nodes(V3, 1) == 0


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.sampled_from([0, 2, 3]))
def test_parting_never_adds_memory(tensor: int, context: int, expert: int, zero: int) -> None:
    axes = {"tensor": tensor, "context": context, "expert": expert, "zero": zero}
    one = small(**axes)
    assert one.seconds > 0 and all(part >= 0 for part in (*one.parts.values(), *one.memory.values()))
    assert small(**axes | {"zero": 3}).peak_bytes <= one.peak_bytes
    assert small(**axes | {"expert": 4}).memory["weights"] <= one.memory["weights"]


def test_each_axis_pays_for_its_own_traffic() -> None:
    plain = small()
    assert not any(plain.parts[name] for name in ("all-to-all", "tensor", "context", "pipeline", "bubble", "weights"))
    causes = {
        "all-to-all": {"expert": 8}, "tensor": {"tensor": 2}, "context": {"context": 2}, "weights": {"zero": 3},
        "bubble": {"pipeline": 2}, "pipeline": {"pipeline": 2},
    }  # fmt: skip
    for name, axes in causes.items():
        assert small(**axes).parts[name] > 0, name
    assert small(tensor=16).parts["tensor"] > 3 * small(tensor=8).parts["tensor"]  # beyond a node


def test_muon_pays_for_its_products() -> None:
    assert small(optimiser="muon").parts["optimiser"] > small().parts["optimiser"]
    assert small(optimiser="muon").memory["optimiser"] < small().memory["optimiser"]


def test_fp8_halves_what_products_keep() -> None:
    assert small(precision="fp8").memory["activations"] < small().memory["activations"]
