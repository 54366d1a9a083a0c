"""Going through a model with nothing to learn, because the processes that share its experts or weights must meet equally often.

B rows, T tokens
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import Tensor

from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch


def stand_in(batch: Batch) -> Batch:
    """One group of rows of zeros in place of a batch without rows; its loss must be multiplied by 0.

    All its tokens are learnt, since a mean over no tokens is no number, and 0 times that is none either.
    """
    assert len(batch) == 0

    def zeros(t: Tensor) -> Tensor:
        return t.new_zeros(batch.group, *t.shape[1:])

    return replace(
        batch, tokens=zeros(batch.tokens), learn=~zeros(batch.learn),
        segments=None if batch.segments is None else zeros(batch.segments),
        extra={name: zeros(t) for name, t in batch.extra.items()},
        lengths=None if batch.lengths is None else zeros(batch.lengths) + batch.tokens.shape[1],
    )  # fmt: skip


@contextmanager
def idle(model: Transformer) -> Iterator[None]:
    """Forward passes in here leave no trace in the experts' loads, and have no balance loss."""
    layers = model.moe_layers()
    before = [(layer, layer.balance_weight, layer.load.clone()) for layer in layers]
    for layer in layers:
        layer.balance_weight = 0.0
    try:
        yield
    finally:
        for layer, weight, load in before:
            layer.balance_weight = weight
            layer.load.copy_(load)
