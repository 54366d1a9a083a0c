"""What a stage teaches: the rows of each step, and their loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from torch import Tensor

from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share

Metrics = dict[str, Tensor]  # shares of metrics: summed over micro-batches and processes they are the metric


class Objective(ABC):
    """Rows and loss, functions of the weights, the seed and the step alone: nothing random is kept between steps."""

    @abstractmethod
    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """This process's share of step number `step`, counted from 0. Each list is one update of the weights."""

    @abstractmethod
    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """The batch's share of the loss, and of its metrics. hidden [B, T, D] are the final states of batch.tokens.

        `head` is the model's last part: logits() and predict_further(). Sums are divided by batch.totals.
        """

    def check(self, metrics: Mapping[str, float]) -> None:  # noqa: B027
        """Look at an update's metrics before the weights change; raises FiresteelError to end the run."""
