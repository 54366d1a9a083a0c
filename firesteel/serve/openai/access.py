"""Who may ask, and how much they may send: API keys and a bound on the body, as ASGI middleware."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firesteel.core.errors import SourceError
from firesteel.serve.openai.faults import ApiError, Carried

MAX_BODY = 1 << 20  # bytes
BODY_SECONDS = 30.0  # in which a body must arrive
MAX_HELD = 64 << 20  # bytes of the bodies of all requests that are being answered
DISCARD = 16 << 20  # bytes of a body that is too large which are still read, so that its sender hears why
TOO_LARGE = f"The body is larger than {MAX_BODY} bytes."
CLOSE = {"Connection": "close"}
_LINE = re.compile(r"^(?P<hash>[0-9a-fA-F]{64})(?:\s+(?P<name>\S.*))?$")


class Keys:
    """API keys, known only by their sha256: hash -> name."""

    def __init__(self, hashes: dict[str, str]) -> None:
        self._hashes = hashes

    @classmethod
    def load(cls, file: Path) -> Keys:
        """Read a file of `sha256-hex [name]` lines; blank lines and # comments are allowed. Raises SourceError."""
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as e:
            raise SourceError("the key file cannot be read", value=file, why=str(e)) from e
        hashes = {}
        for number, line in enumerate(map(str.strip, lines), 1):
            if not line or line.startswith("#"):
                continue
            match = _LINE.match(line)
            if not match:  # the line is not shown: it may be a key somebody put there in the clear
                raise SourceError(
                    "a line of the key file is not a sha256 hash", value=f"{file}, line {number}",
                    hint="make one with: printf %s YOUR-KEY | sha256sum",
                )  # fmt: skip
            hashes[match["hash"].lower()] = match["name"] or f"line {number}"
        if not hashes:
            raise SourceError("the key file holds no key", value=file, hint="printf %s YOUR-KEY | sha256sum >> FILE")
        return cls(hashes)

    def owner(self, key: str) -> str | None:
        """Name of the key's owner, or None. Compares with every hash, each in constant time."""
        given = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        found = None
        for known, name in self._hashes.items():
            if hmac.compare_digest(known, given):
                found = name
        return found


class Access:
    """Default-deny: without a valid key only the paths in `open_paths` are served. No keys = everybody may ask."""

    def __init__(self, app: ASGIApp, keys: Keys | None, open_paths: frozenset[str]) -> None:
        self.app, self.keys, self.open_paths = app, keys, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with the owner's name in scope["firesteel.owner"] ("" where nobody needs a key), or answer 401."""
        scope["firesteel.owner"] = ""
        if scope["type"] == "http" and self.keys is not None and not self._is_open(scope):
            scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
            owner = self.keys.owner(key.strip()) if scheme.lower() == "bearer" else None
            scope["firesteel.owner"] = owner
            if owner is None:
                message = (
                    "Incorrect API key provided."
                    if key
                    else "You didn't provide an API key: send Authorization: Bearer YOUR_KEY."
                )
                headers = {"WWW-Authenticate": "Bearer"}
                await ApiError(401, message, code="invalid_api_key", headers=headers).response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        # a browser asks OPTIONS without a key whether its page may ask with one; nothing but a refusal answers it here
        return scope["path"] in self.open_paths or scope["method"] == "OPTIONS"


class BodyLimit:
    """Refuses bodies that are too large, that take too long, or that are too many at once to be kept in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._held = 0  # bytes of all requests that are being answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or answer 408, 413 or 503."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > MAX_BODY:
            await _discard(receive, deadline)
            error = ApiError(413, TOO_LARGE, code="request_too_large", headers=CLOSE)
            await error.response()(scope, receive, send)
            return
        body = _Body(receive, deadline)

        async def counted() -> Message:
            before = body.bytes
            message = await body.receive()
            self._held += body.bytes - before
            if self._held > MAX_HELD:
                raise HTTPException(503, "The server is busy; try again.", {**CLOSE, "Retry-After": "5"})
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self._held -= body.bytes


class _Body:
    """One request's body while it arrives. Its errors are of the one class that the framework lets through."""

    def __init__(self, receive: Receive, deadline: float) -> None:
        self.bytes, self._complete, self._receive, self._deadline = 0, False, receive, deadline

    async def receive(self) -> Message:
        """The next message. Raises HTTPException 408 or 413."""
        if self._complete:
            return await self._receive()  # waits for the client to leave, however long that takes
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not arrive in time.", CLOSE) from None
        self.bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body")
        if self.bytes > MAX_BODY:
            await _discard(self._receive, self._deadline)
            raise HTTPException(413, TOO_LARGE, CLOSE)
        return message


async def _discard(receive: Receive, deadline: float) -> None:
    """Read on a while without keeping anything: a client that is still sending would miss the answer."""
    dropped = 0
    with contextlib.suppress(TimeoutError, Carried):
        async with asyncio.timeout_at(deadline):
            while dropped < DISCARD:
                message = await receive()
                dropped += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
