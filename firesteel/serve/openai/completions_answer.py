"""The answer to a completion request on the wire: one `text_completion` object, or a stream of them."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request, Response

from firesteel.serve.openai.completions_protocol import CompletionRequest
from firesteel.serve.openai.continuation import Continuation, logprobs_object
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.generation import Choices
from firesteel.serve.openai.prompt_logprobs import prompt_logprobs
from firesteel.serve.openai.reply import Delta
from firesteel.serve.openai.service import Service, json_response
from firesteel.serve.openai.stream import PING, finished, sse, unless_disconnected

GONE = 499  # nobody reads the answer any more


class Answer:
    """`replies` are the choices of all prompts in order, those that the guard refused included; `choices` the others.

    `close` may be called twice.
    """

    def __init__(
        self, service: Service, request: CompletionRequest, replies: list[Continuation], choices: Choices[Continuation]
    ) -> None:
        self._request, self._replies, self._choices, self._metrics = request, replies, choices, service.metrics
        self._tokenizer = service.tokenizer
        self._facts = {
            "id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time()),
            "model": request.model, "system_fingerprint": service.fingerprint,
        }  # fmt: skip
        self._place = {reply.sequence.id: i for i, reply in enumerate(replies)}
        self._refused = [i for i, reply in enumerate(replies) if reply.finish_reason]
        self._began, self._error, self._closed = time.perf_counter(), "aborted", False

    async def whole(self, http: Request) -> Response:
        """The complete answer; a client that leaves meanwhile ends the work."""
        try:
            answer = await unless_disconnected(http, self._collect())
        except ApiError as error:
            self._ended(error.code or str(error.status))
            raise
        if answer is None:
            return Response(status_code=GONE)
        self._ended("")
        return json_response(answer)

    def events(self) -> AsyncIterator[bytes]:
        """The answer as server-sent events."""
        return finished(self._chunks(), self._ended)

    def close(self) -> None:
        """Free what the request holds and count it."""
        if self._closed:
            return
        self._closed = True
        self._choices.close()
        usage = self._usage()
        self._metrics.finished(time.perf_counter() - self._began, self._error)
        self._metrics.used(usage["prompt_tokens"], usage["completion_tokens"])
        for reply in self._replies:
            if reply.blocked is not None:
                self._metrics.blocked.labels("output", reply.blocked).inc()

    def _ended(self, error: str) -> None:
        self._error = error

    async def _deltas(self) -> AsyncIterator[tuple[int, Delta] | None]:
        """(place of the reply, what it let out)."""
        for i in self._refused:
            yield i, Delta(answer=self._replies[i].refusal)
        async for item in self._choices.deltas():
            yield None if item is None else (self._place[self._choices.replies[item[0]].sequence.id], item[1])

    async def _chunks(self) -> AsyncIterator[bytes]:
        options = self._request.stream_options
        with_usage = bool(options and options.include_usage)
        async for item in self._deltas():
            if item is None:
                yield PING
                continue
            index, delta = item
            reason = self._replies[index].finish_reason
            if delta.answer or delta.logprobs or reason:
                choice = self._choice(index, delta.answer, delta.logprobs, reason)
                so_far = self._usage() if options and options.continuous else None
                yield sse({**self._facts, "choices": [choice], **({"usage": so_far} if with_usage else {})})
        if with_usage:
            yield sse({**self._facts, "choices": [], "usage": self._usage()})

    async def _collect(self) -> dict[str, Any]:
        parts: list[list[Delta]] = [[] for _ in self._replies]
        async for item in self._deltas():
            if item is not None:
                parts[item[0]].append(item[1])
        choices: list[dict[str, Any]] = []
        for place in self._best():
            reply = self._replies[place]
            text = "".join(delta.answer for delta in parts[place])
            entries = [entry for delta in parts[place] for entry in delta.logprobs]
            if reply.blocked is not None:  # nothing of it leaves, though a stream would have let out its beginning
                text, entries = reply.refusal, []
            choice = self._choice(len(choices), text, entries, reply.finish_reason)
            choices.append(choice | self._prompt_logprobs(place))
        return {**self._facts, "choices": choices, "usage": self._usage()}

    def _best(self) -> list[int]:
        """Places of the replies to return: of each prompt the likeliest by mean logprob, all in order if none is left out."""
        drawn, returned = self._request.drawn, self._request.returned
        places = range(len(self._replies))
        if drawn == returned:
            return list(places)
        chosen: list[int] = []
        for start in places[::drawn]:
            chosen += sorted(places[start : start + drawn], key=self._rank)[:returned]
        return chosen

    def _rank(self, place: int) -> tuple[bool, float]:
        reply = self._replies[place]
        return reply.finish_reason == "content_filter", -reply.mean_logprob

    def _choice(self, index: int, text: str, entries: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
        logprobs = logprobs_object(entries) if self._request.logprobs is not None else None
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}

    def _prompt_logprobs(self, place: int) -> dict[str, Any]:
        """What was asked about the prompt of a reply, known from its first choice; null where the guard refused it."""
        count, first = self._request.prompt_logprobs, place - place % self._request.drawn
        if count is None:
            return {}
        sequence = self._replies[first].sequence
        return {
            "prompt_logprobs": None if first in self._refused else prompt_logprobs(self._tokenizer, sequence, count)
        }  # fmt: skip

    def _usage(self) -> dict[str, Any]:
        """Tokens of all prompts, each once, and of all choices, those that best_of dropped included."""
        drawn = self._request.drawn
        groups = [self._replies[i : i + drawn] for i in range(0, len(self._replies), drawn)]
        prompt = sum(len(group[0].sequence.prompt) for group in groups)
        completion = sum(reply.tokens for reply in self._replies)
        cached = sum(min(reply.sequence.prefix_hits for reply in group) for group in groups)
        return {
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }  # fmt: skip
