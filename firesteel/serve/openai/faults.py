"""Errors as OpenAI's clients expect them: an HTTP status and {"error": {message, type, param, code}}, all four always there."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

_log = logging.getLogger(__name__)

CODES = {404: "unknown_url", 405: "method_not_allowed", 408: "request_timeout", 413: "request_too_large", 503: "busy"}
SHOWN = 200  # characters of what was sent that an error repeats
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.headers = (
            status,
            message,
            param,
            code,
            dict(headers or {}),
        )

    def body(self) -> dict[str, Any]:
        """The JSON of the answer, or of an SSE event."""
        default = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = TYPES.get(self.status, default)
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """The HTTP answer."""
        return Response(to_json(self.body()), self.status, self.headers, "application/json")


class Carried(HTTPException):
    """An ApiError for places where the framework lets only its own errors through."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.status, error.message)
        self.error = error


def to_json(value: Any) -> bytes:
    """JSON bytes; a lone surrogate (which has no UTF-8) becomes a question mark instead of an exception."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def install(app: FastAPI) -> None:
    """Answer every error of the app in OpenAI's shape."""

    @app.exception_handler(ApiError)
    async def ours(_: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return _from_validation(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if isinstance(error, Carried):
            return error.error.response()
        what = {404: f"Unknown URL: {request.method} {request.url.path[:SHOWN]}", 405: _not_allowed(request)}
        code = CODES.get(error.status_code)
        message = what.get(error.status_code, str(error.detail))
        headers = _allowed(request) if error.status_code == 405 else error.headers
        return ApiError(error.status_code, message, code=code, headers=headers).response()

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        _log.exception("a request failed", exc_info=error)
        headers = {"Connection": "close"}  # the framework raises the error again, and uvicorn then drops the connection
        message = "The server failed on this request; its log says why."
        return ApiError(500, message, code="internal_error", headers=headers).response()


def _not_allowed(request: Request) -> str:
    """Why a method is refused; a browser's question before a page's request (CORS) deserves more than its name."""
    origin = request.headers.get("origin", "")[:SHOWN] if request.method == "OPTIONS" else ""
    hint = f": web pages of {origin} may not use this server. To let them, start it with --allow-origin {origin}"
    return f"{request.method} is not allowed here{hint if origin else ''}"


def _allowed(request: Request) -> dict[str, str]:
    """The methods of a path; the framework knows those of its first route alone."""
    fitting = [r for r in request.app.routes if isinstance(r, Route) and r.matches(request.scope)[0] is not Match.NONE]
    return {"Allow": ", ".join(sorted({method for route in fitting for method in route.methods or ()}))}


def _from_validation(errors: Sequence[Mapping[str, Any]]) -> ApiError:
    """The first mistake that pydantic found, with the place as OpenAI writes it: messages[0].content."""
    first = errors[0]
    place = [part for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid":
        return ApiError(
            400, f"The body is not valid JSON: {first.get('ctx', {}).get('error', first['msg'])}", code="invalid_json"
        )
    if first["type"] == "inconsistent":
        return ApiError(400, f"{first['msg']}.", param=first["ctx"]["param"], code="invalid_value")
    if not place:
        return ApiError(
            400, "The body must be a JSON object, sent as Content-Type: application/json.", code="invalid_body"
        )
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"Unrecognized request argument supplied: {param}", param=param, code="unknown_parameter")
    if first["type"] == "missing":
        message, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
    elif first["type"] == "unsupported":
        message, code = f"'{param}' {first['msg']}", "unsupported_parameter"
    else:
        message, code = f"Invalid '{param}': {first['msg']}.", "invalid_value"
    return ApiError(400, message, param=param, code=code)
