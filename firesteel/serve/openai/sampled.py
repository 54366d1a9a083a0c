"""How an answer is sampled, from the fields that chat and completions have in common."""

from __future__ import annotations

from typing import Any

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.completions_protocol import CompletionRequest
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.inputs import check_ids
from firesteel.serve.openai.protocol import ChatRequest


def common(r: ChatRequest | CompletionRequest, tokenizer: Tokenizer) -> dict[str, Any]:
    """Arguments of Sampling that a request `r` decides alone. Raises ApiError for what is no token."""
    return dict(
        temperature=1.0 if r.temperature is None else r.temperature,
        top_p=1.0 if r.top_p is None else max(r.top_p, 1e-6),
        top_k=min(max(r.top_k or 0, 0), tokenizer.vocab_size), min_p=r.min_p or 0.0,
        presence_penalty=r.presence_penalty or 0.0, frequency_penalty=r.frequency_penalty or 0.0,
        repetition_penalty=r.repetition_penalty or 1.0, logit_bias=_bias(r, tokenizer),
        stop_ids=_stop_ids(r, tokenizer), min_tokens=r.min_tokens or 0,
    )  # fmt: skip


def _stop_ids(request: ChatRequest | CompletionRequest, tokenizer: Tokenizer) -> tuple[int, ...]:
    own = request.stop_token_ids or []
    check_ids(own, tokenizer, "stop_token_ids")
    return tuple(dict.fromkeys([*(() if request.ignore_eos else tokenizer.halt_ids), *own]))


def check_least(r: ChatRequest | CompletionRequest, most: int) -> None:
    """Raise ApiError 400 if an answer of at most so many tokens cannot have min_tokens."""
    if (r.min_tokens or 0) > most:
        message = f"min_tokens is too large: {r.min_tokens}. This answer can have at most {most} tokens."
        raise ApiError(400, message, param="min_tokens", code="invalid_value")


def _bias(request: ChatRequest | CompletionRequest, tokenizer: Tokenizer) -> tuple[tuple[int, float], ...]:
    pairs = []
    for key, bias in (request.logit_bias or {}).items():
        if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < tokenizer.vocab_size):
            message = f"Invalid 'logit_bias': '{key}' is not a token id (0 to {tokenizer.vocab_size - 1})."
            raise ApiError(400, message, param="logit_bias", code="invalid_value")
        pairs.append((int(key), bias))
    return tuple(pairs)
