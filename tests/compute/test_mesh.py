"""The process mesh: shards cover a batch exactly, and a launcher's announcement is read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.compute.mesh import Mesh, from_environment
from firesteel.core.errors import MachineError


@given(st.integers(0, 500), st.integers(1, 40))
def test_shards_cover_a_batch_once_in_order_and_evenly(n: int, size: int) -> None:
    shards = [Mesh(rank, size).shard(n) for rank in range(size)]
    assert [i for shard in shards for i in shard] == list(range(n))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_one_process_is_a_mesh_and_owns_everything() -> None:
    alone = from_environment({})
    assert alone == Mesh() and alone.first and alone.shard(7) == range(7)


def test_a_launcher_announces_rank_and_size() -> None:
    assert from_environment({"RANK": "2", "WORLD_SIZE": "4"}) == Mesh(2, 4)
    assert not Mesh(2, 4).first


@pytest.mark.parametrize(
    "environ", [{"RANK": "4", "WORLD_SIZE": "4"}, {"RANK": "1"}, {"RANK": "x"}, {"WORLD_SIZE": "0"}]
)
def test_an_impossible_place_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(MachineError):
        from_environment(environ)
