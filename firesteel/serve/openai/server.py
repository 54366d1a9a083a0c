"""The HTTP server: OpenAI's chat API, health, metrics and the chat page over one engine.

with serving(Path("runs/quickstart/release")) as base_url:
    client = openai.OpenAI(base_url=base_url, api_key="-")
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response
from rich.console import Console

from firesteel import __version__
from firesteel.compute.device import pick
from firesteel.core.artefact import read
from firesteel.core.config import ServeSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.weights import load_model
from firesteel.serve.engine import Engine
from firesteel.serve.loop import EngineLoop
from firesteel.serve.openai import chat_completions, models, page
from firesteel.serve.openai.access import Access, BodyLimit, Keys
from firesteel.serve.openai.faults import ApiError, install
from firesteel.serve.openai.listener import is_local, listen, url_of
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.service import Service, json_response
from firesteel.serve.openai.text import Guard

DRAIN = 30  # seconds that requests in flight may still take after SIGTERM
ENDPOINTS = (chat_completions, models)
LINGER = 5.0  # seconds that a dead engine's server answers 503 before it exits with an error, to be restarted


def create_app(
    engine: Engine, tokenizer: Tokenizer, *, name: str, settings: ServeSettings, guard: Guard | None = None,
    keys: Keys | None = None, fingerprint: str = "",
) -> FastAPI:  # fmt: skip
    """The ASGI application of one model. Its lifespan starts and stops the engine's thread (`app.state.loop`)."""
    loop = EngineLoop(engine, max_in_flight=settings.max_sequences + settings.max_queued)
    service = Service(
        loop, tokenizer, Metrics(loop, name), settings, name, fingerprint or f"firesteel-{__version__}", guard,
    )  # fmt: skip

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop.start()
        yield
        loop.stop()

    app = FastAPI(
        title="Firesteel", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.loop = loop
    install(app)
    for endpoint in ENDPOINTS:
        endpoint.add_routes(app, service)
    _add_operation(app, service)
    page.add_routes(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Access, keys=keys, open_paths=frozenset({"/health", *page.PATHS}))
    return app


def _add_operation(app: FastAPI, service: Service) -> None:
    async def health() -> Response:
        problem = service.loop.problem
        if problem:
            raise ApiError(503, problem, code="engine_dead", headers={"Retry-After": "30"})
        return json_response({"status": "ok", "model": service.name})

    async def exposition() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_api_route("/health", health)
    app.add_api_route("/metrics", exposition)


def load_app(
    model_folder: Path, *, settings: ServeSettings | None = None, keys: Path | None = None, guard: Guard | None = None,
    name: str = "", device: str = "cpu",
) -> FastAPI:  # fmt: skip
    """The application for a model artefact. `name` is what clients call it; by default its folder's name. Raises UserError."""
    settings = settings or ServeSettings()
    known = Keys.load(keys) if keys else None
    manifest = read(model_folder, "model")
    tokenizer = Tokenizer.load(model_folder)
    model = load_model(model_folder, device=pick(device))
    engine = Engine(model, tokenizer, max_sequences=settings.max_sequences, cache_tokens=65_536)
    name = name or model_folder.resolve().name
    return create_app(
        engine, tokenizer, name=name, settings=settings, guard=guard, keys=known, fingerprint=f"fs-{manifest.id[:16]}"
    )


def serve(
    model_folder: Path, *, host: str = "127.0.0.1", port: int = 8000, keys: Path | None = None, guard: Guard | None = None,
    settings: ServeSettings | None = None, name: str = "", device: str = "cpu", console: Console | None = None,
) -> None:  # fmt: skip
    """Serve a model until SIGTERM or Ctrl-C; requests in flight are finished first.

    Raises MachineError (port taken, address not ours), UserError (model, keys), FiresteelError (the engine died).
    """
    console = console or Console()
    with listen(host, port) as listener:
        app = load_app(model_folder, settings=settings, keys=keys, guard=guard, name=name, device=device)
        url = url_of(listener)
        console.print(f"serving {model_folder} at [bold]{url}[/bold]  (API: {url}/v1, chat: {url}/)", highlight=False)
        console.print(_size(app.state.loop.engine), highlight=False)
        if not keys and not is_local(host):
            console.print(
                "[yellow]anyone who reaches this address may use it[/yellow]: give --keys FILE to ask for keys"
            )
        server = _server(app, DRAIN)
        loop: EngineLoop = app.state.loop
        threading.Thread(target=_exit_after_death, args=(loop, server), daemon=True).start()
        with _quiet_signals():
            server.run(sockets=[listener])
        if loop.died.is_set():
            raise FiresteelError(
                "the engine died", why=loop.problem or "", hint="start it again; the log above has the traceback"
            )


@contextlib.contextmanager
def serving(
    model_folder: Path, *, guard: Guard | None = None, settings: ServeSettings | None = None, keys: Path | None = None,
    name: str = "", device: str = "cpu",
) -> Iterator[str]:  # fmt: skip
    """Serve a model on a free local port while the block runs; yields the base URL (http://127.0.0.1:PORT/v1)."""
    with running(load_app(model_folder, settings=settings, keys=keys, guard=guard, name=name, device=device)) as url:
        yield url


@contextlib.contextmanager
def running(app: FastAPI, *, drain: int = 5) -> Iterator[str]:
    """Run an application in a thread on a free local port; yields the base URL with /v1."""
    with listen("127.0.0.1", 0) as listener:
        server = _server(app, drain)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="firesteel-http", daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise FiresteelError("the HTTP server did not start", hint="the log above says why")
                time.sleep(0.005)
            yield f"{url_of(listener)}/v1"
        finally:
            server.should_exit = True
            thread.join()


def _size(engine: Engine) -> str:
    """What was reserved, so that nobody has to guess."""
    cache = engine.runner.cache
    tokens = engine.scheduler.pool.count * cache.block_size
    mib = tokens * cache.bytes_per_token / 2**20
    return (
        f"context {engine.context} tokens, {engine.scheduler.max_sequences} requests at once, "
        f"cache {tokens} tokens = {mib:.1f} MiB on {engine.runner.device}"
    )


def _server(app: FastAPI, drain: int) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=drain, ws="none",
        proxy_headers=False,
    ))  # fmt: skip


def _exit_after_death(loop: EngineLoop, server: uvicorn.Server) -> None:
    loop.died.wait()
    time.sleep(LINGER)
    server.should_exit = True


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """uvicorn drains on SIGTERM and SIGINT, then raises the signal again; a drained server has ended well."""
    names = (signal.SIGTERM, signal.SIGINT)
    before = {name: signal.signal(name, lambda *_: None) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
