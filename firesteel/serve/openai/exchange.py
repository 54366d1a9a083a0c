"""One request and its answer on the wire: a `chat.completion` object, or `chat.completion.chunk`s."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request, Response

from firesteel.serve.openai.begun import Begun
from firesteel.serve.openai.faults import ApiError, to_json
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.reply import CallDelta, Delta
from firesteel.serve.openai.stream import DONE, PING, sse, until_disconnected

_log = logging.getLogger(__name__)


class Exchange:
    """Turns a generation into JSON. `facts` (model, fingerprint) stand in every object; `close` may be called twice.

    `last`: what the whole answer says besides, known at its end.
    """

    def __init__(
        self, begun: Begun, request: ChatRequest, facts: dict[str, Any], metrics: Metrics,
        last: Callable[[], dict[str, Any]] = dict,
    ) -> None:  # fmt: skip
        self._last = last
        self._begun, self._request, self._metrics = begun, request, metrics
        self._generation, self._prompt_tokens = begun.generation, begun.prompt_tokens
        self._facts = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), **facts}
        self._began, self._error, self._closed = time.perf_counter(), "aborted", False

    async def whole(self, http: Request) -> Response:
        """The complete answer; a client that leaves meanwhile ends the work."""
        collect = asyncio.create_task(self._collect())
        watch = asyncio.create_task(until_disconnected(http.receive))
        try:
            await asyncio.wait((collect, watch), return_when=asyncio.FIRST_COMPLETED)
            if not collect.done():
                return Response(status_code=499)  # nobody will read it
            answer = collect.result()
        except ApiError as error:
            self._error = error.code or str(error.status)
            raise
        finally:
            collect.cancel()
            watch.cancel()
        self._error = ""
        return Response(to_json(answer), media_type="application/json")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The answer as server-sent events. A failure after the first byte is an event with an `error`, then [DONE]."""
        try:
            for i in range(len(self._generation.replies)):
                yield self._chunk(i, {"role": "assistant", "content": None if self._request.callable else ""})
            async for item in self._generation.deltas():
                if item is None:
                    yield PING
                    continue
                for piece in self._pieces(*item):
                    yield piece
            if self._request.stream_options and self._request.stream_options.include_usage:
                yield sse({**self._facts, "object": "chat.completion.chunk", "choices": [], "usage": self._usage()})
            self._error = ""
        except ApiError as error:
            self._error = error.code or str(error.status)
            yield sse(error.body())
        except Exception as error:
            self._error = type(error).__name__
            _log.exception("a stream failed")
            yield sse(
                ApiError(500, "The server failed on this request; its log says why.", code="internal_error").body()
            )
        yield DONE

    def close(self) -> None:
        """Free what the request holds and count it."""
        if self._closed:
            return
        self._closed = True
        self._generation.close()
        self._metrics.finished(time.perf_counter() - self._began, self._error)
        self._metrics.used(self._prompt_tokens, sum(r.tokens for r in self._generation.replies))
        for reply in self._generation.replies:
            if reply.blocked is not None:
                self._metrics.blocked.labels("output", reply.blocked).inc()

    async def _collect(self) -> dict[str, Any]:
        parts: list[list[Delta]] = [[] for _ in self._generation.replies]
        async for item in self._generation.deltas():
            if item is not None:
                parts[item[0]].append(item[1])
        choices = [self._choice(i, deltas) for i, deltas in enumerate(parts)]
        answer = {**self._facts, "object": "chat.completion", "choices": choices, "usage": self._usage()}
        return answer | self._last()

    def _choice(self, index: int, deltas: list[Delta]) -> dict[str, Any]:
        reply = self._generation.replies[index]
        message: dict[str, Any] = {"role": "assistant", "content": "".join(d.answer for d in deltas), "refusal": None}
        calls = _whole_calls([call for d in deltas for call in d.calls])
        logprobs = [entry for d in deltas for entry in d.logprobs]
        if reply.blocked is not None:  # nothing of it leaves, though a stream would have let out its beginning
            message["content"], logprobs = reply.refusal, []
        else:
            message |= _reasoning("".join(d.reasoning for d in deltas)) if reply.thought else {}
            message |= {"content": message["content"] or None, "tool_calls": calls} if calls else {}
        return {
            "index": index, "message": message, "logprobs": self._logprobs(logprobs), "finish_reason": reply.finish_reason,
        }  # fmt: skip

    def _pieces(self, index: int, delta: Delta) -> list[bytes]:
        """Chunks for one delta; the finish_reason comes alone, in the last."""
        out = []
        if delta.reasoning:
            out.append(self._chunk(index, _reasoning(delta.reasoning)))
        if delta.answer or delta.logprobs:
            out.append(self._chunk(index, {"content": delta.answer}, self._logprobs(delta.logprobs)))
        out += [self._chunk(index, {"tool_calls": [_piece(call)]}) for call in delta.calls]
        if reason := self._generation.replies[index].finish_reason:
            out.append(self._chunk(index, {}, finish_reason=reason))
        return out

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: Any = None, finish_reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        chunk = {**self._facts, "object": "chat.completion.chunk", "choices": [choice]}
        options = self._request.stream_options
        if options and options.include_usage:
            chunk["usage"] = self._usage() if options.continuous else None
        return sse(chunk)

    def _logprobs(self, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
        return {"content": entries, "refusal": None} if self._request.logprobs else None

    def _usage(self) -> dict[str, Any]:
        replies = self._generation.replies
        completion = sum(r.tokens for r in replies)
        return {
            "prompt_tokens": self._prompt_tokens, "completion_tokens": completion,
            "total_tokens": self._prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": self._begun.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": sum(r.reasoning_tokens for r in replies)},
        }  # fmt: skip


def _piece(call: CallDelta) -> dict[str, Any]:
    """A piece of a call: what it is stands in the first alone."""
    if not call.id:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    return {
        "index": call.index, "id": call.id, "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }  # fmt: skip


def _whole_calls(pieces: list[CallDelta]) -> list[dict[str, Any]]:
    """The calls that these pieces make up."""
    calls: list[dict[str, Any]] = []
    for piece in pieces:
        if piece.id:
            function = {"name": piece.name, "arguments": ""}
            calls.append({"id": piece.id, "type": "function", "function": function})
        calls[piece.index]["function"]["arguments"] += piece.arguments
    return calls


def _reasoning(text: str) -> dict[str, str]:
    """Both names in use: DeepSeek, SGLang and llama.cpp say reasoning_content; vLLM and OpenRouter say reasoning."""
    return {"reasoning_content": text, "reasoning": text}
