"""Perplexity on held-out tokens."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from firesteel.core.errors import SourceError
from firesteel.core.shards import TokenShards
from firesteel.model.transformer import Transformer


@torch.no_grad()
def perplexity(
    model: Transformer, shards: TokenShards, *, tokens: int, length: int = 256, rows: int = 8
) -> dict[str, float]:
    """exp of the mean negative log-likelihood over up to `tokens` held-out tokens, in windows of `length`.

    The first token of a window is context only. Returns {"value", "nats", "n"}; n counts judged tokens.
    """
    length = min(length, len(shards), model.config.max_position_embeddings)
    windows = min(len(shards), tokens) // length if length > 1 else 0
    if windows < 1:
        raise SourceError("too little held-out text to judge", value=f"{len(shards)} tokens", hint="raise data.heldout")
    total, count = 0.0, 0
    for first in range(0, windows, rows):
        batch = [torch.from_numpy(shards.slice(w * length, length)) for w in range(first, min(first + rows, windows))]
        x = torch.stack(batch).to(model.device)
        logits = model.logits(model(x)[:, :-1])
        total += F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten(), reduction="sum").item()
        count += x[:, 1:].numel()
    return {"value": math.exp(total / count), "nats": total / count, "n": count}
