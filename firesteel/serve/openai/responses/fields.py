"""Kinds of fields that bodies of the Responses API are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import PlainValidator, StringConstraints
from pydantic_core import PydanticCustomError

from firesteel.serve.openai.fields import Model

Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]  # of a tool or a schema


def by_type(kinds: Mapping[str, type[Model]]) -> PlainValidator:
    """A field that holds one of several kinds of object, told apart by their `type`; another type is refused by name."""
    return PlainValidator(reader(kinds), json_schema_input_type=reduce(or_, kinds.values()))


def reader(kinds: Mapping[str, type[Model]]) -> Callable[[Any], Model]:
    """The check of `by_type`. A mistake inside an object is reported at its own place, without the name of its kind."""

    def read(value: Any) -> Model:
        if not isinstance(value, dict):
            raise PydanticCustomError("object_expected", "it should be an object")
        kind = value.get("type")
        if not isinstance(kind, str):
            raise PydanticCustomError("type_expected", "it should have a type")
        if kind not in kinds:
            raise unsupported("of type", kind)
        return kinds[kind].model_validate(value)

    return read


def unsupported(what: str, name: object) -> PydanticCustomError:
    """A refusal that says the name of what a client asked for; it may hold lone surrogates, which pydantic cannot write."""
    shown = str(name)[:100].encode("utf-8", "replace").decode()
    return PydanticCustomError(
        "unsupported", "{what} '{name}' is not supported by this server", {"what": what, "name": shown}
    )


def as_parts(value: Any) -> Any:
    """A string is short for one part of text."""
    return [{"type": "input_text", "text": value}] if isinstance(value, str) else value
