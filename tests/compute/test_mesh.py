"""The process mesh: numbers along the axes, a launcher's announcement read strictly, and processes that talk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.compute.device import collectives, own_device
from firesteel.compute.mesh import AXES, Mesh, announced, joined
from firesteel.core.config import ParallelSettings
from firesteel.core.errors import MachineError
from tests.train.parallel.harness import launch

SIZES = st.integers(1, 3)


@settings(deadline=None, max_examples=40)
@given(SIZES, SIZES, SIZES, SIZES, SIZES)
def test_every_process_has_a_place_of_its_own(p: int, replica: int, expert: int, context: int, tensor: int) -> None:
    processes = p * replica * expert * context * tensor
    parallel = ParallelSettings(processes=processes, pipeline=p, expert=expert, context=context, tensor=tensor)
    meshes = [Mesh(parallel, rank) for rank in range(processes)]
    assert sorted(tuple(mesh.index(axis) for axis in AXES) for mesh in meshes) == [
        tuple(mesh.index(axis) for axis in AXES) for mesh in meshes
    ]
    for axes in (("data",), ("tokens",), ("copies",), ("pipeline", "tensor"), AXES):
        numbers = [mesh.index(*axes) for mesh in meshes]
        count = meshes[0].count(*axes)
        assert all(numbers.count(n) == processes // count for n in range(count))
    assert [mesh.index(*AXES) for mesh in meshes] == list(range(processes))
    assert meshes[0].count("data") == parallel.data


def test_one_process_is_a_mesh_whose_methods_do_nothing() -> None:
    with joined(ParallelSettings(), torch.device("cpu"), environ={}) as alone:
        assert alone.first and alone.alone and alone.size == 1 and alone.count(*AXES) == 1 and alone.index("data") == 0
        x = torch.ones(3)
        assert alone.sum(x, "tokens") is x and torch.equal(x, torch.ones(3))
        assert alone.tell({"a": 1}) == {"a": 1} and alone.everyone("b") == ["b"]
        alone.barrier()
        assert not torch.distributed.is_initialized()


def test_a_launcher_announces_rank_and_size() -> None:
    assert announced(ParallelSettings(processes=4), {"RANK": "2", "WORLD_SIZE": "4"}) == 2


@pytest.mark.parametrize(
    "environ",
    [{}, {"RANK": "4", "WORLD_SIZE": "4"}, {"RANK": "1"}, {"RANK": "x"}, {"WORLD_SIZE": "0"}, {"WORLD_SIZE": "2"}],
)
def test_an_impossible_place_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(MachineError):
        announced(ParallelSettings(processes=4), environ)


def test_each_kind_of_device_has_its_library_and_each_process_a_device() -> None:
    assert [collectives(torch.device(kind)) for kind in ("cpu", "cuda", "xpu")] == [
        "gloo", "cpu:gloo,cuda:nccl", "cpu:gloo,xpu:xccl",
    ]  # fmt: skip
    assert own_device(torch.device("cpu"), 7) == torch.device("cpu")


def talk() -> dict[str, Any]:
    """One of four processes: two rows of the data axis, each of two that share their context."""
    with joined(ParallelSettings(processes=4, context=2, expert=2), torch.device("cpu"), timeout=60) as mesh:
        one = torch.tensor([10.0**mesh.rank])
        sums = {axis: mesh.sum(one.clone(), axis).item() for axis in ("data", "context", "tensor", "tokens", "copies")}
        mesh.barrier()
        heard = mesh.tell({"rank": mesh.rank, "text": "火"})
        return {
            "sums": sums, "all": mesh.sum(one.clone()).item(), "both": mesh.sum(one.clone(), "data", "context").item(),
            "heard": heard, "everyone": mesh.everyone([0] * mesh.rank), "first": mesh.first,
        }  # fmt: skip


def test_four_processes_add_up_and_hear_each_other(tmp_path: Path) -> None:
    told = launch(4, "tests.compute.test_mesh:talk", folder=tmp_path)
    assert [t["all"] for t in told] == [t["both"] for t in told] == [1111.0] * 4
    assert [t["sums"]["data"] for t in told] == [101.0, 1010.0, 101.0, 1010.0]
    assert [t["sums"]["context"] for t in told] == [11.0, 11.0, 1100.0, 1100.0] == [t["sums"]["copies"] for t in told]
    assert [t["sums"]["tensor"] for t in told] == [1.0, 10.0, 100.0, 1000.0]
    assert all(t["sums"]["tokens"] == 1111.0 and t["heard"] == {"rank": 0, "text": "火"} for t in told)
    assert all(t["everyone"] == [[], [0], [0, 0], [0, 0, 0]] for t in told)
    assert [t["first"] for t in told] == [True, False, False, False]
