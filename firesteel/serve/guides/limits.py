"""Guides around guides: how long a model may think before it answers, tokens it must not say, and a choice of grammars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firesteel.serve.guides.tags import TextTags, Thought, ThoughtInText, ThoughtInTokens
from firesteel.serve.sequence import Guide

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """What holds for a reply. `budget`: tokens of its thought, 0 = none at all, None = any number.

    A budget needs a model whose <think> and </think> are tokens, or text that `tags` knows how to say.
    """

    vocab_size: int
    think_id: int | None
    end_think_id: int | None
    opened: bool  # the prompt ends inside a thought
    budget: int | None = None
    forbidden: tuple[int, ...] = ()  # tokens that are never said
    tags: TextTags | None = None

    def thought(self) -> Thought:
        """Of one reply, before its first token."""
        if self.tags is not None:
            return ThoughtInText(self.tags, opened=self.opened)
        assert self.budget is None or (self.think_id is not None and self.end_think_id is not None)
        return ThoughtInTokens(self.think_id, self.end_think_id, opened=self.opened)


class LimitedGuide:
    """Ends a thought when its budget is spent. `inner`, if there is one, sees every token and has a say in each."""

    def __init__(self, limits: Limits, inner: Guide | None = None) -> None:
        self._limits, self._inner = limits, inner
        self._thought, self._used = limits.thought(), 0

    def allowed(self) -> Mask | None:
        """Which tokens may come next, [V]; None: any."""
        limits = self._limits
        if self._thought.thinking and limits.budget is not None and self._used >= limits.budget:
            return self._mask(only=self._thought.closing)
        inner = self._inner.allowed() if self._inner is not None else None
        never = limits.forbidden
        if limits.budget == 0 and limits.think_id is not None and limits.tags is None:
            never = (*never, limits.think_id)
        if not never:
            return inner
        out = self._mask() if inner is None else inner.copy()
        out[[id for id in never if id < len(out)]] = False
        return out

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        self._used += self._thought.thinking
        self._thought.push(token)
        if self._inner is not None:
            self._inner.push(token)

    def _mask(self, only: int | None = None) -> Mask:
        out = np.full(self._limits.vocab_size, only is None, dtype=np.bool_)
        if only is not None:
            out[only] = True
        return out


class EitherGuide:
    """Lets a reply follow any of several guides; one whose token was not chosen has no further say."""

    def __init__(self, guides: Sequence[Guide]) -> None:
        self._guides = list(guides)

    def allowed(self) -> Mask | None:
        """Which tokens may come next, [V]; None: any."""
        out: Mask | None = None
        for guide in self._guides:
            mask = guide.allowed()
            if mask is None:
                return None
            out = mask if out is None else out | mask
        return out

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        masks = [guide.allowed() for guide in self._guides]
        fit = [g for g, mask in zip(self._guides, masks, strict=True) if mask is None or mask[token : token + 1].any()]
        self._guides = fit or self._guides[:1]
        for guide in self._guides:
            guide.push(token)
