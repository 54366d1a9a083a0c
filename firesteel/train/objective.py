"""What a stage teaches: the rows of each step, and their loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share

Metrics = dict[str, Tensor]  # shares of metrics: summed over micro-batches and processes they are the metric


class Objective(ABC):
    """Rows and loss, functions of the weights, the seed, the step, and of what it says that it keeps between steps."""

    falls = True  # whether its loss is one that learning lowers, so that a spike in it means something

    def begin(self, parts: Sequence[Transformer]) -> None:  # noqa: B027
        """Look at the model's parts before the first step; their weights are still those that the stage starts from."""

    def tensors(self) -> Mapping[str, Tensor]:
        """What it keeps between steps, after `begin`; the tensors themselves: a checkpoint is read into them."""
        return {}

    def state(self) -> dict[str, Any]:
        """The same, for what is no tensor: plain JSON."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Go on from a checkpoint's `state`; its tensors are read already."""

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

    def summary(self, updates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The metrics of a step from those of its updates, in order: of each metric, the first update's."""
        return {name: value for found in reversed(updates) for name, value in found.items()}
