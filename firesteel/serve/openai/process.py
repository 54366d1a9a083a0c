"""The server's process: it answers while the model loads, drains on SIGTERM, and ends with the engine's death."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from firesteel.serve.loop import EngineLoop
from firesteel.serve.openai.connections import Config, Limits, hurry, sweep
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.service import json_response

CUT = 2  # seconds that cut requests have to tell their clients so
GRACE = 2.0  # seconds after the begin of a drain in which a request that is on its way may still arrive
KEEP_ALIVE = 8  # seconds; OpenAI's client keeps 5: who closes second loses no request


class Server(uvicorn.Server):
    """uvicorn's server with our way to end. The first signal drains, the second ends at once.

    `drain`: seconds that running requests may still take. `linger`: seconds that a dead engine's server answers 503.
    `origins`: of the web pages that may ask (CORS).
    """

    def __init__(
        self, app: ASGIApp, *, drain: float, linger: float = 0.0, limits: Limits | None = None,
        origins: Collection[str] = (),
    ) -> None:  # fmt: skip
        super().__init__(Config(
            app, limits or Limits(), origins, log_level="warning", access_log=False, server_header=False, ws="none",
            timeout_graceful_shutdown=CUT, timeout_keep_alive=KEEP_ALIVE, proxy_headers=False,
        ))  # fmt: skip
        self.unfinished = 0  # requests that were cut off
        self._drain, self._linger = drain, linger
        self._engine: EngineLoop | None = None
        self._draining_since: float | None = None
        self._died_at: float | None = None

    def watch(self, loop: EngineLoop) -> None:
        """The engine whose requests are drained, and whose death ends the server."""
        self._engine = loop

    @property
    def died(self) -> str:
        """What the engine died of, if it did."""
        return (self._engine.problem or "") if self._engine is not None and self._engine.died.is_set() else ""

    def drain(self) -> None:
        """Take nothing new, and end when what runs is finished. Safe to call from any thread."""
        self._draining_since = time.monotonic()
        if self._engine is not None:
            self._engine.draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        if self._draining_since is None:
            self.drain()
        else:
            self._cut()
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # cancelled requests are no news
            self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: close connections that hang, and see whether it is time to end."""
        now = time.monotonic()
        if counter % 5 == 0:
            sweep(self.server_state.connections, now)
            if self._draining_since is not None and now - self._draining_since > GRACE:
                hurry(self.server_state.connections)
        if self._draining_since is not None and not self.should_exit:
            late = now - self._draining_since > self._drain
            if late:
                self._cut()
            self.should_exit = late or not self.server_state.tasks
        if self._engine is not None and self._engine.died.is_set():
            self._died_at = self._died_at or now
            self.should_exit |= now - self._died_at >= self._linger
        return await super().on_tick(counter)

    def _cut(self) -> None:
        self.unfinished += len(self.server_state.tasks)
        if self._engine is not None:
            self._engine.cut()


class Starting:
    """The application before there is one: alive, not ready. `make` runs in a thread; then its application answers.

    `done` is called when it is there or has failed (`error`).
    """

    def __init__(self, make: Callable[[], FastAPI], done: Callable[[], None]) -> None:
        self.app: FastAPI | None = None
        self.error: BaseException | None = None
        self._make, self._done = make, done
        self._stack = contextlib.AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve by the application, or say that it is on its way."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)
        elif scope["path"] == "/health":
            await json_response({"status": "loading"})(scope, receive, send)
        else:
            error = ApiError(503, "The model is being loaded.", code="loading", headers={"Retry-After": "2"})
            await error.response()(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        loading = asyncio.create_task(self._load())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        loading.cancel()
        await self._stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _load(self) -> None:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[FastAPI] = loop.create_future()
        # a daemon, because a signal must not wait for it: nothing is written while a model loads
        threading.Thread(target=self._fulfil, args=(loop, made), name="firesteel-load", daemon=True).start()
        try:
            app = await made
            await self._stack.enter_async_context(app.router.lifespan_context(app))
            self.app = app
        except Exception as e:
            self.error = e
        self._done()

    def _fulfil(self, loop: asyncio.AbstractEventLoop, made: asyncio.Future[FastAPI]) -> None:
        try:
            app = self._make()
        except Exception as e:
            tell, what = made.set_exception, e
            _from_thread(loop, made, lambda: tell(what))
        else:
            _from_thread(loop, made, lambda: made.set_result(app))


def _from_thread(loop: asyncio.AbstractEventLoop, made: asyncio.Future[FastAPI], tell: Callable[[], None]) -> None:
    """Call `tell` in the loop, unless the server has ended meanwhile."""
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(lambda: None if made.done() else tell())
