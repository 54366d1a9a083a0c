"""What a policy says of a step's answers before it learns from them: log-probabilities, without gradients.

B rows, T tokens, P learnt tokens
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch
from firesteel.train.logprobs import row_logprobs


class _Said(nn.Module):
    """Log-probabilities [P] of a batch's learnt tokens; a module, so that it can be called with other weights."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, temperature: float) -> Tensor:
        states = self.model(batch.tokens, batch.segments, batch.routing)
        return row_logprobs(self.model, states, batch.tokens, batch.learn, temperature)[0]


@torch.no_grad()
def scored(
    model: Transformer, batch: Batch, *, temperature: float, rows: int, weights: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Log-probabilities [B, T] of the learnt tokens, in nats, 0 elsewhere; at most `rows` rows at a time (0: all).

    `weights`: to be used in place of the model's own of these names. Micro-batches are those of learning, so that a policy
    that has not moved gives the same bits.
    """
    said, own = _Said(model), {f"model.{name}": tensor for name, tensor in (weights or {}).items()}
    found = [torch.zeros(0)]
    for part in batch.split(batch.pieces(rows)):
        if len(part):
            found.append(functional_call(said, own, (part.to(model.device), temperature)).cpu())
    return torch.zeros(batch.tokens.shape).masked_scatter_(batch.learn, torch.cat(found))
