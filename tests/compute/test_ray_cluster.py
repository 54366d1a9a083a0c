"""Ray as an executor, on a cluster of two nodes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firesteel.compute.ray_cluster import RayCluster
from firesteel.core.errors import MachineError, SourceError
from firesteel.core.log import RunLog
from tests.compute.test_workers import refuse, square
from tests.data.flow_texts import hashes, plant, run
from tests.known_speed import known_speed

LOCAL = {"node_ip_address": "127.0.0.1", "object_store_memory": 128 << 20}
# Ray otherwise takes this machine's outer address for its own, even of a cluster on loopback; it reads this when imported
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
# its workers would yield to everybody else on a busy machine
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
cluster_utils = pytest.importorskip("ray.cluster_utils")


def test_a_cluster_that_is_not_there_is_said_so() -> None:
    with pytest.raises(MachineError, match="does not answer") as caught:
        RayCluster("127.0.0.1:1")
    assert "ray start" in caught.value.hint


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Two nodes with one processor each."""
    nodes = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False} | LOCAL
    )
    nodes.add_node(num_cpus=1, **LOCAL)
    nodes.wait_for_nodes()
    executor = RayCluster(nodes.address)
    yield executor
    executor.close()
    nodes.shutdown()


def test_every_task_is_done_once(cluster: RayCluster) -> None:
    assert cluster.workers == 2
    assert sorted(cluster.run(square, list(range(12)))) == [(i, i * i) for i in range(12)]


def test_what_a_task_raises_is_raised_here(cluster: RayCluster) -> None:
    with pytest.raises(SourceError, match="no good") as caught:
        list(cluster.run(refuse, [7]))
    assert caught.value.hint == "take an even one"


def test_the_data_stage_makes_the_same_bytes_as_one_process(cluster: RayCluster, tmp_path: Path) -> None:
    sources = plant(tmp_path / "sources", 120)
    run(tmp_path / "alone", sources)
    run(tmp_path / "cluster", sources, cluster)
    assert hashes(tmp_path / "cluster") == hashes(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_training_stage_on_two_nodes_learns_what_one_process_does(cluster: RayCluster, tmp_path: Path) -> None:
    short = ["pretrain.steps=4", "pretrain.batch_size=4", "pretrain.sequence_length=32"]
    spread = ["parallel.processes=2", "parallel.nodes=2", f"parallel.cluster={cluster.address}", "parallel.zero=2"]
    toy = Path(__file__).parents[2] / "recipes" / "toy.toml"
    found = []
    for name, span, changes in (("alone", "--to", short), ("nodes", "--only", [*short, *spread])):
        out = tmp_path / name
        if name == "nodes":
            out.mkdir()
            for stage in ("data", "tokenizer", "tokens"):
                (out / stage).symlink_to(tmp_path / "alone" / stage)
        command = [sys.executable, "-m", "firesteel", "run", str(toy), "--out", str(out), span, "pretrain"]
        command += [word for change in changes for word in ("--set", change)]
        env = os.environ | known_speed(tmp_path / "cache")
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        found.append([r["loss"] for r in RunLog(out).records("pretrain") if "loss" in r])
    assert len(found[0]) == 4 and found[1] == pytest.approx(found[0], rel=1e-3)
