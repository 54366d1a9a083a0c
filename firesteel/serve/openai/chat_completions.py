"""Chat completions: from a checked request to sequences, and from their events to one JSON answer or a stream of chunks."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from firesteel.core.errors import FiresteelError, UserError
from firesteel.core.tokenizer import Message
from firesteel.serve.loop import QueueFull
from firesteel.serve.openai.exchange import Exchange
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.generation import Generation, Refusal
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.reply import REFUSAL, Reply
from firesteel.serve.openai.service import Service, route
from firesteel.serve.openai.stream import EventStream
from firesteel.serve.openai.text import Verdict
from firesteel.serve.sequence import Sampling, Sequence, split_seed


@dataclass
class Prompt:
    """The conversation as ids; the verdict by which the guard refused it, if it did."""

    ids: list[int]
    refused: Verdict | None


def add_routes(app: FastAPI, service: Service) -> None:
    """POST /v1/chat/completions."""
    chat = ChatCompletions(service)

    async def completions(body: ChatRequest, request: Request) -> Response:
        return await chat.answer(body, request)

    route(app, "/chat/completions", completions, ("POST",))


class ChatCompletions:
    """POST /v1/chat/completions."""

    def __init__(self, service: Service) -> None:
        self.loop, self.tokenizer, self.metrics = service.loop, service.tokenizer, service.metrics
        self.service, self.settings, self.guard = service, service.settings, service.guard
        self.stop_ids = service.tokenizer.halt_ids

    async def answer(self, request: ChatRequest, http: Request) -> Response:
        """The answer, streamed or whole. Raises ApiError."""
        began = time.perf_counter()
        try:
            exchange = await self._exchange(request)
        except ApiError as e:
            self.metrics.finished(time.perf_counter() - began, e.code or str(e.status))
            raise
        if request.stream:
            return EventStream(exchange.chunks(), exchange.close)
        try:
            return await exchange.whole(http)
        finally:
            exchange.close()

    async def _exchange(self, request: ChatRequest) -> Exchange:
        self.service.adapter(request.model)
        prompt = await run_in_threadpool(self._prompt, [m.rendered() for m in request.messages])
        generation: Generation | Refusal
        if prompt.refused is not None:
            self.metrics.blocked.labels("input", prompt.refused.category).inc()
            generation = Refusal(self.tokenizer, request.n or 1, prompt.refused.text or REFUSAL)
        else:
            generation = self._generate(request, prompt.ids)
        facts = {"model": request.model, "system_fingerprint": self.service.fingerprint}
        return Exchange(generation, request, facts, len(prompt.ids), self.metrics)

    def _prompt(self, messages: list[Message]) -> Prompt:
        """Show every message to the guard, then render the conversation. Runs in a worker thread. Raises ApiError."""
        refused: Verdict | None = None
        for message in messages:
            for key in ("content", "reasoning_content"):
                if self.guard is None or not message.get(key):
                    continue
                verdict = self.guard.check_input(message[key])
                if verdict.allowed:
                    message[key] = verdict.text
                else:
                    refused = verdict
        try:
            return Prompt(self.tokenizer.prompt(messages), refused)
        except UserError as e:
            code = "invalid_value" if self.tokenizer.template else "no_chat_template"
            reason = ". ".join(part for part in (_sentence(e), e.why) if part)
            raise ApiError(400, reason, param="messages", code=code) from e

    def _generate(self, request: ChatRequest, prompt: list[int]) -> Generation:
        limit = self._limit(request, len(prompt))
        seed = secrets.randbits(63) if request.seed is None else request.seed
        sampling = dict(
            max_new_tokens=limit, temperature=1.0 if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else max(request.top_p, 1e-6), stop_ids=self.stop_ids,
            top_logprobs=request.top_logprobs or 0, presence_penalty=request.presence_penalty or 0.0,
            frequency_penalty=request.frequency_penalty or 0.0, logit_bias=self._bias(request),
        )  # fmt: skip
        sequences = [
            Sequence(uuid.uuid4().hex, prompt, Sampling(seed=split_seed(seed, i), **sampling))  # type: ignore[arg-type]
            for i in range(request.n or 1)
        ]
        replies = [
            Reply(
                self.tokenizer, stops=tuple(request.stop or ()), guard=self.guard, logprobs=bool(request.logprobs),
                streamed=bool(request.stream),
            )
            for _ in sequences
        ]  # fmt: skip
        try:
            return Generation(self.loop, self.metrics, sequences, replies)
        except QueueFull as e:
            message = f"The server is busy with {self.loop.in_flight} requests; try again."
            raise ApiError(429, message, code="queue_full", headers={"Retry-After": "1"}) from e
        except UserError as e:
            raise ApiError(400, f"{_sentence(e)}. {e.why}", code="invalid_value") from e
        except FiresteelError as e:
            raise ApiError(
                503, f"The server cannot answer: {e.what}.", code="engine_dead", headers={"Retry-After": "30"}
            ) from e

    def _limit(self, request: ChatRequest, prompt: int) -> int:
        """New tokens for this reply; what does not fit is refused with the numbers, never cut in silence."""
        context = self.loop.engine.context
        asked, bound = request.asked_tokens, self.settings.max_new_tokens or context
        if asked and asked > bound:
            param = "max_completion_tokens" if request.max_completion_tokens else "max_tokens"
            message = f"{param} is too large: {asked}. This server gives at most {bound} completion tokens."
            raise ApiError(400, message, param=param, code="invalid_value")
        if prompt + (asked or 1) > context:
            wanted = f", {asked} in the completion" if asked else ""
            message = (
                f"This model's maximum context length is {context} tokens. However, you requested {prompt + (asked or 1)} "
                f"tokens ({prompt} in the messages{wanted}). Please reduce the length of the messages or completion."
            )
            raise ApiError(400, message, param="messages", code="context_length_exceeded")
        return asked or min(bound, context - prompt)

    def _bias(self, request: ChatRequest) -> tuple[tuple[int, float], ...]:
        pairs = []
        for key, bias in (request.logit_bias or {}).items():
            if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < self.tokenizer.vocab_size):
                message = f"Invalid 'logit_bias': '{key}' is not a token id (0 to {self.tokenizer.vocab_size - 1})."
                raise ApiError(400, message, param="logit_bias", code="invalid_value")
            pairs.append((int(key), bias))
        return tuple(pairs)


def _sentence(error: FiresteelError) -> str:
    return error.what if error.value is None else f"{error.what}: {error.value}"
