"""A small HTTP client that asks one server and trusts nothing it sends: bounded time, bounded size, no redirects, retries.

A reply counts when it is whole JSON. Busy servers (429, 5xx), broken connections and broken bodies are tried again, after
the pause that the server asks for (Retry-After, RFC 9110 section 10.2.3) or a growing one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from firesteel.core.errors import FiresteelError, SourceError, UserError

T = TypeVar("T")
KEY_VARIABLE = "FIRESTEEL_API_KEY"
BIGGEST = 16 << 20  # bytes of a reply
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LONGEST_PAUSE = 120.0  # seconds; a server that wants more is not there
SAID = 300  # characters of a server's message that are passed on
LOCAL = ("localhost", "127.0.0.1", "::1")


class Refused(UserError):
    """The server will not do what was asked (4xx); `value` holds the status, `why` its words."""


class Broken(FiresteelError):
    """One attempt failed in a way that another may not; `pause` is what the server asked for, in seconds."""

    def __init__(self, what: str, pause: float | None = None) -> None:
        super().__init__(what)
        self.pause = pause


def _as_it_is(reply: Any) -> Any:
    return reply


@dataclass(frozen=True)
class Limits:
    """Of one request: seconds for all of an attempt, attempts, and how to wait between them."""

    seconds: float = 600.0
    attempts: int = 6
    sleep: Callable[[float], object] = time.sleep


@dataclass
class Server:
    """An OpenAI-compatible server by its base URL, such as http://127.0.0.1:8000/v1. Safe for many threads."""

    url: str
    key: str = field(default="", repr=False)
    limits: Limits = field(default_factory=Limits)
    say: Callable[[str], object] = field(default=lambda text: None, repr=False)  # hears of pauses
    _met: threading.Event = field(default_factory=threading.Event, repr=False)  # it has answered something
    _live: set[socket.socket] = field(default_factory=set, repr=False)
    _closed: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        self.url = checked_url(self.url)

    @property
    def exposed(self) -> bool:
        """Whether what is sent, the key too, can be read on the way."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in LOCAL

    def ask(self, path: str, body: Mapping[str, Any] | None = None, read: Callable[[Any], T] = _as_it_is) -> T:
        """POST a body (GET without one) and return what `read` makes of the reply's JSON; it may raise Broken.

        Raises Refused for what the server will not do, SourceError for a server that is not there or does not get well.
        """
        for attempt in range(1, self.limits.attempts + 1):
            try:
                return read(self._once(path, body))
            except Broken as e:
                last = e
                pause = min(30.0, 0.5 * 2**attempt) if e.pause is None else e.pause
                if pause > LONGEST_PAUSE or attempt == self.limits.attempts or self._closed.is_set():
                    break
                self.say(f"{last.what}; asking again in {pause:.3g} s")
                self._wait(pause)
        hint = "is it up, and is the URL right? the same command asks again"
        raise SourceError("the server does not answer", value=self.url, why=last.what, hint=hint)

    def close(self) -> None:
        """End every request that is under way, from any thread; none can be made after that."""
        self._closed.set()
        for each in list(self._live):
            _cut(each)

    def _wait(self, seconds: float) -> None:
        if self.limits.sleep is time.sleep:
            self._closed.wait(seconds)
        else:
            self.limits.sleep(seconds)

    def _once(self, path: str, body: Mapping[str, Any] | None) -> Any:
        """One attempt, with a clock that cuts the connection: a timeout of reads alone lets a slow drip go on for ever."""
        connection = self._connection()
        late = threading.Event()
        try:
            connection.connect()
            own = connection.sock
            self._live.add(own)
            clock = threading.Timer(self.limits.seconds, _too_late, (late, own))
            clock.daemon = True
            clock.start()
            try:
                status, headers, data = self._exchange(connection, path, body)
            finally:
                clock.cancel()
                self._live.discard(own)
        except ssl.SSLCertVerificationError as e:
            raise SourceError("the server is not who it says it is", value=self.url, why=str(e)[:SAID]) from e
        except (OSError, http.client.HTTPException, ValueError) as e:
            if isinstance(e, ConnectionRefusedError | socket.gaierror) and not self._met.is_set():
                raise SourceError("no server there", value=self.url, why=said(e), hint="is it up?") from e
            if late.is_set():
                raise Broken(f"no whole reply within {self.limits.seconds:g} s") from e
            raise Broken(f"{type(e).__name__}: {said(e)}") from e
        finally:
            connection.close()
        if late.is_set():
            raise Broken(f"no whole reply within {self.limits.seconds:g} s")
        self._met.set()
        return self._read(status, headers, data)

    def _connection(self) -> http.client.HTTPConnection:
        if self._closed.is_set():
            raise SourceError("the requests were stopped", value=self.url)
        parts = urlsplit(self.url)
        host, seconds = parts.hostname or "", self.limits.seconds
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, parts.port, timeout=seconds)

    def _exchange(
        self, connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": "application/json", "User-Agent": "firesteel", "Connection": "close"}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body, ensure_ascii=True).encode()
        connection.request("GET" if body is None else "POST", urlsplit(self.url).path + path, data, headers)
        with contextlib.closing(connection.getresponse()) as response:
            return response.status, dict(response.headers), _body(response)

    def _read(self, status: int, headers: Mapping[str, str], data: bytes) -> Any:
        if 300 <= status < 400:
            raise SourceError(
                "the server sends us elsewhere", value=f"{status} to {said(_header(headers, 'Location') or 'nowhere')}",
                why="questions and keys go to the URL that was named, and to no other", hint="name the right URL",
            )  # fmt: skip
        if status in TRANSIENT:
            raise Broken(f"status {status}: {message(data)}", pause_of(_header(headers, "Retry-After")))
        if status != 200:
            hint = f"give the key with --key-file or {KEY_VARIABLE}" if status in (401, 403) else ""
            raise Refused("the server refuses", value=f"status {status}", why=message(data), hint=hint)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as e:
            raise Broken(f"the reply is not JSON: {said(data[:80])}") from e


def _body(response: http.client.HTTPResponse) -> bytes:
    """All that was promised, and not without bound. Raises ValueError, HTTPException, OSError."""
    pieces, size = [], 0
    while piece := response.read1(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > BIGGEST:
            raise ValueError(f"a reply of more than {BIGGEST >> 20} MiB")
    if response.length:  # what was promised and did not come
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _too_late(late: threading.Event, sock: socket.socket) -> None:
    late.set()
    _cut(sock)


def _cut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def is_url(model: str) -> bool:
    """Whether a model is named by a URL."""
    return bool(re.match(r"https?://", model, re.I))


def checked_url(url: str) -> str:
    """A base URL without its last slash. Raises UserError for what is none, or holds a secret."""
    parts, hint = urlsplit(url), "for example http://127.0.0.1:8000/v1"
    try:
        port = parts.port
    except ValueError as e:
        raise UserError("not a URL of a server", value=url, why=str(e), hint=hint) from e
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or re.search(r"[\s\x00-\x20]", url):
        raise UserError("not a URL of a server", value=url, hint=hint)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        why = "it would stand in the report" if parts.username is not None else "it is no base URL"
        raise UserError("a URL without name, key or query is needed", value=parts.hostname, why=why, hint=hint)
    return url.rstrip("/").removesuffix("/chat/completions")


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: who it is that is asked."""
    parts = urlsplit(checked_url(url))
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def key_of(file: Path | None) -> str:
    """The API key in a file, else that of the environment variable FIRESTEEL_API_KEY, else none. Raises UserError."""
    if file is None:
        key = os.environ.get(KEY_VARIABLE, "").strip()
    else:
        try:
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as e:
            raise UserError("the key cannot be read", value=file, why=getattr(e, "strerror", None) or "not text") from e
        if not key:
            raise UserError("the file holds no key", value=file)
    if not re.fullmatch(r"[\x21-\x7e]*", key):
        raise UserError("not an API key", value=file or KEY_VARIABLE, why="a key is one word of ASCII characters")
    return key


def pause_of(text: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date. None: nothing that can be understood."""
    if not text:
        return None
    if re.fullmatch(r"\s*\d{1,9}(?:\.\d{1,9})?\s*", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - (time.time() if now is None else now))
    except (ValueError, TypeError, OverflowError):
        return None


def message(data: bytes) -> str:
    """What a server says is wrong: the message of an OpenAI error, else the body's beginning."""
    try:
        found = json.loads(data)["error"]
        return said(found["message"] if isinstance(found, dict) else found)
    except (ValueError, KeyError, TypeError, RecursionError):
        return said(data[:SAID])


def said(text: object) -> str:
    """Somebody else's words for a terminal: short, on one line, without control characters."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return "".join(c if c.isprintable() else " " for c in words)[:SAID].strip() or "no words"
