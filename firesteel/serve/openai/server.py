"""The HTTP server: OpenAI's chat API, health, metrics and the chat page over one engine.

with serving(Path("runs/quickstart/release")) as base_url:
    client = openai.OpenAI(base_url=base_url, api_key="-")
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from rich.console import Console

from firesteel import __version__
from firesteel.core.config import ServeSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.engine import Engine
from firesteel.serve.load import Phases, load
from firesteel.serve.loop import EngineLoop
from firesteel.serve.openai import (
    chat_completions,
    completions,
    description,
    embeddings,
    models,
    operation,
    page,
    tokenization,
)
from firesteel.serve.openai.access import Access, BodyLimit, Keys
from firesteel.serve.openai.connections import Limits
from firesteel.serve.openai.cors import ANY
from firesteel.serve.openai.faults import install
from firesteel.serve.openai.listener import is_local, listen, url_of
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.process import Server, Starting
from firesteel.serve.openai.responses import api as responses_api
from firesteel.serve.openai.service import Service
from firesteel.serve.openai.text import Guard

DRAIN = 30.0  # seconds that requests in flight may still take after SIGTERM
ENDPOINTS = (chat_completions, models, responses_api, completions, embeddings, tokenization)
READERS = 4  # threads that read prompts; more of them would only take the machine's time from the event loop
LINGER = 5.0  # seconds that a dead engine's server answers 503 before it exits with an error, to be restarted


def create_app(
    engine: Engine, tokenizer: Tokenizer, *, name: str, settings: ServeSettings, guard: Guard | None = None,
    keys: Keys | None = None, fingerprint: str = "", adapters: tuple[str, ...] = (), open_metrics: bool = False,
) -> FastAPI:  # fmt: skip
    """The ASGI application of one model. Its lifespan starts and stops the engine's thread (`app.state.loop`).

    `adapters`: names of the engine's LoRA adapters. `open_metrics`: /metrics needs no key.
    """
    loop = EngineLoop(engine, max_in_flight=settings.max_sequences + settings.max_queued)
    service = Service(
        loop, tokenizer, Metrics(loop, name), settings, name, fingerprint or f"firesteel-{__version__}", guard, adapters,
    )  # fmt: skip

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop.start()
        current_default_thread_limiter().total_tokens = READERS
        yield
        loop.stop()

    app = FastAPI(
        title="Firesteel", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.loop, app.state.origins = loop, settings.allow_origins
    install(app)
    for endpoint in (*ENDPOINTS, operation):
        endpoint.add_routes(app, service)
    page.add_routes(app)
    description.install(app, (name, *adapters), keyed=keys is not None)
    app.add_middleware(BodyLimit)
    app.add_middleware(operation.Gate, loop=loop, metrics=service.metrics)
    opened = frozenset({*operation.OPEN, *page.PATHS, *(("/metrics",) if open_metrics else ())})
    app.add_middleware(Access, keys=keys, open_paths=opened)
    return app


def load_app(
    model_folder: Path, *, settings: ServeSettings | None = None, keys: Path | None = None, guard: Guard | None = None,
    name: str = "", device: str = "cpu", adapters: dict[str, Path] | None = None, context: int = 0,
    open_metrics: bool = False, phases: Phases | None = None,
) -> FastAPI:  # fmt: skip
    """The application for a model artefact. Raises UserError, MachineError where it does not fit into the memory.

    `name` is what clients call it, by default its folder's name. `adapters`: LoRA adapters, models of their own: name ->
    folder. `context`: longest prompt and reply together, tokens; 0 = what the model knows positions for.
    """
    phases, settings = phases or Phases(), settings or ServeSettings()
    known = Keys.load(keys) if keys else None
    name = name or model_folder.resolve().name
    loaded = load(model_folder, settings, device, adapters or {}, context, name, phases)
    with phases("application"):
        app = create_app(
            loaded.engine, loaded.tokenizer, name=name, settings=settings, guard=guard, keys=known,
            fingerprint=f"fs-{loaded.id[:16]}", adapters=tuple(adapters or ()), open_metrics=open_metrics,
        )  # fmt: skip
    app.state.plan = loaded.plan
    return app


def serve(
    model_folder: Path, *, host: str = "127.0.0.1", port: int = 8000, console: Console | None = None,
    keys: Path | None = None, phases: Phases | None = None, **options: Any,
) -> None:  # fmt: skip
    """Serve a model until SIGTERM or Ctrl-C; requests in flight are finished first, a second signal ends at once.

    `options` as load_app. Raises MachineError (port taken, address not ours, memory), UserError (model, keys, adapters),
    FiresteelError (the engine died, running requests were cut off by a second signal).
    """
    console, phases = console or Console(), phases or Phases()
    with listen(host, port) as listener:

        def ready() -> None:
            if starting.app is None:
                server.should_exit = True
                return
            server.watch(starting.app.state.loop)
            _announce(console, model_folder, url_of(listener), starting.app, phases)
            _warn(console, origins, open=not keys and not is_local(host))

        origins = (options.get("settings") or ServeSettings()).allow_origins
        starting = Starting(lambda: load_app(model_folder, keys=keys, phases=phases, **options), ready)
        server = Server(starting, drain=DRAIN, linger=LINGER, origins=origins)
        server.run(sockets=[listener])
    _raise_end(starting, server)


def _raise_end(starting: Starting, server: Server) -> None:
    """What the end of a server was, if it was not a good one."""
    if starting.error is not None:
        raise starting.error
    if server.died:
        raise FiresteelError(
            "the engine died", why=server.died, hint="start it again; the log above has the traceback"
        )  # fmt: skip
    if server.force_exit and server.unfinished:
        raise FiresteelError(
            "ended at once, as a second signal asked", why=f"{server.unfinished} requests were cut off"
        )


def _announce(console: Console, model_folder: Path, url: str, app: FastAPI, phases: Phases) -> None:
    """Where it listens, what it takes, and how long it took to start."""
    engine: Engine = app.state.loop.engine
    console.print(
        f"serving {model_folder} at [bold]{url}[/bold]  (API: {url}/v1, chat: {url}/)", highlight=False, soft_wrap=True
    )
    console.print(
        f"context {engine.context} tokens, {engine.scheduler.max_sequences} requests at once on {engine.model.device}",
        highlight=False,
    )
    console.print(str(app.state.plan), highlight=False, soft_wrap=True)
    console.print(f"[dim]started: {phases}[/dim]", highlight=False, soft_wrap=True)


def _warn(console: Console, origins: tuple[str, ...], *, open: bool) -> None:
    """Who else may use it."""
    if open:
        console.print("[yellow]anyone who reaches this address may use it[/yellow]: give --keys FILE to ask for keys")
    if ANY in origins:
        console.print("[yellow]any web page that a browser here shows may use it[/yellow] (allowed origin: *)")
    elif origins:
        console.print(f"web pages that may use it: {', '.join(origins)}", highlight=False, soft_wrap=True)


@contextlib.contextmanager
def serving(model_folder: Path, **options: Any) -> Iterator[str]:
    """Serve a model on a free local port while the block runs; yields the base URL (http://127.0.0.1:PORT/v1).

    `options` as load_app.
    """
    with running(load_app(model_folder, **options)) as url:
        yield url


@contextlib.contextmanager
def running(app: FastAPI, *, drain: float = 5, limits: Limits | None = None) -> Iterator[str]:
    """Run an application in a thread on a free local port; yields the base URL with /v1."""
    with listen("127.0.0.1", 0) as listener:
        server = Server(app, drain=drain, linger=math.inf, limits=limits, origins=getattr(app.state, "origins", ()))
        server.watch(app.state.loop)
        app.state.server = server
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="firesteel-http", daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise FiresteelError("the HTTP server did not start", hint="the log above says why")
                time.sleep(0.005)
            yield f"{url_of(listener)}/v1"
        finally:
            server.drain()
            thread.join()
