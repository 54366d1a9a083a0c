"""What the model said of every pair before training (the reference of DPO), found once and kept in the work folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from firesteel.core.artefact import disk_error
from firesteel.core.errors import FiresteelError
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.learner import Learner
from firesteel.train.logprobs import row_logprobs, row_sums
from firesteel.train.objective import Metrics, Objective
from firesteel.train.pieces import Barrier, alone, make_once
from firesteel.train.preference import Pairs, pair_batch

PIECE = 256  # pairs a file
ROW, SCORES = "row", "scores"  # Batch.extra: each row's number; the name of a metric


class Score(Objective):
    """The log-probability of each row's learnt tokens, in the shape of an objective: every learner can compute it."""

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """Nothing is learnt."""
        yield from ()

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """Zero, and as its one metric log pi(y|x) of all rows of all micro-batches [rows], zero but for these."""
        logp, _, rows = row_logprobs(head, hidden, batch.tokens, batch.learn)
        found = row_sums(logp, rows, len(batch))
        everywhere = found.new_zeros(int(batch.total_rows)).index_add(0, batch.extra[ROW], found.detach())
        return found.sum() * 0, {SCORES: everywhere}


def scores(learner: Learner, across: Callable[[Tensor], Tensor] = lambda x: x) -> Callable[[Batch], Tensor]:
    """What a learner's model says of rows: batch -> log pi(y|x) [B], zeros in a process that does not see the model's end.

    A model in one piece goes forward only. A pipeline knows no such way: it goes back, too, and its gradients, all of them
    zero, are forgotten. The parts are left in evaluation mode. `across` as in Preference.
    """
    for part in learner.parts:
        part.eval()
    device = learner.parts[0].device

    def score(batch: Batch) -> Tensor:
        rows = replace(batch, totals=batch.counts, total_rows=len(batch), extra={ROW: torch.arange(len(batch))})
        if isinstance(learner, nn.Module):
            with torch.no_grad():
                _, found = learner(Score(), rows.to(device))
        else:
            found = learner.learn([rows], Score())
            for part in learner.parts:
                part.zero_grad(set_to_none=True)
        return across(found.get(SCORES, torch.zeros(len(batch), device=device)))

    return score


def reference_logprobs(
    score: Callable[[Batch], Tensor], pairs: Pairs, folder: Path, *, key: str, pad_id: int, at_once: int = 8,
    share: Share | None = None, writes: bool = True, barrier: Barrier = alone,
) -> np.ndarray:  # fmt: skip
    """log pi_ref(y|x) of every pair's answers, float32 [pairs, 2], from `folder` or else from `score`.

    `score`: rows -> log pi(y|x) [B], as `scores` makes one, before training (adapters change nothing while they are new).
    `key`: what decides the result, pairs and weights; other keys have other files. `at_once`: pairs that go through the
    model together. `writes`: false in processes that hold only another part of a model or of a sequence.
    """
    place = folder / f"reference-{key[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    files = [place / f"{i:06d}.npy" for i in range(-(-len(pairs) // PIECE))]
    share = share or Share()

    def make(number: int, write: bool) -> None:
        first = number * PIECE
        values = _scores(score, pairs, range(first, min(first + PIECE, len(pairs))), pad_id, at_once, share.of > 1)
        if write and writes:
            _write(files[number], values)

    make_once(files, make, share=share, barrier=barrier)
    return np.concatenate([np.load(file, allow_pickle=False) for file in files])


def _scores(
    score: Callable[[Batch], Tensor], pairs: Pairs, numbers: range, pad_id: int, at_once: int, even: bool
) -> np.ndarray:
    """float32 [numbers, 2]. `even`: as many forward passes as a full piece needs, for the processes that do one."""
    order = sorted(numbers, key=lambda n: max(len(side.ids) for side in pairs[n]))
    out = np.empty((len(numbers), 2), dtype=np.float32)
    for i in range(0, PIECE if even else len(order), at_once):
        part = order[i : i + at_once]
        found = score(pair_batch([pairs[n] for n in part or order[:1]], pad_id)).view(-1, 2)
        if part:
            out[np.asarray(part) - numbers.start] = found.float().cpu().numpy()
    if not np.isfinite(out).all():
        worst = numbers.start + int(np.flatnonzero(~np.isfinite(out).all(axis=1))[0])
        raise FiresteelError("the model's log-probability of an answer is no number", value=f"pair {worst}")
    return out


def _write(file: Path, values: np.ndarray) -> None:
    temporary = file.with_suffix(".partial")
    try:
        with temporary.open("wb") as f:
            np.save(f, values, allow_pickle=False)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, file)
    except OSError as e:
        raise disk_error(e, file) from e
