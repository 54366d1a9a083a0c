"""What /openapi.json says: FastAPI's description of paths and bodies, completed with our answers, errors and queries.

FastAPI would tell of a 422 that this server never gives, and knows nothing of answers that are made by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from firesteel.serve.openai.answers import SCHEMAS
from firesteel.serve.openai.responses.protocol import GetQuery, ListQuery

REFUSALS = {
    400: "what was asked does not fit, or is not honoured; `param` names it",
    401: "a key is needed, and missing or wrong",
    404: "no such model, response or path",
    408: "the request did not arrive in time",
    413: "the body is too large",
    429: "too many requests are in flight; Retry-After says when to come back",
    500: "the server failed on this request",
    503: "the server cannot take it now; `code` says why",
}


@dataclass(frozen=True)
class Told:
    """One operation: what it does, the schemas of its answer and of the events of a stream, its errors, its query."""

    summary: str
    answer: str = ""
    errors: tuple[int, ...] = (401, 500, 503)
    event: str = ""
    query: type[BaseModel] | None = None
    media: str = "application/json"
    last: str = ""  # what ends a stream, where that is no event of the schema


_ASKED = (400, 401, 404, 408, 413, 500, 503)
_COMPUTED = (*_ASKED, 429)
_FOUND = (400, 401, 404, 500, 503)
_OPEN = (500, 503)  # no key is asked for

TOLD = {
    ("post", "/v1/chat/completions"): Told(
        "An answer to a conversation", "ChatCompletion", _COMPUTED, "ChatCompletionChunk", last="[DONE]"
    ),
    ("post", "/v1/completions"): Told("How texts go on", "TextCompletion", _COMPUTED, "TextCompletion", last="[DONE]"),
    ("post", "/v1/embeddings"): Told("Texts as vectors of length 1", "Embeddings", _COMPUTED),
    ("get", "/v1/models"): Told("The model, and its adapters", "ModelList"),
    ("get", "/v1/models/{id}"): Told("One of them", "Model", _FOUND),
    ("post", "/v1/responses"): Told("A response", "Response", _COMPUTED, "ResponseEvent"),
    ("post", "/v1/responses/input_tokens"): Told("How many tokens a request would have", "InputTokens", _ASKED),
    ("post", "/v1/responses/compact"): Told("Not supported", "", _FOUND),
    ("get", "/v1/responses/{response_id}"): Told("A stored response", "Response", _FOUND, query=GetQuery),
    ("delete", "/v1/responses/{response_id}"): Told("Forget a stored response", "ResponseDeleted", _FOUND),
    ("get", "/v1/responses/{response_id}/input_items"): Told("What it answered", "ItemList", _FOUND, query=ListQuery),
    ("post", "/v1/responses/{response_id}/cancel"): Told("Not supported", "", _FOUND),
    ("post", "/v1/tokenize"): Told("Text as tokens", "Tokens", _ASKED),
    ("post", "/v1/detokenize"): Told("Tokens as text", "DecodedText", _ASKED),
    ("get", "/v1/version"): Told("The server's version", "Version"),
    ("get", "/health"): Told("Whether the server is alive", "State", _OPEN),
    ("get", "/ready"): Told("Whether it takes requests", "State", _OPEN),
    ("get", "/metrics"): Told("Counters for Prometheus", "text", media="text/plain"),
}  # fmt: skip


def install(app: FastAPI, names: Sequence[str], *, keyed: bool) -> None:
    """Serve the completed description. `names`: models that may be asked for; `keyed`: a key is needed."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(app, names, keyed)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _completed(app: FastAPI, names: Sequence[str], keyed: bool) -> dict[str, Any]:
    described = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = described.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for schema in schemas.values():
        _name_models(schema, names)
    assert not set(schemas) & set(SCHEMAS), "an answer's schema has the name of a request's"
    schemas |= SCHEMAS
    components["responses"] = {f"Error{status}": _error(why) for status, why in REFUSALS.items()}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            _complete(operation, TOLD[method, path], keyed)
    if keyed:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return described


def _complete(operation: dict[str, Any], told: Told, keyed: bool) -> None:
    operation["summary"] = told.summary
    refused = {str(s): {"$ref": f"#/components/responses/Error{s}"} for s in sorted(told.errors)}
    operation["responses"] = ({"200": _good(told)} if told.answer else {}) | refused
    if told.query is not None:
        operation["parameters"] = [*operation.get("parameters", ()), *_parameters(told.query)]
    if keyed and 401 in told.errors:
        operation["security"] = [{"key": []}]


def _good(told: Told) -> dict[str, Any]:
    if told.media != "application/json":
        return {"description": told.summary, "content": {told.media: {"schema": {"type": "string"}}}}
    content: dict[str, Any] = {told.media: {"schema": {"$ref": f"#/components/schemas/{told.answer}"}}}
    if not told.event:
        return {"description": told.summary, "content": content}
    data: dict[str, Any] = {
        "type": "string", "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"#/components/schemas/{told.event}"},
    }  # fmt: skip
    if told.last:
        data = {"anyOf": [{"const": told.last}, data]}
    event = {"type": "object", "properties": {"data": data}, "required": ["data"]}
    content["text/event-stream"] = {"schema": event}  # of each event: OpenAPI 3.1 has no better place for it
    return {"description": f"{told.summary}; as events with stream: true", "content": content}


def _error(why: str) -> dict[str, Any]:
    return {"description": why, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    fields = query.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in fields.items()]


def _name_models(schema: dict[str, Any], names: Sequence[str]) -> None:
    """Say which models there are where a request names one."""
    field = schema.get("properties", {}).get("model", {})
    for kind in (field, *field.get("anyOf", ())):
        if kind.get("type") == "string":
            kind["enum"] = list(names)
