"""Who is judged: whatever answers conversations. An engine on this machine is one, a server at a URL (remote.py) another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from firesteel.core.sampler import Completion, Sampler
from firesteel.core.tokenizer import Tokenizer

Conversation = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """One answer: what was thought (None: no thought was shown), what was said, and whether the model ended it itself."""

    reasoning: str | None
    reply: str
    stopped: bool
    tokens: int | None = None  # thought and reply together, where they were counted
    refused: str = ""  # why the server would not answer this question


@dataclass(frozen=True)
class Asking:
    """How answers are drawn."""

    max_new_tokens: int = 256
    temperature: float = 1.0  # 0: always the likeliest token
    seed: int = 0


class Answerer(Protocol):
    """Answers conversations, in their order."""

    def answer(self, conversations: Sequence[Conversation], asking: Asking) -> list[Answer]: ...


class Local:
    """A sampler and its tokenizer as an Answerer."""

    def __init__(self, sampler: Sampler, tokenizer: Tokenizer) -> None:
        self._sampler, self._tokenizer = sampler, tokenizer

    def answer(self, conversations: Sequence[Conversation], asking: Asking) -> list[Answer]:
        """Continue all conversations together; answer i is a function of conversation i, i and the seed."""
        tokenizer = self._tokenizer
        done = self._sampler.sample(
            [tokenizer.prompt(c) for c in conversations], max_new_tokens=asking.max_new_tokens,
            temperature=asking.temperature, seed=asking.seed, stop_ids=tokenizer.stop_ids,
        )  # fmt: skip
        return [self._answer(completion) for completion in done]

    def _answer(self, done: Completion) -> Answer:
        reasoning, reply = self._tokenizer.parse(done.ids)
        return Answer(reasoning, reply, done.finish_reason == "stop", len(done.ids))


def shows_thoughts(tokenizer: Tokenizer) -> bool:
    """Whether a model thinks aloud before every answer: ours do, and those whose prompt opens the thought."""
    return tokenizer.own or tokenizer.manner.opened
