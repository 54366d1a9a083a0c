"""Chat completions: from a checked request to sequences, and from their events to one JSON answer or a stream of chunks."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from firesteel.core.errors import FiresteelError, UserError
from firesteel.core.tokenizer import Message
from firesteel.serve.openai.begun import Begun as Begun
from firesteel.serve.openai.exchange import Exchange
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.fields import table_of
from firesteel.serve.openai.generation import Generation, Refusal, submitting
from firesteel.serve.openai.messages import conversation
from firesteel.serve.openai.prefill import lead
from firesteel.serve.openai.prompt_logprobs import prompt_logprobs
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.reply import REFUSAL, Reply
from firesteel.serve.openai.sampled import check_least, common
from firesteel.serve.openai.service import Service, route
from firesteel.serve.openai.shape import Shape, Shaper
from firesteel.serve.openai.stream import EventStream
from firesteel.serve.openai.text import Verdict
from firesteel.serve.sequence import Guide, Sampling, Sequence, split_seed


@dataclass
class Prompt:
    """The conversation as ids; the verdict by which the guard refused it, if it did.

    Where the answer goes on with the last message: what that `said`, and whether it is a thought (`opened`).
    """

    ids: list[int]
    refused: Verdict | None
    said: str = ""
    opened: bool | None = None


def add_routes(app: FastAPI, service: Service) -> None:
    """POST /v1/chat/completions."""
    chat = ChatCompletions(service)

    async def completions(body: ChatRequest, request: Request) -> Response:
        return await chat.answer(service.addressed(body), request, request.scope.get("firesteel.owner", ""))

    route(app, "/chat/completions", completions, ("POST",))


class ChatCompletions:
    """POST /v1/chat/completions."""

    def __init__(self, service: Service) -> None:
        self.loop, self.tokenizer, self.metrics = service.loop, service.tokenizer, service.metrics
        self.service, self.settings, self.guard = service, service.settings, service.guard
        self.shaper = Shaper(service.tokenizer, service.guides)

    async def answer(self, request: ChatRequest, http: Request, owner: str = "") -> Response:
        """The answer, streamed or whole. Raises ApiError."""
        began = time.perf_counter()
        try:
            begun = await self.begin(request, owner)
        except ApiError as e:
            self.metrics.finished(time.perf_counter() - began, e.code or str(e.status))
            raise
        facts = {"model": request.model, "system_fingerprint": self.service.fingerprint}
        exchange = Exchange(begun, request, facts, self.metrics, lambda: self.about_prompt(request, begun))
        if request.stream:
            return EventStream(exchange.chunks(), exchange.close)
        try:
            return await exchange.whole(http)
        finally:
            exchange.close()

    async def begin(self, request: ChatRequest, owner: str = "") -> Begun:
        """Everything from a checked request to a running generation; whoever gets it must `close` it. Raises ApiError.

        `owner`: name of the API key's owner; cached prefixes are shared with no other.
        """
        adapter = self.service.adapter(request.model)
        shape = await run_in_threadpool(self.shaper.shape, request)
        prompt = await run_in_threadpool(self._prompt, request, shape)
        if prompt.refused is not None:
            self.metrics.blocked.labels("input", prompt.refused.category).inc()
            return Begun(Refusal(self.tokenizer, request.n or 1, prompt.refused.text or REFUSAL), len(prompt.ids), [])
        sampling = self._sampling(request, len(prompt.ids))
        opened = self.shaper.opened(shape, prompt.ids) if prompt.opened is None else prompt.opened
        guides = await run_in_threadpool(
            lambda: [self._guide(shape, prompt, opened) for _ in range(request.n or 1)]
        )  # fmt: skip
        sequences = [
            Sequence(
                uuid.uuid4().hex, prompt.ids, replace(
                    sampling, seed=split_seed(sampling.seed, i), prompt_logprobs=None if i else request.prompt_logprobs,
                ),
                guide, adapter, owner.encode(),
            )
            for i, guide in enumerate(guides)
        ]  # fmt: skip
        replies = [
            Reply(
                self.tokenizer, ending=request.ending, guard=self.guard, logprobs=bool(request.logprobs),
                streamed=bool(request.stream),
                form=replace(self.shaper.form(shape, opened, eager=self.guard is None), said=prompt.said),
            )
            for _ in sequences
        ]  # fmt: skip
        with submitting(self.loop):
            generation = Generation(self.loop, self.metrics, sequences, replies)
        return Begun(generation, len(prompt.ids), sequences)

    def tokens(self, request: ChatRequest) -> int:
        """Length of the prompt that a request makes, tokens. Raises ApiError."""
        return len(self._prompt(request, self.shaper.shape(request)).ids)

    def about_prompt(self, request: ChatRequest, begun: Begun) -> dict[str, Any]:
        """What a request asked about its prompt; complete once the first token is there."""
        count = request.prompt_logprobs
        if count is None:
            return {}
        read = next(iter(begun.sequences), None)
        return {"prompt_logprobs": None if read is None else prompt_logprobs(self.tokenizer, read, count)}

    def _guide(self, shape: Shape, prompt: Prompt, opened: bool | None) -> Guide | None:
        """What holds one choice to its shape, of which the prompt may have said a part. Raises ApiError."""
        guide = self.shaper.guide(shape, opened)
        if prompt.said and not prompt.opened:
            lead(guide, self.tokenizer, prompt.said)
        return guide

    def _prompt(self, request: ChatRequest, shape: Shape) -> Prompt:
        """Show every message to the guard, then render the conversation. Runs in a worker thread. Raises ApiError."""
        refused: Verdict | None = None
        messages = conversation(request.messages)
        for message in messages:
            refused = self._guarded(message) or refused
        shown: dict[str, Any] = {"tools": shape.tools, "variables": shape.variables}
        try:
            if not request.goes_on:
                return Prompt(self.tokenizer.prompt(messages, **shown), refused)
            made, last = self.tokenizer.prefilled(messages, **shown), messages[-1]
            return Prompt(made.ids, refused, last["content"] or last["reasoning_content"], made.opened)
        except UserError as e:
            code = "invalid_value" if self.tokenizer.template else "no_chat_template"
            reason = ". ".join(part for part in (_sentence(e), e.why) if part)
            raise ApiError(400, reason, param="messages", code=code) from e

    def _guarded(self, message: Message) -> Verdict | None:
        """Put the guard's text in the place of a message's; the verdict if it refuses."""
        if self.guard is None:
            return None
        refused: Verdict | None = None
        functions = [call["function"] for call in message.get("tool_calls") or []]
        for table, key in [
            (message, "content"),
            (message, "reasoning_content"),
            *((f, "arguments") for f in functions),
        ]:
            if not table.get(key):
                continue
            verdict = self.guard.check_input(table[key])
            if not verdict.allowed:
                refused = verdict
            elif key != "arguments" or table_of(verdict.text) is not None:
                table[key] = verdict.text
            else:  # without what the guard took out it is no JSON any more
                table[key] = "{}"
        return refused

    def _sampling(self, request: ChatRequest, prompt: int) -> Sampling:
        """How the choices are sampled; the seed is that of the first."""
        return Sampling(
            max_new_tokens=self._limit(request, prompt), top_logprobs=request.top_logprobs or 0,
            seed=secrets.randbits(63) if request.seed is None else request.seed, **common(request, self.tokenizer),
        )  # fmt: skip

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
        most = asked or min(bound, context - prompt)
        check_least(request, most)
        return most


def _sentence(error: FiresteelError) -> str:
    return error.what if error.value is None else f"{error.what}: {error.value}"
