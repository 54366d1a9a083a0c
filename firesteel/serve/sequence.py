"""A sequence: one prompt, how to continue it, and how far it has come. Plain Python; the scheduler moves it about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length"]
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. The defaults sample from the model's own distribution."""

    max_new_tokens: int
    temperature: float = 1.0  # 0 = always the likeliest token
    top_p: float = 1.0  # sample from the smallest set of tokens that holds this much probability
    seed: int = 0  # with the position it decides the token; neighbours in the batch do not
    stop_ids: tuple[int, ...] = ()
    top_logprobs: int = 0  # likeliest alternatives to report with each token
    presence_penalty: float = 0.0  # taken from the logit of every token that was generated before
    frequency_penalty: float = 0.0  # the same, times how often
    logit_bias: tuple[tuple[int, float], ...] = ()  # (token id, what to add to its logit)

    @property
    def adjusts(self) -> bool:
        """Whether logits must be changed before sampling."""
        return bool(self.presence_penalty or self.frequency_penalty or self.logit_bias)


@dataclass(eq=False, slots=True)
class Sequence:
    """Tokens of one request. `cached` of its tokens are in the cache, in `blocks`; the rest are pending."""

    id: str
    prompt: list[int]
    sampling: Sampling
    ids: list[int] = field(default_factory=list)  # generated, the stop id included
    logprobs: list[float] = field(default_factory=list)  # of `ids`, nats
    top: list[tuple[int, float]] = field(default_factory=list)  # alternatives to the last id, likeliest first
    finish_reason: FinishReason | None = None  # why it is over
    blocks: list[int] = field(default_factory=list)
    cached: int = 0
    row: int = -1  # place in the runner's decode batch; -1 = not in it
    special: bool = False  # whether its logits need a look of their own before sampling

    def __post_init__(self) -> None:
        self.special = self.sampling.adjusts or bool(self.sampling.top_logprobs)

    @property
    def pending(self) -> int:
        """Tokens known but not yet in the cache; exactly 1 = ready to decode."""
        return len(self.prompt) + len(self.ids) - self.cached

    @property
    def most_cached(self) -> int:
        """Tokens that will be in the cache at the very end; the last generated one never enters it."""
        return len(self.prompt) + self.sampling.max_new_tokens - 1

    def append(self, token: int, logprob: float) -> None:
        """Take the next generated token, and see whether it was the last."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        if token in self.sampling.stop_ids:
            self.finish_reason = "stop"
        elif len(self.ids) >= self.sampling.max_new_tokens:
            self.finish_reason = "length"

    def tokens(self, start: int, count: int) -> list[int]:
        """`count` tokens from position `start`, prompt and generated ones alike."""
        n = len(self.prompt)
        if start + count <= n:
            return self.prompt[start : start + count]
        return (self.prompt + self.ids)[start : start + count]


@dataclass(frozen=True)
class Completion:
    """What a sequence became: generated ids (the stop id included), their logprobs in nats, and why it ended."""

    ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True)
class Event:
    """One new token of one sequence; `finish_reason` is set with the last."""

    sequence: str
    token: int
    logprob: float
    top: list[tuple[int, float]]
    finish_reason: FinishReason | None


def split_seed(seed: int, index: int) -> int:
    """A seed for the index-th sibling of a request (choice, prompt); index 0 keeps the seed. SplitMix64's increment."""
    return (seed + index * 0x9E3779B97F4A7C15) & _MASK
