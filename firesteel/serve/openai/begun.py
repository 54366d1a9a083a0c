"""A chat request on its way: what is being computed, and what its answer will need to know."""

from __future__ import annotations

from dataclasses import dataclass

from firesteel.serve.openai.generation import Generation, Refusal
from firesteel.serve.sequence import Sequence


@dataclass(frozen=True)
class Begun:
    """A request that is being computed. `sequences` is empty where the guard refused it; `generation.close()` ends it."""

    generation: Generation | Refusal
    prompt_tokens: int
    sequences: list[Sequence]

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that were found in the prefix cache; complete once the first token is there."""
        return min((sequence.prefix_hits for sequence in self.sequences), default=0)
