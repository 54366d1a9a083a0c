"""GET /v1/models and /v1/models/{id}: the model, and its adapters."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

from firesteel.serve.openai.service import Service, json_response, route


def add_routes(app: FastAPI, service: Service) -> None:
    """What can be asked for by name."""

    async def models() -> Response:
        names = (service.name, *service.adapters)
        return json_response({"object": "list", "data": [_model(service, name) for name in names]})

    async def one_model(id: str) -> Response:
        service.adapter(id)
        return json_response(_model(service, id))

    route(app, "/models", models)
    route(app, "/models/{id:path}", one_model)


def _model(service: Service, name: str) -> dict[str, Any]:
    facts = {
        "id": name, "object": "model", "created": service.created, "owned_by": "firesteel",
        "max_model_len": service.context,
    }  # fmt: skip
    return facts | ({"parent": service.name} if name in service.adapters else {})
