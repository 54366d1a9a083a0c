"""Several processes share a step's questions: they learn what one would have learnt, and tell of all answers."""

from __future__ import annotations

import pytest
import torch

from tests.train.parallel.harness import launch

PROGRAM = "tests.train.rl.together:learn"
TIMES = ("seconds", "sampling_seconds", "judging_seconds", "learning_seconds", "tokens_per_s", "time", "mfu")


@pytest.mark.parametrize(
    "more",
    [
        {},
        pytest.param({"resample": 1, "minibatches": 2, "overlong": "mask"}, marks=pytest.mark.slow),
        pytest.param(
            {"kl_weight": 0.01, "reference_every": 2, "importance_cap": 2.0, "credit": "answer"}, marks=pytest.mark.slow
        ),
    ],
    ids=["plain", "resampled", "kl"],
)
def test_two_processes_learn_what_one_learns(tmp_path, more):
    found = {}
    for size in (1, 2):
        (folder := tmp_path / str(size)).mkdir()
        (work := folder / "work").mkdir()
        found[size] = launch(size, PROGRAM, size, str(work), more, folder=folder)
    (one,), (first, second) = found[1], found[2]
    assert first["weights"] == second["weights"], "replicas"
    for name, values in one["weights"].items():
        torch.testing.assert_close(
            torch.tensor(first["weights"][name]), torch.tensor(values), rtol=1e-4, atol=1e-5, msg=name
        )
    assert first["memory"] == second["memory"] == one["memory"]
    assert len(one["asked"]) == len(first["asked"]) + len(second["asked"]) and first["asked"] and second["asked"]
    assert sorted(first["stored"]) == sorted(one["stored"]), "answers of both are on the disk"
    assert len(first["records"]) == len(one["records"]) == 3
    for ours, theirs in zip(first["records"], one["records"], strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {*TIMES, "stage", "resident_bytes", "peak_bytes"}:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-5), name
