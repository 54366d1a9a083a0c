"""In each process of a launch: every case beside the same steps on one process."""

from __future__ import annotations

import traceback
from typing import Any

import torch
import torch._dynamo  # DTensor and optimisers load it at their first use: 2 s, here once, not in every fork

from firesteel.compute.mesh import Mesh, joined, meshed
from firesteel.core.config import ParallelSettings
from tests.train.parallel import placed
from tests.train.parallel.steps import Trained, train

Cases = dict[str, dict[str, Any]]


def check(processes: int, steps: Cases, weights: Cases, matrices: Cases) -> dict[str, Any]:
    """Everything that this many processes are asked, in one launch: starting takes longer than most of it."""
    alone: dict[str, Trained] = {}
    with joined(ParallelSettings(processes=processes), torch.device("cpu"), timeout=100) as base:

        def mesh_of(settings: dict[str, Any]) -> Mesh:
            return meshed(ParallelSettings(processes=processes, **settings), base.rank, base.device)

        found: dict[str, Any] = {"steps": {}}
        for name, case in steps.items():
            try:
                found["steps"][name] = _beside_one(mesh_of(case["parallel"]), case, alone)
            except Exception as e:
                raise AssertionError(f"{name}: {traceback.format_exc()}") from e
        found["weights"] = {name: placed.weights(mesh_of(settings)) for name, settings in weights.items()}
        found["matrices"] = {name: placed.matrices(mesh_of(settings)) for name, settings in matrices.items()}
        found["narrow"] = placed.narrow(mesh_of({"zero": 3}))
    return found


def _beside_one(mesh: Mesh, case: dict[str, Any], alone: dict[str, Trained]) -> dict[str, Any]:
    """How far a case is from one process, on the first; on the others only whether their weights are the first's bit for bit."""
    more = case.get("train", {})
    many = train(case["model"], mesh, **more)
    differ = [rank for rank, weights in enumerate(mesh.everyone(many.weights)) if weights != many.weights]
    if not mesh.first:
        return {"differ": differ}
    key = repr((case["model"], more))
    alone[key] = alone.get(key) or train(case["model"], Mesh(), **more)
    return differences(alone[key], many) | {"differ": differ}


def differences(one: Trained, many: Trained) -> dict[str, Any]:
    """Relative distances: of the worst gradient (by its largest element), the losses, the norms; loads that differ."""
    assert one.grads.keys() == many.grads.keys(), one.grads.keys() ^ many.grads.keys()
    grads = {
        name: float((many.grads[name] - g).abs().max() / g.abs().max().clamp(min=1e-12))
        for name, g in one.grads.items()
    }
    worst = max(grads, key=lambda name: grads[name])
    return {
        "gradient": grads[worst], "worst": worst, "losses": _far(one.losses, many.losses),
        "norms": _far(one.norms, many.norms),
        "loads": sum(not torch.equal(a, b) for a, b in zip(one.loads, many.loads, strict=True)),
    }  # fmt: skip


def _far(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) / abs(x) for x, y in zip(a, b, strict=True))
