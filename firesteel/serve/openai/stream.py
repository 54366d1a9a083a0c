"""Server-sent events, and noticing that nobody listens any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from firesteel.serve.openai.faults import ApiError, to_json

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
T = TypeVar("T")

_log = logging.getLogger(__name__)


def sse(value: Any) -> bytes:
    """One event."""
    return b"data: " + to_json(value) + b"\n\n"


async def until_disconnected(receive: Receive) -> None:
    """Return when the client has gone; its body must have been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_disconnected(http: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None if the client left meanwhile, which ends the work."""
    doing = asyncio.create_task(work)
    watch = asyncio.create_task(until_disconnected(http.receive))
    try:
        await asyncio.wait((doing, watch), return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        doing.cancel()
        watch.cancel()


async def finished(pieces: AsyncIterator[bytes], ended: Callable[[str], None]) -> AsyncIterator[bytes]:
    """The pieces of a stream and its [DONE]. A failure after the first byte is an event with an `error`.

    `ended` hears how it went: the error's code, or nothing.
    """
    try:
        async for piece in pieces:
            yield piece
        ended("")
    except ApiError as error:
        ended(error.code or str(error.status))
        yield sse(error.body())
    except Exception as error:
        ended(type(error).__name__)
        _log.exception("a stream failed")
        message = "The server failed on this request; its log says why."
        yield sse(ApiError(500, message, code="internal_error").body())
    yield DONE


class EventStream(Response):
    """Sends events as they come; `close` is called exactly when it is over, whoever ended it."""

    def __init__(self, events: AsyncIterator[bytes], close: Callable[[], None]) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._events, self._close = events, close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the events end or the client leaves."""
        pump = asyncio.create_task(self._pump(send))
        watch = asyncio.create_task(until_disconnected(receive))
        try:
            await asyncio.wait((pump, watch), return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
        finally:
            pump.cancel()
            watch.cancel()
            self._close()

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._events:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
