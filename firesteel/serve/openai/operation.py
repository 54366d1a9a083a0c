"""What those who run the server ask: is it alive, does it take requests, what has it counted."""

from __future__ import annotations

from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firesteel.serve.loop import EngineLoop
from firesteel.serve.openai.faults import ApiError, Carried
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.service import Service, json_response

OPEN = frozenset({"/health", "/ready"})  # no key is asked for
OPERATIONS = {  # paths whose requests need places in the engine -> what OpenTelemetry calls them
    "/chat/completions": "chat", "/responses": "chat", "/completions": "text_completion", "/embeddings": "embeddings",
}  # fmt: skip
PREPARED = 16  # requests whose prompts may be read while there is no place for them yet
DRAINING = "The server is shutting down: it finishes what runs and takes nothing new."


def add_routes(app: FastAPI, service: Service) -> None:
    """GET /health, /ready and /metrics."""
    loop = service.loop

    async def health() -> Response:
        """Alive: an orchestrator restarts what is not."""
        _refuse_dead(loop)
        return json_response({"status": "ok", "model": service.name})

    async def ready() -> Response:
        """Takes requests: a load balancer goes elsewhere meanwhile."""
        _refuse_dead(loop)
        if loop.draining:
            raise draining()
        return json_response({"status": "ready", "model": service.name})

    async def exposition() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_api_route("/health", health)
    app.add_api_route("/ready", ready)
    app.add_api_route("/metrics", exposition)


def _refuse_dead(loop: EngineLoop) -> None:
    if loop.problem:
        raise ApiError(503, loop.problem, code="engine_dead", headers={"Retry-After": "30"})


def draining() -> ApiError:
    """The answer to what comes after SIGTERM."""
    return ApiError(503, DRAINING, code="draining", headers={"Retry-After": "30", "Connection": "close"})


class Gate:
    """Closed while the server drains: requests that come then are answered 503; those that run are not touched.

    It also turns away at once what would find no place after its prompt was read: a crowd must not keep the event loop
    busy with prompts of requests that are refused, or health checks would wait behind them.
    """

    def __init__(self, app: ASGIApp, loop: EngineLoop, metrics: Metrics) -> None:
        self.app, self.loop = app, loop
        self._metrics = {operation: metrics.of(operation) for operation in set(OPERATIONS.values())}
        self._entered = 0  # requests that have arrived and have no answer yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or answer 503 or 429."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self.loop.draining and scope["path"] not in (*OPEN, "/metrics"):
            await draining().response()(scope, receive, send)
        elif scope["method"] == "POST" and (operation := OPERATIONS.get(scope["path"].removeprefix("/v1"))):
            await self._compute(operation, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _compute(self, operation: str, scope: Scope, receive: Receive, send: Send) -> None:
        waits = arrived = False

        async def coming() -> Message:
            nonlocal waits, arrived
            message = await receive()
            if not arrived and message["type"] == "http.request" and not message.get("more_body"):
                arrived = True  # not before: a body that never ends must not take a place
                if self._full:
                    raise Carried(self._refused(operation))
                self._entered, waits = self._entered + 1, True
            return message

        async def answering(message: Message) -> None:
            leave()
            await send(message)

        def leave() -> None:
            nonlocal waits
            self._entered, waits = self._entered - waits, False

        if self._full:
            await self._refused(operation).response()(scope, receive, send)
            return
        try:
            await self.app(scope, coming, answering)
        finally:
            leave()

    @property
    def _full(self) -> bool:
        """No place, or as many requests without an answer as could have one, and some more."""
        places = self.loop.max_in_flight
        return self.loop.problem is None and (self.loop.in_flight >= places or self._entered >= places + PREPARED)

    def _refused(self, operation: str) -> ApiError:
        self._metrics[operation].finished(0.0, "queue_full")
        message = f"The server is busy with {self.loop.in_flight} requests; try again."
        return ApiError(429, message, code="queue_full", headers={"Retry-After": "1"})
