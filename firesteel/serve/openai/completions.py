"""Text completions (OpenAI's legacy API): from a checked request to sequences. What is answered is in completions_answer.py."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from firesteel.serve.guides.guides import Grammar
from firesteel.serve.openai.completions_answer import Answer
from firesteel.serve.openai.completions_protocol import DEFAULT_TOKENS, CompletionRequest
from firesteel.serve.openai.continuation import Continuation, Manner
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.generation import Choices, fair_window, submitting
from firesteel.serve.openai.inputs import Input, check_length, judged, read_input
from firesteel.serve.openai.sampled import check_least, common
from firesteel.serve.openai.service import Service, route
from firesteel.serve.openai.stream import EventStream
from firesteel.serve.openai.structured import compiled
from firesteel.serve.sequence import Guide, Sampling, Sequence, split_seed


def add_routes(app: FastAPI, service: Service) -> None:
    """POST /v1/completions."""
    own = Completions(service)

    async def completions(body: CompletionRequest, request: Request) -> Response:
        return await own.answer(service.addressed(body), request)

    route(app, "/completions", completions, ("POST",))


class Completions:
    """POST /v1/completions."""

    def __init__(self, service: Service) -> None:
        service = replace(service, metrics=service.metrics.of("text_completion"))
        self.service, self.loop, self.tokenizer = service, service.loop, service.tokenizer

    async def answer(self, request: CompletionRequest, http: Request) -> Response:
        """The answer, streamed or whole. Raises ApiError."""
        began = time.perf_counter()
        try:
            answer = await self._begin(request, http.scope.get("firesteel.owner", ""))
        except ApiError as e:
            self.service.metrics.finished(time.perf_counter() - began, e.code or str(e.status))
            raise
        if request.stream:
            return EventStream(answer.events(), answer.close)
        try:
            return await answer.whole(http)
        finally:
            answer.close()

    async def _begin(self, request: CompletionRequest, owner: str) -> Answer:
        adapter = self.service.adapter(request.model)
        inputs = await run_in_threadpool(self._read, request)
        grammar = await run_in_threadpool(self._grammar, request)
        manner = Manner(
            ending=request.ending, echo=bool(request.echo), logprobs=request.logprobs is not None,
            streamed=bool(request.stream), anew=bool(request.suffix),
        )  # fmt: skip
        replies = []
        for given in inputs:
            for sampling in self._samplings(request, len(given.whole)):
                sequence = Sequence(
                    uuid.uuid4().hex, given.whole, sampling, self._guide(grammar, given, manner), adapter, owner.encode()
                )  # fmt: skip
                replies.append(Continuation(self.tokenizer, sequence, manner, self.service.guard))
                if given.refused is not None:
                    replies[-1].refuse(given.refused.text)
        asked = [reply for reply in replies if reply.finish_reason is None]
        with submitting(self.loop):
            choices = Choices(
                self.loop, self.service.metrics, [r.sequence for r in asked], asked, fair_window(self.loop)
            )  # fmt: skip
        return Answer(self.service, request, replies, choices)

    def _grammar(self, request: CompletionRequest) -> Grammar | None:
        """What every text must follow. Runs in a worker thread. Raises ApiError."""
        return None if request.structure is None else compiled(self.service.guides, request.structure)

    def _guide(self, grammar: Grammar | None, given: Input, manner: Manner) -> Guide | None:
        """Of one choice; a space that begins a text is no part of it, one after the prompt's text is."""
        if grammar is None:
            return None
        return grammar.text(begun=not manner.anew and any(map(self.tokenizer.pieces.of, given.whole)))

    def _read(self, request: CompletionRequest) -> list[Input]:
        """The prompts, with the suffix worked in. Runs in a worker thread. Raises ApiError."""
        inputs = [read_input(self.service, given, "prompt") for given in request.prompt]
        if request.suffix:
            inputs = [self._with_gap(given, request.suffix) for given in inputs]
        if not all(given.whole for given in inputs):
            message = "Invalid 'prompt': an empty prompt leaves this model nothing to begin with."
            raise ApiError(400, message, param="prompt", code="invalid_value")
        return inputs

    def _with_gap(self, given: Input, suffix: str) -> Input:
        """A prompt to fill the gap before `suffix`, in the order in which the data stage packs it (data/fim.py)."""
        marks = self.tokenizer.fim_ids
        if marks is None:
            message = "'suffix' is not supported: this model has no tokens for fill-in-the-middle."
            raise ApiError(400, message, param="suffix", code="unsupported_parameter")
        prefix, middle, end = marks
        text, refused = judged(self.service, suffix)
        ids = [prefix, *given.ids, end, *self.tokenizer.encode(text), middle]
        return Input(self.tokenizer.prefix, ids, [], given.refused or refused)

    def _samplings(self, request: CompletionRequest, prompt: int) -> Iterator[Sampling]:
        """The settings of each choice of one prompt. With a seed they do not depend on the other prompts."""
        seed = secrets.randbits(63) if request.seed is None else request.seed
        echoed = request.logprobs if request.echo else None
        asked = [n for n in (request.prompt_logprobs, echoed) if n is not None]
        shared = dict(
            max_new_tokens=self._limit(request, prompt), top_logprobs=request.logprobs or 0,
            **common(request, self.tokenizer),
        )  # fmt: skip
        for k in range(request.drawn):
            read = echoed if k else max(asked, default=None)  # one choice tells what the others' prompt is like
            yield Sampling(seed=split_seed(seed, k), prompt_logprobs=read, **shared)

    def _limit(self, request: CompletionRequest, prompt: int) -> int:
        """New tokens; what does not fit is refused with the numbers, never cut in silence."""
        asked, context = request.max_tokens, self.service.context
        bound = self.service.settings.max_new_tokens or context
        if asked is not None and asked > bound:
            message = f"max_tokens is too large: {asked}. This server gives at most {bound} completion tokens."
            raise ApiError(400, message, param="max_tokens", code="invalid_value")
        check_length(self.service, prompt, 1 if asked is None else asked, "prompt")
        most = min(DEFAULT_TOKENS, bound, context - prompt) if asked is None else asked
        check_least(request, most)
        return most
