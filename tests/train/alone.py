"""One process's way through an objective, without the loop around it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.learner import Whole
from firesteel.train.objective import Objective


def complete(batches: Sequence[Batch]) -> Sequence[Batch]:
    """The batches with their totals, as the loop fills them in."""
    for batch in batches:
        batch.totals, batch.total_rows = batch.counts, float(len(batch))
    return batches


def learn(
    model: Transformer, objective: Objective, step: int = 0, *, micro_batch: int = 0, balance: float = 0.0
) -> dict[str, float]:
    """Gradients of the step's one update in the model; its metrics, and `total`, the loss that gradients are of."""
    (batches,) = objective.updates(step, Share())
    shares = Whole(model, micro_batch=micro_batch, balance=balance).learn(complete(batches), objective)
    return {name: float(value) for name, value in shares.items()}


def loss_of(model: Transformer, objective: Objective, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of one batch, and its metrics."""
    (whole,) = complete([batch])
    loss, metrics = objective.loss(model, model(whole.tokens, whole.segments), whole)
    return loss, {name: float(value) for name, value in metrics.items()}
