"""POST /v1/embeddings: texts to vectors, each the mean of the model's final states, of length 1."""

from __future__ import annotations

import base64
import time
import uuid
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from fastapi import FastAPI, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.fields import Addressed
from firesteel.serve.openai.generation import Choices, fair_window, submitting
from firesteel.serve.openai.inputs import Inputs, check_length, read_input
from firesteel.serve.openai.reply import Delta
from firesteel.serve.openai.service import Service, json_response, route
from firesteel.serve.openai.stream import unless_disconnected
from firesteel.serve.sequence import Event, Sampling, Sequence

GONE = 499  # nobody reads the answer any more


class EmbeddingRequest(Addressed):
    """Body of POST /v1/embeddings."""

    input: Inputs
    encoding_format: Literal["float", "base64"] | None = Field(None, description="base64: float32, little endian")
    dimensions: int | None = Field(
        None, ge=1, description="only the model's own size; its vectors are not made to be cut"
    )
    user: str | None = Field(None, description="accepted; changes nothing about the answer")


class Read:
    """Waits until one sequence is read."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None

    def push(self, event: Event) -> Delta:
        """Nothing to say; its only event is its last."""
        self.finish_reason = event.finish_reason
        return Delta()


def add_routes(app: FastAPI, service: Service) -> None:
    """POST /v1/embeddings."""
    own = Embeddings(service)

    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:
        return await own.answer(service.addressed(body), request)

    route(app, "/embeddings", embeddings, ("POST",))


class Embeddings:
    """POST /v1/embeddings."""

    def __init__(self, service: Service) -> None:
        service = replace(service, metrics=service.metrics.of("embeddings"))
        self.service = service

    async def answer(self, request: EmbeddingRequest, http: Request) -> Response:
        """The vectors, in the order of the inputs. Raises ApiError."""
        began, error, tokens = time.perf_counter(), "aborted", 0
        try:
            sequences = await self._sequences(request, http.scope.get("firesteel.owner", ""))
            if not await unless_disconnected(http, self._compute(sequences)):
                return Response(status_code=GONE)
            error, tokens = "", sum(len(s.prompt) for s in sequences)
            return json_response(_answer(request, sequences, tokens))
        except ApiError as e:
            error = e.code or str(e.status)
            raise
        finally:
            self.service.metrics.finished(time.perf_counter() - began, error)
            self.service.metrics.used(tokens, 0)

    async def _sequences(self, request: EmbeddingRequest, owner: str) -> list[Sequence]:
        adapter = self.service.adapter(request.model)
        size = self.service.loop.engine.model.config.hidden_size
        if request.dimensions not in (None, size):
            message = (
                f"'dimensions' is not supported by this model other than {size}: its vectors are not made to be cut."
            )
            raise ApiError(400, message, param="dimensions", code="unsupported_parameter")
        prompts = await run_in_threadpool(self._read, request)
        own: dict[str, Any] = {"adapter": adapter, "salt": owner.encode(), "pooled": True}
        return [Sequence(uuid.uuid4().hex, ids, Sampling(max_new_tokens=0), **own) for ids in prompts]

    def _read(self, request: EmbeddingRequest) -> list[list[int]]:
        """The inputs as ids. Runs in a worker thread. Raises ApiError."""
        prompts = []
        for given in request.input:
            if not given:
                raise ApiError(400, "Invalid 'input': it must not be empty.", param="input", code="invalid_value")
            read = read_input(self.service, given, "input")
            if read.refused is not None:
                message = f"The guard refused an input: {read.refused.reason or read.refused.category}."
                raise ApiError(400, message, param="input", code="content_filter")
            check_length(self.service, len(read.whole), 0, "input")
            prompts.append(read.whole)
        return prompts

    async def _compute(self, sequences: list[Sequence]) -> bool:
        """Read them all, some at a time. Raises ApiError."""
        loop = self.service.loop
        with submitting(loop):
            work = Choices(loop, None, sequences, [Read() for _ in sequences], fair_window(loop))
        try:
            async for _ in work.deltas():
                pass
        finally:
            work.close()
        return True


def _answer(request: EmbeddingRequest, sequences: list[Sequence], tokens: int) -> dict[str, Any]:
    data = []
    for i, sequence in enumerate(sequences):
        vector: list[float] | str = sequence.embedding
        if request.encoding_format == "base64":
            vector = base64.b64encode(np.asarray(sequence.embedding, "<f4").tobytes()).decode("ascii")
        data.append({"object": "embedding", "index": i, "embedding": vector})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": request.model, "data": data, "usage": usage}
