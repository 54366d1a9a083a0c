"""What those who run the server ask: is it alive, does it take requests, what has it counted."""

from __future__ import annotations

from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from firesteel.serve.loop import EngineLoop
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.service import Service, json_response

OPEN = frozenset({"/health", "/ready"})  # no key is asked for
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
    """Closed while the server drains: requests that come then are answered 503; those that run are not touched."""

    def __init__(self, app: ASGIApp, loop: EngineLoop) -> None:
        self.app, self.loop = app, loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or answer 503."""
        if scope["type"] == "http" and self.loop.draining and scope["path"] not in (*OPEN, "/metrics"):
            await draining().response()(scope, receive, send)
            return
        await self.app(scope, receive, send)
