"""What request models are made of: strictness, refusals by name, and the types that several endpoints share."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError


class Model(BaseModel):
    """Strict: no coercion of types, no unknown keys, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class Addressed(Model):
    """A request that may name the model it is for."""

    model: str | None = Field(None, description="without it, the model itself; adapters are asked for by name")


def refuse_unless(*harmless: Any) -> BeforeValidator:
    """A field that is not supported; `harmless` values are what it may be because they ask for nothing."""

    def check(value: Any) -> None:
        if value is not None and not any(type(value) is type(h) and value == h for h in harmless):
            raise PydanticCustomError("unsupported", "is not supported by this server")

    return BeforeValidator(check)


def inconsistent(message: str, param: str) -> PydanticCustomError:
    """A mistake that lies between fields; `param` is the one to name."""
    return PydanticCustomError("inconsistent", "{message}", {"message": message, "param": param})


def table_of(text: str) -> dict[str, Any] | None:
    """JSON text of a table; empty text is an empty one. None if it is anything else, or nested beyond reading."""
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(value: Any) -> Any:
    """Content as one string: a string, or a list of text parts (joined by newlines)."""
    if not isinstance(value, list):
        return value
    texts = []
    for part in value:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get(kind) if kind in ("text", "refusal") else None
        if not isinstance(text, str):
            raise PydanticCustomError(
                "unsupported", "may hold text parts only; this model reads no images, audio or files"
            )
        texts.append(text)
    return "\n".join(texts)


def _stops(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_CONTENT_SCHEMA = {"anyOf": [
    {"type": "string"}, {"type": "null"},
    {"type": "array", "items": {
        "type": "object", "required": ["type", "text"],
        "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    }},
]}  # fmt: skip
_STOP_SCHEMA = {"anyOf": [
    {"type": "null"}, {"type": "string", "minLength": 1},
    {"type": "array", "maxItems": 4, "items": {"type": "string", "minLength": 1}},
]}  # fmt: skip

Text = Annotated[str | None, BeforeValidator(_text), WithJsonSchema(_CONTENT_SCHEMA)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
FewStops = Annotated[list[Stop], Field(max_length=4)]
Stops = Annotated[FewStops | None, BeforeValidator(_stops), WithJsonSchema(_STOP_SCHEMA)]
Bias = Annotated[float, Field(ge=-100, le=100)]
NotSupported = Annotated[None, refuse_unless()]
