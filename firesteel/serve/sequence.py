"""A sequence: one prompt, how to continue it, and how far it has come. Plain Python; the scheduler moves it about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

FinishReason = Literal["stop", "length"]
Alternatives = list[tuple[int, float]]  # (token id, logprob in nats), likeliest first
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. The defaults sample from the model's own distribution.

    Logits go through these in order: repetition, presence and frequency penalties, logit_bias, the guide, min_tokens,
    temperature; what is then left of the distribution is cut by top_k, top_p and min_p together (each judged on the uncut
    distribution).
    Logprobs are those after the temperature and before the cuts.
    """

    max_new_tokens: int  # 0: only read the prompt, for its logprobs or its embedding
    temperature: float = 1.0  # 0 = always the likeliest token
    top_p: float = 1.0  # sample from the smallest set of tokens that holds this much probability
    seed: int = 0  # with the position it decides the token; neighbours in the batch do not
    stop_ids: tuple[int, ...] = ()
    min_tokens: int = 0  # so many come before the first stop id, unless the guide has ended the answer
    top_k: int = 0  # sample from this many likeliest tokens; 0 = all
    min_p: float = 0.0  # sample from tokens at least this likely, as a share of the likeliest one's probability
    top_logprobs: int = 0  # likeliest alternatives to report with each token
    prompt_logprobs: int | None = None  # report the prompt's logprobs too, with so many alternatives each
    presence_penalty: float = 0.0  # taken from the logit of every token that was generated before
    frequency_penalty: float = 0.0  # the same, times how often
    repetition_penalty: float = 1.0  # logits of tokens in prompt or answer: divided by it if positive, else multiplied
    logit_bias: tuple[tuple[int, float], ...] = ()  # (token id, what to add to its logit)

    @property
    def adjusts(self) -> bool:
        """Whether logits must be changed before sampling."""
        penalised = self.presence_penalty or self.frequency_penalty or self.repetition_penalty != 1
        return bool(penalised or self.logit_bias)


class Guide(Protocol):
    """Says what a sequence may say next; one guide belongs to one sequence (guides/ has those of grammars)."""

    def allowed(self) -> npt.NDArray[np.bool_] | None:
        """Which tokens may come next, [V] or shorter (the rest may not); None: any. At least one may."""
        ...

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        ...


@dataclass(eq=False, slots=True)
class Sequence:
    """Tokens of one request. `cached` of its tokens are in the cache, in `blocks`; the rest are pending."""

    id: str
    prompt: list[int]
    sampling: Sampling
    guide: Guide | None = None
    adapter: str = ""  # name of the LoRA adapter that it is computed with; none: the model as it is
    salt: bytes = b""  # only sequences of the same salt share cached prefixes
    pooled: bool = False  # its embedding is wanted
    ids: list[int] = field(default_factory=list)  # generated, the stop id included
    logprobs: list[float] = field(default_factory=list)  # of `ids`, nats
    tops: list[Alternatives] = field(default_factory=list)  # of `ids`, where top_logprobs asks for them
    prompt_logprobs: list[tuple[float, Alternatives]] = field(default_factory=list)  # of prompt[1:], where asked for
    prompt_ranks: list[int] = field(default_factory=list)  # of the same tokens: how many are likelier, plus one
    embedding: list[float] = field(default_factory=list)  # [D], where `pooled`: mean of the final states, length 1
    routing: npt.NDArray[np.int16] | None = None  # experts of all tokens but the last, where they are recorded
    finish_reason: FinishReason | None = None  # why it is over
    blocks: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)  # of its full blocks so far (blocks.py)
    cached: int = 0
    prefix_hits: int = 0  # prompt tokens that were found in the cache when it was first admitted
    row: int = -1  # place in the runner's decode batch; -1 = not in it
    special: bool = False  # whether its logits need a look of their own before sampling

    def __post_init__(self) -> None:
        s = self.sampling
        held = bool(s.min_tokens and s.stop_ids)
        self.special = s.adjusts or bool(s.top_logprobs) or held or self.guide is not None

    @property
    def whole(self) -> bool:
        """Whether every position of its prompt must be computed, so that no cached prefix serves."""
        return self.pooled or self.sampling.prompt_logprobs is not None

    @property
    def pending(self) -> int:
        """Tokens known but not yet in the cache; exactly 1 = ready to decode."""
        return len(self.prompt) + len(self.ids) - self.cached

    @property
    def most_cached(self) -> int:
        """Tokens that will be in the cache at the very end; the last generated one never enters it."""
        return len(self.prompt) + max(self.sampling.max_new_tokens - 1, 0)

    def append(self, token: int, logprob: float, top: Alternatives | None = None) -> None:
        """Take the next generated token, and see whether it was the last."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        if top is not None:
            self.tops.append(top)
        if self.guide is not None:
            self.guide.push(token)
        if token in self.sampling.stop_ids:
            self.finish_reason = "stop"
        elif len(self.ids) >= self.sampling.max_new_tokens:
            self.finish_reason = "length"

    def tokens(self, start: int, count: int) -> list[int]:
        """`count` tokens from position `start`, prompt and generated ones alike."""
        n = len(self.prompt)
        if start + count <= n:
            return self.prompt[start : start + count]
        if start >= n:
            return self.ids[start - n : start - n + count]
        return (self.prompt[start:] + self.ids)[:count]


@dataclass(frozen=True)
class Completion:
    """What a sequence became: generated ids (the stop id included), their logprobs in nats, and why it ended.

    `routing`: chosen experts [prompt + ids - 1, layers with experts, experts a token], where they were asked for.
    """

    ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason
    routing: npt.NDArray[np.int16] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One new token of one sequence; `finish_reason` is set with the last. A sequence of no new tokens ends with token -1."""

    sequence: str
    token: int
    logprob: float
    top: Alternatives
    finish_reason: FinishReason | None


def split_seed(seed: int, index: int) -> int:
    """A seed for the index-th sibling of a request (choice, prompt); index 0 keeps the seed. SplitMix64's increment."""
    return (seed + index * 0x9E3779B97F4A7C15) & _MASK
