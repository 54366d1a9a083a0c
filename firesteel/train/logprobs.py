"""What a model says of given tokens: log-probabilities from hidden states, with bounded memory for a large vocabulary.

B rows, T tokens, D hidden, V vocabulary, P learnt positions, in row order
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from firesteel.model.transformer import Transformer
from firesteel.train.losses import targets

LOGITS = 1 << 25  # numbers of a table [positions, V] that are in memory at a time: 128 MiB of float32


def row_logprobs(
    head: Transformer, hidden: Tensor, tokens: Tensor, learn: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities [P] of the tokens where `learn` [B, T] is true, in nats, entropies [P] there, and their rows [P].

    hidden [B, T, D] are the final states of tokens [B, T]; both are of the distribution softmax(logits / temperature). The
    first token of a row has no state before it and is left out. Gradients flow through the log-probabilities alone.
    """
    where = targets(learn, None, 1)

    def look(states: Tensor, following: Tensor) -> tuple[Tensor, ...]:
        logp = F.log_softmax(head.logits(states) / temperature, dim=-1)  # [p, V]
        entropy = -(logp.detach().exp() * logp.detach()).sum(dim=-1)
        return logp.gather(1, following[:, None])[:, 0], entropy

    chosen, entropy = in_chunks(look, head.config.vocab_size, hidden[:, :-1][where], tokens[:, 1:][where])
    return chosen, entropy, where.nonzero()[:, 0]


def row_sums(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Values [P] summed by their rows [P], [count]."""
    return values.new_zeros(count).index_add(0, rows, values)


def in_chunks(function: Callable[..., tuple[Tensor, ...]], vocabulary: int, *inputs: Tensor) -> tuple[Tensor, ...]:
    """function(*inputs) over pieces of the inputs' first axis, LOGITS / `vocabulary` positions long, joined again.

    Where there are several pieces, each is computed once more on the way back instead of being kept. The function is one of
    each position alone and draws nothing at random.
    """
    size, count = max(1, LOGITS // vocabulary), len(inputs[0])
    if count <= size:
        return function(*inputs)
    parts = [
        checkpoint(function, *(x[a : a + size] for x in inputs), use_reentrant=False, preserve_rng_state=False)
        for a in range(0, count, size)
    ]
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))
