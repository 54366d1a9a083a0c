"""One request and its answer on the wire: a `chat.completion` object, or `chat.completion.chunk`s."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request, Response

from firesteel.serve.openai.faults import ApiError, to_json
from firesteel.serve.openai.generation import Generation, Refusal
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.reply import Delta
from firesteel.serve.openai.stream import DONE, PING, sse, until_disconnected

_log = logging.getLogger(__name__)


class Exchange:
    """Turns a generation into JSON. `facts` (model, fingerprint) stand in every object; `close` may be called twice."""

    def __init__(
        self,
        generation: Generation | Refusal,
        request: ChatRequest,
        facts: dict[str, Any],
        prompt_tokens: int,
        metrics: Metrics,
    ) -> None:
        self._generation, self._request, self._prompt_tokens, self._metrics = (
            generation,
            request,
            prompt_tokens,
            metrics,
        )
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
                yield self._chunk(i, {"role": "assistant", "content": ""})
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
        return {**self._facts, "object": "chat.completion", "choices": choices, "usage": self._usage()}

    def _choice(self, index: int, deltas: list[Delta]) -> dict[str, Any]:
        reply = self._generation.replies[index]
        message: dict[str, Any] = {"role": "assistant", "content": "".join(d.answer for d in deltas), "refusal": None}
        logprobs = [entry for d in deltas for entry in d.logprobs]
        if (
            reply.blocked is not None
        ):  # nothing of a blocked answer leaves, though a stream would have let out its beginning
            message["content"], logprobs = reply.refusal, []
        elif reply.thought:
            message |= _reasoning("".join(d.reasoning for d in deltas))
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
        if reason := self._generation.replies[index].finish_reason:
            out.append(self._chunk(index, {}, finish_reason=reason))
        return out

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: Any = None, finish_reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        chunk = {**self._facts, "object": "chat.completion.chunk", "choices": [choice]}
        if self._request.stream_options and self._request.stream_options.include_usage:
            chunk["usage"] = None
        return sse(chunk)

    def _logprobs(self, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
        return {"content": entries, "refusal": None} if self._request.logprobs else None

    def _usage(self) -> dict[str, Any]:
        replies = self._generation.replies
        completion = sum(r.tokens for r in replies)
        return {
            "prompt_tokens": self._prompt_tokens, "completion_tokens": completion,
            "total_tokens": self._prompt_tokens + completion, "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": sum(r.reasoning_tokens for r in replies)},
        }  # fmt: skip


def _reasoning(text: str) -> dict[str, str]:
    """Both names in use: DeepSeek, SGLang and llama.cpp say reasoning_content; vLLM and OpenRouter say reasoning."""
    return {"reasoning_content": text, "reasoning": text}
