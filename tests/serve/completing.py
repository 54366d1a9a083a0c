"""Ways to ask for text completions, and what the taught model must answer."""

from __future__ import annotations

from typing import Any

import httpx

from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.plain import plain_sample
from firesteel.serve.sequence import Sampling
from tests.serve.api import LESSONS, NAME, client, events, http

WARM: dict[str, Any] = {"temperature": 2.0, "seed": 7, "max_tokens": 12}


def complete(url: str, prompt: Any = "count", **options: Any) -> Any:
    """Through the official client, which checks every field's type."""
    options = {"model": NAME, "temperature": 0, **options}
    extra = {k: options.pop(k) for k in ("top_k", "min_p", "repetition_penalty") if k in options}
    return client(url).completions.create(prompt=prompt, extra_body=extra, **options)


def post(url: str, prompt: Any = "count", **options: Any) -> httpx.Response:
    return http().post(f"{url}/completions", json={"model": NAME, "prompt": prompt, "temperature": 0, **options})


def choices(url: str, prompt: Any = "count", **options: Any) -> list[dict[str, Any]]:
    response = post(url, prompt, **options)
    assert response.status_code == 200, response.text
    return list(response.json()["choices"])


def streamed(url: str, prompt: Any = "count", **options: Any) -> tuple[dict[int, list[dict[str, Any]]], list[Any]]:
    """Choices in pieces by index, and all chunks."""
    chunks = events(post(url, prompt, stream=True, **options))
    pieces: dict[int, list[dict[str, Any]]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            pieces.setdefault(choice["index"], []).append(choice)
    return pieces, chunks


def greedy(model: Transformer, tokenizer: Tokenizer, prompt: list[int], tokens: int = 16) -> list[int]:
    return plain_sample(model, prompt, Sampling(tokens, temperature=0, stop_ids=tokenizer.halt_ids)).ids


def lesson(tokenizer: Tokenizer, i: int) -> list[int]:
    """A prompt whose continuation the model knows by heart, as ids with special tokens."""
    return tokenizer.prompt([{"role": "user", "content": LESSONS[i]["user"]}])
