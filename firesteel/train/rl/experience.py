"""From judged groups to rows that can be learnt: advantages, what was said, and how the experts were chosen.

B answers, T tokens, P prompt tokens, L layers with experts, K experts a token
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from firesteel.core.config import GrpoSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.tokenizer import Rendered
from firesteel.train.batch import EXPERTS, REAL, Batch
from firesteel.train.rl.credit import credit
from firesteel.train.rl.sampled import Group, Sampled
from firesteel.train.sft import pad

SAMPLER, ADVANTAGE = "sampler", "advantage"  # Batch.extra: the sampler's log-probabilities, advantages, [B, T] each


@dataclass(frozen=True)
class Experience:
    """The judged part of an answer, ready to learn from."""

    row: Rendered  # prompt and answer; the mask is true on the model's own words
    sampler: list[float]  # log-probabilities of these under the policy that sampled them, nats
    advantages: list[float]  # as many
    experts: Tensor | None = None  # [row - 1, L, K] as they were chosen; nothing is learnt at the last token


def experiences(group: Group, settings: GrpoSettings) -> list[Experience]:
    """What there is to learn from a group. One that agrees teaches nothing, but a KL penalty still holds its answers."""
    advantages = credit(group, settings)
    if not (any(map(any, advantages)) or settings.kl_weight):
        return []
    pairs = zip(group, advantages, strict=True)
    found = [_experience(answer, own, settings) for answer, own in pairs if not left_out(answer, settings)]
    return [e for e in found if e.sampler]


def left_out(answer: Sampled, settings: GrpoSettings) -> bool:
    """Whether it was cut at the bound and is therefore not learnt from; it still counts in its group's mean (DAPO §3.4)."""
    return settings.overlong == "mask" and not answer.stopped


def _experience(answer: Sampled, advantages: Sequence[float], settings: GrpoSettings) -> Experience:
    """`advantages`: one a token, up to where the verdict ends."""
    prompt, n = answer.question.prompt, len(advantages)
    said = answer.said[:n] or [True] * n
    row = Rendered(prompt + answer.ids[:n], [False] * len(prompt) + said)
    sampler = [x for x, own in zip(answer.logprobs, said, strict=False) if own]
    own = [x for x, own in zip(advantages, said, strict=True) if own]
    experts = None
    if settings.routing_replay and answer.routing is not None:
        experts = answer.routing[: len(row.ids) - 1]
    return Experience(row, sampler, own, experts)


def batch_of(rows: Sequence[Experience], pad_id: int, facts: dict[str, float]) -> Batch:
    """Rows padded on the right. counts: learnt tokens, answers. Raises FiresteelError if only some have a routing."""
    tokens, learn = pad([e.row for e in rows], pad_id)
    lengths = torch.tensor([len(e.row.ids) for e in rows], dtype=torch.long)
    extra = {
        SAMPLER: _spread(learn, [x for e in rows for x in e.sampler]),
        ADVANTAGE: _spread(learn, [x for e in rows for x in e.advantages]),
        REAL: torch.arange(tokens.shape[1]) < lengths[:, None],
    }
    if any(e.experts is not None for e in rows):
        extra[EXPERTS] = _experts(tokens.shape, [e.experts for e in rows])
    counts = torch.tensor([float(learn.sum()), len(rows)], dtype=torch.float64)
    return Batch(tokens, learn, counts, extra=extra, lengths=lengths, facts=facts)


def _spread(learn: Tensor, values: list[float]) -> Tensor:
    return torch.zeros(learn.shape).masked_scatter_(learn, torch.tensor(values))


def _experts(shape: torch.Size, each: Sequence[Tensor | None]) -> Tensor:
    """[B, T, L, K] int16; -1 where nothing was recorded."""
    known = [e for e in each if e is not None]
    if len(known) < len(each):
        raise FiresteelError("some answers have no routing to replay", value=f"{len(each) - len(known)} of {len(each)}")
    out = torch.full((*shape, *known[0].shape[1:]), -1, dtype=torch.int16)
    for row, experts in zip(out, known, strict=True):
        row[: len(experts)] = experts
    return out
