"""One response on the wire: a `response` object, or events that end with one."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request, Response

from firesteel.serve.openai.begun import Begun
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.reply import Delta
from firesteel.serve.openai.responses.items import new_id
from firesteel.serve.openai.responses.output import Change, Output
from firesteel.serve.openai.responses.protocol import ResponseRequest, TextConfig
from firesteel.serve.openai.responses.translation import function_of
from firesteel.serve.openai.service import json_response
from firesteel.serve.openai.stream import PING, sse, unless_disconnected

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}  # finish_reason -> reason
_log = logging.getLogger(__name__)


class ResponseExchange:
    """Turns a generation into a response. `keep` stores it before its client hears that it is complete."""

    def __init__(
        self, begun: Begun, request: ResponseRequest, metrics: Metrics, keep: Callable[[dict[str, Any]], None]
    ) -> None:
        self._begun, self._reply, self._metrics, self._keep = begun, begun.generation.replies[0], metrics, keep
        self._facts = _facts(request)
        self._output = Output()
        self._began, self._error, self._closed = time.perf_counter(), "aborted", False

    async def whole(self, http: Request) -> Response:
        """The complete response; a client that leaves meanwhile ends the work."""
        try:
            response = await unless_disconnected(http, self._collect())
        except ApiError as error:
            self._error = error.code or str(error.status)
            raise
        if response is None:
            return Response(status_code=499)  # nobody will read it
        self._error = ""
        return json_response(response)

    async def events(self) -> AsyncIterator[bytes]:
        """The response as server-sent events. A failure after the first byte is its last event: response.failed."""
        number = 0
        async for change in self._changes():
            if change is None:
                yield PING
                continue
            yield b"event: " + change["type"].encode() + b"\n" + sse({**change, "sequence_number": number})
            number += 1

    def close(self) -> None:
        """Free what the request holds and count it."""
        if self._closed:
            return
        self._closed = True
        self._begun.generation.close()
        self._metrics.finished(time.perf_counter() - self._began, self._error)
        self._metrics.used(self._begun.prompt_tokens, self._reply.tokens)
        if self._reply.blocked is not None:
            self._metrics.blocked.labels("output", self._reply.blocked).inc()

    async def _collect(self) -> dict[str, Any]:
        deltas = [item[1] async for item in self._begun.generation.deltas() if item is not None]
        if self._reply.blocked is not None:  # nothing of a blocked answer leaves, though a stream would have begun it
            deltas = [Delta(answer=self._reply.refusal)]
        for delta in deltas:
            for _ in self._output.push(delta):
                pass
        response: dict[str, Any] = self._finish()[-1]["response"]
        return response

    async def _changes(self) -> AsyncIterator[Change | None]:
        for name in ("created", "in_progress"):
            yield {"type": f"response.{name}", "response": self._response("in_progress")}
        try:
            async for item in self._begun.generation.deltas():
                if item is None:
                    yield None
                    continue
                for change in self._output.push(item[1]):
                    yield change
            for change in self._finish():
                self._error = ""
                yield change
        except ApiError as error:
            self._error = error.code or str(error.status)
            yield self._failed(error.message)
        except Exception as error:
            self._error = type(error).__name__
            _log.exception("a stream failed")
            yield self._failed("The server failed on this request; its log says why.")

    def _finish(self) -> list[Change]:
        """The last events; the very last has the response."""
        reason = INCOMPLETE.get(self._reply.finish_reason or "")
        status = "incomplete" if reason else "completed"
        changes = list(self._output.finish(status))
        response = self._response(status, incomplete_details={"reason": reason} if reason else None)
        self._keep(response)
        return [*changes, {"type": f"response.{status}", "response": response}]

    def _failed(self, message: str) -> Change:
        error = {"code": "server_error", "message": message}
        return {"type": "response.failed", "response": self._response("failed", error=error)}

    def _response(self, status: str, **fields: Any) -> dict[str, Any]:
        usage = None if status == "in_progress" else self._usage()
        done = {"completed_at": int(time.time())} if status == "completed" else {}
        return {**self._facts, "status": status, **done, "output": list(self._output.items), "usage": usage, **fields}

    def _usage(self) -> dict[str, Any]:
        prompt, reply = self._begun.prompt_tokens, self._reply
        return {
            "input_tokens": prompt, "output_tokens": reply.tokens, "total_tokens": prompt + reply.tokens,
            "input_tokens_details": {"cached_tokens": self._begun.cached_tokens, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
        }  # fmt: skip


def _facts(request: ResponseRequest) -> dict[str, Any]:
    """What stands in every state of a response: its id, and what was asked for, with the defaults that held."""
    text = request.text or TextConfig()
    effort = request.reasoning.effort if request.reasoning else None
    return {
        "id": new_id("resp"), "object": "response", "created_at": int(time.time()), "completed_at": None,
        "background": False, "error": None, "incomplete_details": None, "instructions": request.instructions,
        "frequency_penalty": request.frequency_penalty or 0.0,  # Open Responses wants this one and the next
        "presence_penalty": request.presence_penalty or 0.0,
        "max_output_tokens": request.max_output_tokens, "max_tool_calls": None, "metadata": request.metadata or {},
        "model": request.model, "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id, "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": effort, "summary": None}, "safety_identifier": request.safety_identifier,
        "service_tier": "default", "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {"format": _format(text), "verbosity": "medium"},
        "tool_choice": _choice(request), "tools": [{"type": "function", **function_of(tool)} for tool in request.tools or ()],
        "top_logprobs": request.top_logprobs or 0, "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": "disabled", **({} if request.user is None else {"user": request.user}),
    }  # fmt: skip


def _format(text: TextConfig) -> dict[str, Any]:
    """The form of the answer; OpenAI's contract knows no description that is null."""
    described = getattr(text.format, "description", None) is not None
    return text.format.model_dump(by_alias=True, exclude=None if described else {"description"})


def _choice(request: ResponseRequest) -> Any:
    choice = request.tool_choice or "auto"
    return choice if isinstance(choice, str) else choice.model_dump()
