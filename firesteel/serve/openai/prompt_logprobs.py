"""What a model thought of each token of its prompt, in vLLM's words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.continuation import LEAST
from firesteel.serve.sequence import Sequence

PromptLogprobs = Annotated[
    int | None,
    Field(ge=0, le=20, description="logprobs of the prompt's tokens, with so many likeliest others each; no streams"),
]


def prompt_logprobs(tokenizer: Tokenizer, sequence: Sequence, count: int) -> list[dict[str, Any] | None]:
    """An entry a token of the prompt, null for the first: token id -> {logprob, rank, decoded_token}, the token itself first.

    `count`: how many of the likeliest tokens stand there, the token itself among them or beside them.
    """
    told: list[dict[str, Any] | None] = [None]
    known = zip(sequence.prompt[1:], sequence.prompt_logprobs, sequence.prompt_ranks, strict=True)
    for id, (logprob, top), rank in known:
        likely = [(other, value, place) for place, (other, value) in enumerate(top[:count], 1) if other != id]
        told.append({
            str(token): {"logprob": max(value, LEAST), "rank": place, "decoded_token": _decoded(tokenizer, token)}
            for token, value, place in [(id, logprob, rank), *likely]
        })  # fmt: skip
    return told


def _decoded(tokenizer: Tokenizer, id: int) -> str:
    """A token's text, half a character as U+FFFD; the name of a special token."""
    raw = tokenizer.pieces.of(id)
    return raw.decode("utf-8", "replace") if raw else tokenizer.backend.id_to_token(id) or ""
