"""The clipped policy gradient, token by token, and what its mean is taken over.

P learnt tokens of B answers, in row order
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from firesteel.core.config import GrpoSettings
from firesteel.train.logprobs import row_sums


@dataclass(frozen=True)
class Tokens:
    """The learnt tokens of some whole answers; log-probabilities in nats."""

    logp: Tensor  # [P] under the policy that is learning; the gradient goes through here
    sampler: Tensor  # [P] under the policy that drew them, as the inference engine said
    advantage: Tensor  # [P]
    row: Tensor  # [P] which answer: 0 to B-1
    length: Tensor  # [B] learnt tokens of each answer
    before: Tensor | None = None  # [P] as `logp`, before the step's first update
    reference: Tensor | None = None  # [P] under the reference model

    @property
    def old(self) -> Tensor:
        """[P] under the policy that ratios are taken against."""
        return self.sampler if self.before is None else self.before

    def mean(self, values: Tensor) -> Tensor:
        """Values [P] -> the mean of each token's answer, [P]."""
        means = row_sums(values, self.row, len(self.length)) / self.length.clamp(min=1)
        return means[self.row]


@dataclass(frozen=True)
class Parts:
    """The policy's term of each token, and what there is to say of it; all [P]."""

    loss: Tensor
    ratio: Tensor
    low: Tensor  # bool: clipped below
    high: Tensor  # bool: clipped above
    off_policy: Tensor  # bool: left out
    importance: Tensor | None  # weights


def policy_loss(tokens: Tokens, s: GrpoSettings) -> Parts:
    """-w min(r A, clip(r) A) of each token (DeepSeekMath eq. 3; DAPO eq. 8), 0 where it is left out as off-policy."""
    ratio = RATIO[s.ratio](tokens)
    bounded = ratio.clamp(1 - s.clip_low, 1 + s.clip_high)
    gain, limit = ratio * tokens.advantage, bounded * tokens.advantage
    loss, cut = -torch.minimum(gain, limit), gain.detach() > limit.detach()
    left_out = off_policy(tokens, s.off_policy_delta)
    weight = importance(tokens, s.importance_cap) if s.importance_cap else None
    loss = (loss if weight is None else loss * weight).masked_fill(left_out, 0.0)
    below = ratio.detach() < 1
    return Parts(loss, ratio.detach(), cut & below, cut & ~below, left_out, weight)


def token_ratio(tokens: Tokens) -> Tensor:
    """pi / pi_old of each token, [P] (DeepSeekMath eq. 3)."""
    return (tokens.logp - tokens.old).exp()


def answer_ratio(tokens: Tokens) -> Tensor:
    """(pi(y) / pi_old(y))^(1/|y|) of each token's answer, [P] (GSPO eq. 7); each token has its own share of the gradient.

    With one advantage an answer and a mean over answers that is GSPO (eq. 5); with more it is GSPO-token (eq. 13-14).
    """
    whole = tokens.mean((tokens.logp - tokens.old).detach())
    return (whole + tokens.logp - tokens.logp.detach()).exp()


RATIO: dict[str, Callable[[Tokens], Tensor]] = {"token": token_ratio, "answer": answer_ratio}


@torch.no_grad()
def off_policy(tokens: Tokens, delta: float) -> Tensor:
    """[P] bool: tokens with A < 0 whose answer has mean log(pi_sampler / pi) > delta; none if delta is 0.

    DeepSeek-V3.2 §3.1, "Off-Policy Sequence Masking": from its own mistakes a model learns, from strange ones it comes apart.
    """
    if not delta:
        return torch.zeros_like(tokens.row, dtype=torch.bool)
    return (tokens.advantage < 0) & (tokens.mean(tokens.sampler - tokens.logp) > delta)


@torch.no_grad()
def importance(tokens: Tokens, cap: float) -> Tensor:
    """min(pi_before / pi_sampler, cap) of each token, [P]: truncated importance sampling (Yao et al. 2025).

    It corrects for what the sampler computes otherwise than the trainer; the clipped ratio is then the trainer's own.
    """
    return (tokens.old - tokens.sampler).exp().clamp(max=cap)


def shares(tokens: Tokens, s: GrpoSettings, *, total: float, answers: float) -> Tensor:
    """What each token's loss is multiplied by before the sum, [P]; `total` tokens and `answers` of the whole update.

    token      1 / all tokens: long answers weigh more (DAPO eq. 8)
    answer     1 / |o| / answers: each answer weighs the same (DeepSeekMath eq. 3)
    constant   1 / max_new_tokens / answers: each token weighs the same in every update (Dr. GRPO §3)
    """
    if s.loss_mean == "answer":
        return 1 / (tokens.length.to(tokens.logp.dtype)[tokens.row] * answers)
    each = total if s.loss_mean == "token" else answers * s.max_new_tokens
    return torch.full_like(tokens.logp.detach(), 1 / each)
