"""The reference of DPO: found once, kept in pieces that are whole, the same whoever computes it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from firesteel.core.errors import FiresteelError, MachineError
from firesteel.core.tokenizer import Rendered
from firesteel.model.transformer import Transformer
from firesteel.train import reference
from firesteel.train.batch import Batch, Share
from firesteel.train.learner import Whole
from firesteel.train.pieces import make_once
from firesteel.train.reference import reference_logprobs, scores
from tests.train.objectives import said, small

Side = tuple[Rendered, Rendered]


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> list[Side]:
    monkeypatch.setattr(reference, "PIECE", 4)
    rng = random.Random(0)

    def ids(longest: int) -> list[int]:
        return [rng.randint(3, 59) for _ in range(rng.randint(1, longest))]

    prompts = [ids(5) for _ in range(10)]
    return [(said(p, ids(6)), said(p, ids(6))) for p in prompts]


class Counted:
    """A learner's scores that are counted, and stop at one."""

    def __init__(self, model: Transformer, stop_at: int = 10**9) -> None:
        self.scores, self.calls, self.stop_at = scores(Whole(model)), 0, stop_at

    def __call__(self, batch: Batch) -> torch.Tensor:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        return self.scores(batch)


class ThereAndBack:
    """A learner that only knows how to learn, a pair at a time, as a pipeline."""

    def __init__(self, model: Transformer) -> None:
        self.learner = Whole(model, micro_batch=2)
        self.parts, self.learn = self.learner.parts, self.learner.learn


def one_by_one(model: Transformer, pairs: list[Side]) -> list[list[float]]:
    """The same, an answer at a time."""

    def logprob(side: Rendered) -> float:
        table = torch.log_softmax(model.logits(model(torch.tensor([side.ids])))[0], dim=-1)
        return sum(float(table[t - 1, side.ids[t]]) for t, learnt in enumerate(side.mask) if learnt)

    with torch.no_grad():
        return [[logprob(side) for side in pair] for pair in pairs]


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_it_is_what_the_model_says_of_each_answer(tmp_path: Path, pairs: list[Side], at_once: int) -> None:
    model = small()
    found = reference_logprobs(Counted(model), pairs, tmp_path, key="k", pad_id=0, at_once=at_once)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, one_by_one(model, pairs), rtol=1e-5)
    again = reference_logprobs(scores(ThereAndBack(model)), pairs, tmp_path, key="again", pad_id=0, at_once=at_once)
    np.testing.assert_allclose(again, found, rtol=1e-6)
    assert all(not layer.load.any() for layer in model.moe_layers())  # it is no training: no expert's load is counted
    assert all(p.grad is None for p in model.parameters())


def test_processes_that_share_a_sequence_add_up_what_they_know(tmp_path: Path, pairs: list[Side]) -> None:
    found = reference_logprobs(scores(Whole(small()), lambda x: 2 * x), pairs, tmp_path, key="k", pad_id=0)
    np.testing.assert_allclose(found / 2, one_by_one(small(), pairs), rtol=1e-5)


def test_a_stopped_pass_goes_on_and_a_finished_one_is_not_repeated(tmp_path: Path, pairs: list[Side]) -> None:
    model = small()
    with pytest.raises(KeyboardInterrupt):
        reference_logprobs(Counted(model, stop_at=4), pairs, tmp_path, key="k", pad_id=0, at_once=2)
    (tmp_path / "reference-k/000001.partial").write_bytes(b"half")
    rest = Counted(model)
    found = reference_logprobs(rest, pairs, tmp_path, key="k", pad_id=0, at_once=2)
    assert rest.calls == 3  # one piece of two batches was done; a piece of two and one of one were not
    done = Counted(model)
    again = reference_logprobs(done, pairs, tmp_path, key="k", pad_id=0, at_once=2)
    assert done.calls == 0 and np.array_equal(found, again)
    other = Counted(model)
    reference_logprobs(other, pairs, tmp_path, key="another", pad_id=0, at_once=2)
    assert other.calls == 5


def test_processes_share_the_pieces_and_go_through_the_model_equally_often(tmp_path: Path, pairs: list[Side]) -> None:
    model = small()
    alone = reference_logprobs(Counted(model), pairs, tmp_path / "alone", key="k", pad_id=0, at_once=2)
    calls = []
    for index in (1, 0):  # one after the other: each finds only its own files and those of whoever was before
        score, looked = Counted(model), []

        def barrier(looked: list[int] = looked) -> None:
            looked.append(0)
            if len(looked) == 1:
                for file in (tmp_path / "shared/reference-k").glob("*.npy"):
                    file.rename(file.with_suffix(".kept"))  # nobody had written when everybody looked
            else:
                for file in (tmp_path / "shared/reference-k").glob("*.kept"):
                    file.rename(file.with_suffix(".npy"))

        try:
            found = reference_logprobs(
                score, pairs, tmp_path / "shared", key="k", pad_id=0, at_once=2, share=Share(index, 2), barrier=barrier
            )
        except MachineError:
            assert index == 1  # the other process's pieces are not there yet
        calls.append(score.calls)
        for file in (tmp_path / "shared/reference-k").glob("*.npy"):
            if index == 1:
                file.rename(file.with_suffix(".kept"))
    assert calls == [4, 4]  # three pieces for two processes: two rounds of two batches
    np.testing.assert_array_equal(found, alone)


def test_a_process_that_does_not_write_leaves_no_file(tmp_path: Path, pairs: list[Side]) -> None:
    with pytest.raises(MachineError, match="share a disk"):
        reference_logprobs(Counted(small()), pairs, tmp_path, key="k", pad_id=0, writes=False)
    assert not list(tmp_path.rglob("*.npy"))


def test_a_model_that_says_nan_is_an_error(tmp_path: Path, pairs: list[Side]) -> None:
    with pytest.raises(FiresteelError, match="pair 0"):
        reference_logprobs(lambda b: torch.full((len(b),), torch.nan), pairs, tmp_path, key="k", pad_id=0)


def test_pieces_are_shared_out_and_each_is_made_once(tmp_path: Path) -> None:
    files = [tmp_path / str(i) for i in range(7)]
    files[2].touch()
    made: list[tuple[int, int, bool]] = []
    waits: list[int] = []
    for index in range(4):

        def make(number: int, write: bool, index: int = index) -> None:
            made.append((index, number, write))

        with pytest.raises(MachineError):
            make_once(files, make, share=Share(index, 4), barrier=lambda: waits.append(1))
    assert sorted(n for _, n, write in made if write) == [0, 1, 3, 4, 5, 6] and len(waits) == 8
    assert [sum(i == index for i, _, _ in made) for index in range(4)] == [2, 2, 2, 2]
