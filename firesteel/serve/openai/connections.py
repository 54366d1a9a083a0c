"""Connections that must not cost anything: those of clients who never finish a request, or never read their answer.

uvicorn bounds neither. Every connection notes what it waits for, and a sweep closes those that wait for too long.
"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from firesteel.serve.openai.cors import Cors
from firesteel.serve.openai.faults import ApiError, Carried
from firesteel.serve.openai.operation import OPEN, draining

SEND_BUFFER = 64 << 10  # bytes that the kernel keeps of an unread answer; by itself it would take megabytes
OWN_FILES = 128  # open files that are not connections: weights, logs, libraries
MOST = 4096  # connections, where the system allows so many files
LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 129\r\n\r\n"
    b'{"error":{"message":"The request did not arrive in time.","type":"invalid_request_error","param":null,'
    b'"code":"request_timeout"}} '
)
UNREADABLE = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 114\r\n\r\n"
    b'{"error":{"message":"This is no HTTP request.","type":"invalid_request_error","param":null,'
    b'"code":"invalid_http"}}'
)


def most_connections() -> int:
    """Connections that may be open: what the limit of open files leaves, up to MOST."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if files == resource.RLIM_INFINITY else max(16, min(MOST, files - OWN_FILES))


@dataclass(frozen=True)
class Limits:
    """What a client may cost: connections of all, seconds of each."""

    connections: int = field(default_factory=most_connections)
    head: float = 10.0  # for the head of a request, from its connection or from the answer before it
    write: float = 30.0  # in which a client must read some of what waits; some 50 kB of it where more is held up


class Config(uvicorn.Config):
    """uvicorn's settings, and ours. `origins`: of the web pages that may ask."""

    def __init__(self, app: ASGIApp, limits: Limits, origins: Collection[str], **options: Any) -> None:
        super().__init__(app, http=Connection, **options)
        self.limits, self.origins = limits, origins


class Connection(H11Protocol):
    """uvicorn's connection, with a clock for the request's head and one for the answer's reader."""

    config: Config

    def connection_made(self, transport: Any) -> None:
        """Begin; a connection too many is only told so."""
        super().connection_made(transport)
        self._served: Any = None  # the request that was being answered at the last look
        self._head_since = self._read_since = time.monotonic()
        self._unsent = 0
        self.hurried = False
        own: socket.socket | None = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a machine that was switched off says nothing
        self.app = OneLength(Arriving(self.app, self))
        if len(self.connections) > (most := self.config.limits.connections):
            self.app = TooMany(self.app)
        if self.config.origins:
            self.app = Cors(self.app, self.config.origins)
        if len(self.connections) > most + OWN_FILES // 2:  # not even time to be told
            transport.abort()

    def look(self, now: float) -> None:
        """Close if it has waited too long for its client."""
        if self.cycle is not self._served or not self._idle:
            self._served, self._head_since = self.cycle, now
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or (unsent < self._unsent and not self.flow.write_paused):
            self._read_since = now
        self._unsent = unsent
        if unsent and now - self._read_since > self.config.limits.write:
            self.transport.abort()
        elif now - self._head_since > self.config.limits.head:
            self._let_go()

    def resume_writing(self) -> None:
        """Most of what waited was read. While an answer is held up, a few bytes now and then do not count as reading."""
        self._read_since = time.monotonic()
        super().resume_writing()

    def hurry(self) -> None:
        """The server drains: a request that is still on its way is not waited for."""
        if not self._idle:
            self.hurried = self.cycle.more_body
            if self.hurried:
                self.cycle.message_event.set()  # who waits for the body looks up, see Arriving
        elif self.conn.trailing_data[0]:
            self._let_go()

    def _let_go(self) -> None:
        """Close where no request is being answered; who has said nothing expects no answer."""
        if not self.transport.is_closing():
            if self.conn.trailing_data[0]:
                self.transport.write(LATE)
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as every other mistake is answered, and close."""
        if self._idle or not self.cycle.response_started:  # else it would stand in the middle of an answer
            self.transport.write(UNREADABLE)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a wish for another protocol is answered in this one, and anybody could fill the log with it."""

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


def sweep(connections: Iterable[Any], now: float) -> None:
    """Look at every connection; call it about once a second."""
    for connection in list(connections):
        connection.look(now)


def hurry(connections: Iterable[Any]) -> None:
    """Wait for no request that is still on its way."""
    for connection in list(connections):
        connection.hurry()


class Arriving:
    """Ends the wait for a body when its connection was told to hurry: the request is answered 503."""

    def __init__(self, app: Any, connection: Connection) -> None:
        self.app: ASGIApp = app
        self._connection = connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve. What is received may raise HTTPException 503."""

        async def arriving() -> Message:
            message = await receive()
            if self._connection.hurried and message.get("more_body"):
                raise Carried(draining())
            return message

        await self.app(scope, arriving, send)


class OneLength:
    """Refuses a request that says its length twice, in two ways, and closes: a proxy before us may believe the other one.

    What follows in the connection would then be a request that the proxy did not see (RFC 9112, 6.1).
    """

    def __init__(self, app: Any) -> None:
        self.app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or answer 400."""
        names = {name for name, _ in scope.get("headers", ())}
        if {b"content-length", b"transfer-encoding"} <= names:
            message = "Content-Length and Transfer-Encoding exclude each other."
            error = ApiError(400, message, code="invalid_request", headers={"Connection": "close"})
            await error.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)


class TooMany:
    """What answers a connection too many: 503, but the truth to health checks, or an orchestrator would end the server."""

    def __init__(self, app: Any) -> None:
        self.app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Health, or 503."""
        if scope["type"] == "http" and scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        headers = {"Retry-After": "5", "Connection": "close"}
        error = ApiError(503, "Too many connections are open; try again.", code="too_many_connections", headers=headers)
        await error.response()(scope, receive, send)
