"""Losses on selected positions; the vocabulary projection runs only where something is learnt.

B batch, T tokens, D hidden, V vocabulary, P selected positions
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.model.transformer import Transformer


def next_token_loss(
    model: Transformer, tokens: Tensor, learn: Tensor, mtp_weight: float, aux_weight: float,
    segments: Tensor | None = None,
) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    """Cross-entropy of the next token, plus lambda times that of the one after (V3 report eq. 24-25), plus the balance loss.

    tokens [B, T]; learn [B, T] bool: token t counts as a target where true; segments [B, T]: what of a row belongs together
    (Transformer.forward): no token is predicted from another segment. Returns the scalar and its parts in nats.
    """
    hidden = model(tokens, segments)
    where = _targets(learn, segments, 1)
    loss = F.cross_entropy(model.logits(hidden[:, :-1][where]), tokens[:, 1:][where])
    parts = {"loss": loss.item()}
    if mtp_weight and model.mtp:
        losses = []
        for k, states in enumerate(model.predict_further(hidden, tokens, segments), start=1):  # state i predicts i+k+1
            where = _targets(learn, segments, k + 1)
            losses.append(F.cross_entropy(model.logits(states[:, :-1][where]), tokens[:, k + 1 :][where]))
        mtp = torch.stack(losses).mean()
        parts["mtp_loss"] = mtp.item()
        loss = loss + mtp_weight * mtp
    return loss + balance_penalty(model, aux_weight), parts


def _targets(learn: Tensor, segments: Tensor | None, ahead: int) -> Tensor:
    """Which tokens are targets of the state `ahead` places before them, [B, T-ahead]: both lie in one segment."""
    where = learn[:, ahead:]
    return where if segments is None else where & (segments[:, ahead:] == segments[:, :-ahead])


def balance_penalty(model: Transformer, weight: float) -> Tensor | float:
    """alpha times the sum of the layers' sequence-wise balance losses (V3 report eq. 17), of the last forward."""
    losses = [m.balance_loss for m in model.moe_layers() if m.balance_loss is not None]
    for m in model.moe_layers():
        m.balance_loss = None  # a layer that the next forward skips must not count twice
    return weight * torch.stack(losses).sum() if weight and losses else 0.0


def token_logprobs(model: Transformer, tokens: Tensor, spoken: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies [P] of the tokens where `spoken` [B, T] is true, in row order, at a temperature."""
    hidden = model(tokens)[:, :-1][spoken[:, 1:]]
    logp = F.log_softmax(model.logits(hidden) / temperature, dim=-1)  # [P, V]
    chosen = logp.gather(1, tokens[:, 1:][spoken[:, 1:]][:, None])[:, 0]
    entropy = -(logp.detach().exp() * logp.detach()).sum(dim=-1)
    return chosen, entropy
