"""What reinforcement learning and evaluation need of an inference engine: continue prompts with the current weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Completion(Protocol):
    """One sampled answer: ids (the stop id included), their log-probabilities in nats, and "stop" or "length"."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def logprobs(self) -> list[float]: ...

    @property
    def finish_reason(self) -> str: ...


class Sampler(Protocol):
    """Whatever continues prompts; the serving engine is one. Answer i is a function of prompt i, i and the seed."""

    def sample(
        self, prompts: list[list[int]], *, max_new_tokens: int, temperature: float, seed: int, stop_ids: tuple[int, ...]
    ) -> Sequence[Completion]: ...
