"""What request models are made of: strictness, refusals by name, and the types that several endpoints share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

EXACT = 2**53  # beyond it not every whole number is a float
MOST_STOPS = 32  # OpenAI takes 4; clients of vLLM and llama.cpp send more


class Model(BaseModel):
    """Strict: no coercion of types, no unknown keys, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: Any, info: ValidationInfo) -> Any:
        """JSON has one type of number: 1.0 is an integer where one is wanted; 1.5 and true are none."""
        if not isinstance(value, float | list):
            return value
        types = list(_leaves(cls.model_fields[str(info.field_name)].annotation))
        return _integers(value) if int in types and float not in types else value


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types that a field's type is made of: str, int and None of list[int] | str | None."""
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for part in inner:
        yield from _leaves(part)


def _integers(value: Any, depth: int = 2) -> Any:
    """Whole floats as integers, in lists (and lists in them) too."""
    if isinstance(value, list):
        return [_integers(item, depth - 1) for item in value] if depth else value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT else value


class Addressed(Model):
    """A request that may name the model it is for."""

    model: str | None = Field(None, description="without it, the model itself; adapters are asked for by name")


class refuse_unless:
    """A field that is not supported; `harmless` values are what it may be because they ask for nothing."""

    def __init__(self, *harmless: Any) -> None:
        self._harmless = harmless

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the value, and forget it."""
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        """What may be sent."""
        return {"enum": [None, *self._harmless]}

    def _check(self, value: Any) -> None:
        if value is not None and not any(type(value) is type(h) and value == h for h in self._harmless):
            raise PydanticCustomError("unsupported", "is not supported by this server")


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


_IDLE = ("cache_control", "prompt_cache_breakpoint", "annotations")  # keys of a text part that change nothing here


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
        unknown = sorted(str(key) for key in set(part) - {"type", kind, *_IDLE})
        if unknown:
            shown = unknown[0][:64].encode("utf-8", "replace").decode()
            raise PydanticCustomError(
                "unsupported", "holds a part with '{key}', which is not supported", {"key": shown}
            )
        texts.append(text)
    return "\n".join(texts)


def _stops(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_CONTENT_SCHEMA = {"anyOf": [
    {"type": "string"}, {"type": "null"},
    {"type": "array", "items": {"anyOf": [
        {"type": "object", "required": ["type", kind], "properties": {"type": {"const": kind}, kind: {"type": "string"}}}
        for kind in ("text", "refusal")
    ]}},
]}  # fmt: skip
_STOP_SCHEMA = {"anyOf": [
    {"type": "null"}, {"type": "string", "minLength": 1},
    {"type": "array", "maxItems": MOST_STOPS, "items": {"type": "string", "minLength": 1}},
]}  # fmt: skip

Text = Annotated[str | None, BeforeValidator(_text), WithJsonSchema(_CONTENT_SCHEMA)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
FewStops = Annotated[list[Stop], Field(max_length=MOST_STOPS)]
Stops = Annotated[FewStops | None, BeforeValidator(_stops), WithJsonSchema(_STOP_SCHEMA)]
Bias = Annotated[float, Field(ge=-100, le=100)]
NotSupported = Annotated[None, refuse_unless()]
