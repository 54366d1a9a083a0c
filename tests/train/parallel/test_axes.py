"""Every axis of parallelism, and axes together: the same losses, gradients, norms and loads as one process."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firesteel.compute.mesh import Mesh
from firesteel.core.config import ParallelSettings
from firesteel.core.errors import RecipeError
from firesteel.model.lora import LoRA, attach
from firesteel.model.transformer import Transformer
from firesteel.train.parallel.context import own_places
from firesteel.train.parallel.place import place, whole_weights
from tests.train.parallel.harness import launch
from tests.train.parallel.steps import Root, built, config, digest

SEGMENTS = {"segments": True}
STEPS: dict[int, dict[str, dict[str, Any]]] = {
    2: {
        "replicas of a dense model": {"model": "gqa", "parallel": {}, "train": SEGMENTS},
        "zero 3 of a dense model": {"model": "gqa", "parallel": {"zero": 3}},
        "experts, zero 3": {"model": "mla", "parallel": {"expert": 2, "zero": 3}},
        "tensor, of a dense model": {"model": "gqa", "parallel": {"tensor": 2}},
        "context": {"model": "mla", "parallel": {"context": 2}, "train": SEGMENTS},
        "context of a dense model, zero 2": {"model": "gqa", "parallel": {"context": 2, "zero": 2}},
    },
    4: {
        "replicas": {"model": "mla", "parallel": {}},
        "zero 2": {"model": "mla", "parallel": {"zero": 2}, "train": SEGMENTS},
        "experts in four places": {"model": "mla", "parallel": {"expert": 4}},
        "replicas of experts": {"model": "mla", "parallel": {"expert": 2}},
        "replicas of experts, zero 3": {"model": "mla", "parallel": {"expert": 2, "zero": 3}},
        "tensor and data": {"model": "mla", "parallel": {"tensor": 2}},
        "tensor, zero 3": {"model": "mla", "parallel": {"tensor": 2, "zero": 3}},
        "tensor and experts": {"model": "mla", "parallel": {"tensor": 2, "expert": 2}},
        "context in four": {"model": "mla", "parallel": {"context": 4}},
        "context and experts, zero 3": {"model": "mla", "parallel": {"context": 2, "expert": 2, "zero": 3}},
        "context and tensor": {"model": "mla", "parallel": {"context": 2, "tensor": 2}, "train": SEGMENTS},
    },
}
WEIGHTS: dict[str, dict[str, Any]] = {
    "replicas": {}, "zero 3": {"zero": 3}, "replicas of experts, zero 2": {"expert": 2, "zero": 2},
    "tensor and experts": {"tensor": 2, "expert": 2}, "pipeline, zero 3": {"pipeline": 2, "zero": 3},
    "pipeline and experts": {"pipeline": 2, "expert": 2},
}  # fmt: skip
MATRICES: dict[str, dict[str, Any]] = {
    "zero 3": {"zero": 3}, "experts": {"expert": 4}, "replicas of experts, zero 3": {"expert": 2, "zero": 3},
    "tensor": {"tensor": 2}, "tensor, zero 3": {"tensor": 2, "zero": 3},
}  # fmt: skip
GRADIENT, LOSS = 1e-5, 2e-5  # relative; later losses follow AdamW, which divides by small gradients


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """Number of processes -> what each of them found."""
    asked = {2: (STEPS[2], {}, {}), 4: (STEPS[4], WEIGHTS, MATRICES)}
    program = "tests.train.parallel.compare:check"
    return {n: launch(n, program, n, *asked[n], folder=tmp_path_factory.mktemp(str(n))) for n in (2, 4)}


@pytest.mark.parametrize(("processes", "case"), [(n, case) for n, cases in STEPS.items() for case in cases])
def test_many_processes_learn_as_one(found: dict[int, list[dict[str, Any]]], processes: int, case: str) -> None:
    far = found[processes][0]["steps"][case]
    assert far["gradient"] < GRADIENT and far["norms"] < LOSS and far["losses"] < LOSS and not far["loads"], far
    assert not far["differ"], "copies of the same weights have drifted apart"


def test_every_weight_goes_to_its_processes_and_comes_back_whole(found: dict[int, list[dict[str, Any]]]) -> None:
    right = {name: digest(t) for name, t in whole_weights([built("mla", Mesh()).model], Mesh())}
    by_case = {case: [process["weights"][case] for process in found[4]] for case in WEIGHTS}
    for case, processes in by_case.items():
        assert processes[0]["gathered"] == right, case
    total = by_case["replicas"][0]["own"]
    shards = [process["own"] for process in by_case["zero 3"]]
    assert sum(shards) == total and max(shards) < 0.3 * total  # uneven rows are somebody's


def test_muon_of_shards_is_muon_of_whole_matrices(found: dict[int, list[dict[str, Any]]]) -> None:
    for process in found[4]:
        assert max(process["matrices"].values()) < 1e-4, process["matrices"]


def test_layers_compute_in_bfloat16_over_float32_shards_and_route_in_float32(
    found: dict[int, list[dict[str, Any]]],
) -> None:
    for process in [process["narrow"] for process in found[2]]:
        routers = {kind for name, kind in process["seen"].items() if name.endswith("gate")}
        others = {kind for name, kind in process["seen"].items() if not name.endswith("gate")}
        assert routers == {"torch.float32"} and others == {"torch.bfloat16"}, process["seen"]
        assert process["kinds"] == ["torch.float32"]
        assert 0 < abs(process["narrow"] - process["exact"]) < 0.02 * process["exact"]


@given(st.integers(0, 200), st.integers(1, 8))
def test_every_place_of_a_sequence_is_somebodys_and_attention_is_shared_evenly(T: int, count: int) -> None:
    places = [own_places(T, count, index).tolist() for index in range(count)]
    assert sorted(place for own in places for place in own) == list(range(T))
    assert all(own == sorted(own) for own in places)
    keys = [sum(place + 1 for place in own) for own in places]  # that the queries attend to
    assert max(keys) - min(keys) <= 3 * T


@pytest.mark.parametrize(
    ("axes", "adapters", "what"),
    [
        ({"processes": 3, "tensor": 3}, False, "parallel.tensor does not fit"),
        ({"processes": 3, "expert": 3}, False, "experts cannot be shared out"),
        ({"processes": 2, "expert": 2}, True, "adapters of experts"),
    ],
)
def test_a_mesh_that_does_not_fit_is_refused(axes: dict[str, int], adapters: bool, what: str) -> None:
    mesh = Mesh(ParallelSettings(**axes))
    with torch.device("meta"):
        model = Transformer(config("mla"))
    if adapters:
        attach(model, LoRA(rank=2))
    with pytest.raises(RecipeError, match=what):
        place(Root(model, mesh), mesh)
