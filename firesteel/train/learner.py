"""Forward and backward of an update, in one piece; train/parallel/pipeline.py does the same through a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from firesteel.compute.mesh import Mesh
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch
from firesteel.train.objective import Metrics, Objective
from firesteel.train.parallel.context import own_targets
from firesteel.train.parallel.idle import idle, stand_in


class Learner(Protocol):
    """What the loop trains: the parts of a model that this process holds, and the way through them and back."""

    @property
    def parts(self) -> Sequence[Transformer]:
        """The parts, whose names are those of the whole model."""
        ...

    def learn(self, batches: Sequence[Batch], objective: Objective) -> Metrics:
        """Add the gradients of an update to the weights; returns this process's shares of the metrics."""
        ...


class Whole(nn.Module):
    """A model that each process has whole, or in shards that come together where they are needed."""

    def __init__(
        self, model: Transformer, mesh: Mesh | None = None, *, micro_batch: int = 0, balance: float = 0.0
    ) -> None:
        super().__init__()
        self.model, self.mesh, self.micro_batch, self.balance = model, mesh or Mesh(), micro_batch, balance

    @property
    def parts(self) -> Sequence[Transformer]:
        """The one model."""
        return (self.model,)

    def forward(self, objective: Objective, batch: Batch) -> tuple[Tensor, Metrics]:
        """The loss of a micro-batch; through here, so that sharded weights are together for the heads, too."""
        batch = own_targets(batch, self.mesh)
        return objective.loss(self.model, self.model(batch.tokens, batch.segments, batch.routing), batch)

    def learn(self, batches: Sequence[Batch], objective: Objective) -> Metrics:
        """Forward and backward of every micro-batch (see Learner)."""
        shares: Metrics = {}
        for batch in batches:
            weigh_balance(self.parts, self.balance, batch)
            for part in batch.split(self._pieces(batch)):
                found: Metrics = self._learn(part.to(self.model.device), batch.objective or objective)
                for name, value in found.items():
                    shares[batch.name + name] = shares.get(batch.name + name, 0) + value
        return shares

    def _learn(self, part: Batch, objective: Objective) -> Metrics:
        if len(part):
            loss, metrics = self(objective, part)
            (loss * part.weight if part.weight != 1 else loss).backward()
            return dict(metrics)
        with idle(self.model):  # others share these experts or weights, and wait for this process
            loss, metrics = self(objective, stand_in(part))
            (loss * 0).backward()
        return {name: value * 0 for name, value in metrics.items()}

    def _pieces(self, batch: Batch) -> int:
        """Micro-batches, as many in every process."""
        counts: list[int] = self.mesh.everyone(batch.pieces(self.micro_batch))
        return max(counts)


def weigh_balance(parts: Sequence[Transformer], alpha: float, batch: Batch) -> None:
    """Give the balance loss of the layers its weight for a batch: alpha, as a mean over the rows of all processes."""
    for moe in (layer for part in parts for layer in part.moe_layers()):
        moe.balance_weight = alpha * batch.weight / max(batch.total_rows, 1)
