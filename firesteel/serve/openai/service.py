"""What every endpoint works with."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from fastapi import FastAPI, Response

from firesteel.core.config import ServeSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.guides import Guides
from firesteel.serve.loop import EngineLoop
from firesteel.serve.openai.faults import SHOWN, ApiError, to_json
from firesteel.serve.openai.fields import Addressed
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.text import Guard

R = TypeVar("R", bound=Addressed)


@dataclass(frozen=True)
class Service:
    """One model behind HTTP. `name` is what clients call it; `adapters` are names of LoRA adapters, models of their own."""

    loop: EngineLoop
    tokenizer: Tokenizer
    metrics: Metrics
    settings: ServeSettings
    name: str
    fingerprint: str
    guard: Guard | None = None
    adapters: tuple[str, ...] = ()
    created: int = field(default_factory=lambda: int(time.time()))

    def addressed(self, request: R) -> R:
        """The request with the name of its model; one that names none means the server's own, as with vLLM and llama.cpp."""
        return request if request.model is not None else request.model_copy(update={"model": self.name})

    def adapter(self, model: str | None) -> str:
        """The adapter that a request's `model` names, "" for the model itself. Raises ApiError 404 for any other name."""
        if model in (None, self.name):
            return ""
        if model in self.adapters:
            return str(model)
        raise ApiError(404, f"The model '{str(model)[:SHOWN]}' does not exist.", param="model", code="model_not_found")

    @cached_property
    def guides(self) -> Guides:
        """Grammars for this model's answers; its table of tokens is made once."""
        return Guides(self.tokenizer)

    @property
    def context(self) -> int:
        """Longest prompt and reply together, tokens."""
        return self.loop.engine.context


def route(
    app: FastAPI, path: str, handler: Callable[..., Awaitable[Response]], methods: tuple[str, ...] = ("GET",)
) -> None:
    """Serve a path of the API with /v1 and, for clients that leave it out, without."""
    for prefix in ("/v1", ""):
        app.add_api_route(f"{prefix}{path}", handler, methods=list(methods), include_in_schema=bool(prefix))


def json_response(value: Any) -> Response:
    """A value as JSON."""
    return Response(to_json(value), media_type="application/json")
