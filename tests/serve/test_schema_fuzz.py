"""/openapi.json is a promise: it is whole and valid, what it allows is answered as it says, and what it forbids is refused."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.api import NAME, http, idle, wait_until

CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
EXAMPLES = 8  # of each operation and mode
QUICK = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
SAID = {"unknown_parameter", "missing_required_parameter", "invalid_json", "invalid_body"}  # by the schema, if so


@pytest.fixture(scope="module")
def document(app: Any) -> dict[str, Any]:
    """/openapi.json of the taught model's server."""
    described: dict[str, Any] = app.openapi()
    return described


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, Any]:
    """Every operation, as the fuzzer knows it."""
    found: list[Any] = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]  # type: ignore[union-attr]
    return {operation.label: operation for operation in found}


def broken(response: Any) -> str:
    """What is wrong with an answer, whatever was asked; "" if nothing."""
    if response.status_code < 400:
        return ""
    error = response.json()["error"]
    shape = {name: type(value).__name__ for name, value in error.items()}
    if set(shape) != {"message", "type", "param", "code"} or (shape["message"], shape["type"]) != ("str", "str"):
        return f"not OpenAI's shape: {error}"
    return f"{response.status_code}: {error}" if response.status_code >= 500 else ""


def fuzz(url: str, operation: Any, mode: GenerationMode) -> None:
    """Ask an operation for what its schema allows, or forbids."""
    checks = [*CHECKS, negative_data_rejection] if mode is GenerationMode.NEGATIVE else CHECKS

    @QUICK
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        response = case.call(base_url=url.removesuffix("/v1"))
        assert not broken(response), (broken(response), case.body)
        case.validate_response(response, checks=checks)
        if mode is GenerationMode.POSITIVE and response.status_code == 400:
            error = response.json()["error"]
            assert error["code"] not in SAID, (error, case.body)

    run()


LABELS = [
    "POST /v1/chat/completions", "POST /v1/completions", "POST /v1/embeddings", "POST /v1/responses",
    "POST /v1/responses/input_tokens", "POST /v1/tokenize", "POST /v1/detokenize", "GET /v1/models", "GET /v1/models/{id}",
    "GET /v1/responses/{response_id}", "GET /v1/responses/{response_id}/input_items", "DELETE /v1/responses/{response_id}",
    "POST /v1/responses/{response_id}/cancel", "POST /v1/responses/compact", "GET /v1/version", "GET /health", "GET /ready",
    "GET /metrics",
]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_what_the_description_allows_is_answered_as_it_says(url: str, app: Any, operations: Any, label: str) -> None:
    fuzz(url, operations[label], GenerationMode.POSITIVE)
    wait_until(lambda: idle(app), "something is left behind")


@pytest.mark.parametrize("label", [label for label in LABELS if label.startswith("POST") and "{" not in label][:7])
def test_what_the_description_forbids_is_refused(url: str, app: Any, operations: Any, label: str) -> None:
    fuzz(url, operations[label], GenerationMode.NEGATIVE)
    wait_until(lambda: idle(app), "something is left behind")


@pytest.mark.parametrize("label", LABELS[:2] + LABELS[3:4])
def test_streams_are_as_the_description_says(url: str, operations: Any, label: str) -> None:
    count = {"messages": [{"role": "user", "content": "count"}], "prompt": "count", "input": "count"}
    asked = next(field for field, path in zip(count, ("chat/", "/v1/c", "responses"), strict=True) if path in label)
    case = operations[label].Case(
        body={"model": NAME, asked: count[asked], "stream": True}, media_type="application/json"
    )
    response = case.call(base_url=url.removesuffix("/v1"))
    assert response.status_code == 200 and response.headers["content-type"][0].startswith("text/event-stream")
    case.validate_response(response, checks=CHECKS)


def test_the_description_is_valid_and_whole(app: Any, document: dict[str, Any], operations: Any) -> None:
    schemathesis.openapi.from_dict(document).validate()
    assert document["openapi"].startswith("3.1") and set(operations) == set(LABELS)
    routes = {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    ours = {label.partition(" ")[::2] for label in LABELS}
    short = {(method, path.removeprefix("/v1")) for method, path in ours}
    pages = {(method, path) for method, path in routes if path == "/" or "." in path}
    assert routes - pages == ours | short


def test_the_description_names_the_models_and_the_refusals(document: dict[str, Any]) -> None:
    model = document["components"]["schemas"]["ChatRequest"]["properties"]["model"]
    assert model["anyOf"][0]["enum"] == [NAME]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert "422" not in operation["responses"] and {"500", "503"} <= set(operation["responses"]), path
    assert "429" in document["paths"]["/v1/embeddings"]["post"]["responses"]


def test_the_engine_is_alive_afterwards(url: str) -> None:
    assert http().get(url.removesuffix("/v1") + "/health").json() == {"status": "ok", "model": NAME}


@pytest.mark.parametrize(
    ("path", "allowed"), [("/responses/x", "DELETE, GET"), ("/models", "GET"), ("/embeddings", "POST")]
)
def test_a_wrong_method_is_told_all_the_right_ones(url: str, path: str, allowed: str) -> None:
    response = http().patch(f"{url}{path}")
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
