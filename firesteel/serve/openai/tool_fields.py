"""Fields about the form of an answer: tools, tool_choice, response_format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from firesteel.core import tokenizer
from firesteel.serve.openai.fields import Model, inconsistent

_NAME = r"^[a-zA-Z0-9_-]{1,64}$"


class ToolFunction(Model):
    """A function that the model may call; `parameters` is a JSON schema of its arguments."""

    name: str = Field(pattern=_NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = Field(
        None, description="true: a schema that cannot be enforced is an error; else its calls then hold any JSON object"
    )


class Tool(Model):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: ToolFunction

    def shown(self) -> tokenizer.Tool:
        """The tool as the template shows it to the model; `strict` is the server's business."""
        function = self.function.model_dump(exclude={"strict"}, exclude_none=True)
        return {"type": "function", "function": function}


@dataclass(frozen=True)
class ToolChoice:
    """Whether the model must call (`required`), may (`auto`) or must not (`none`), and which tools; none named: any."""

    mode: Literal["none", "auto", "required"]
    names: tuple[str, ...] = ()
    named: bool = False  # exactly one call of one named function


def _choice(value: Any) -> ToolChoice | None:
    if value is None or isinstance(value, ToolChoice):
        return value
    if value in ("none", "auto", "required"):
        return ToolChoice(value)
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "function" and set(value) == {"type", "function"}:
        return ToolChoice("required", (_function_name(value),), named=True)
    inside = value.get("allowed_tools") if kind == "allowed_tools" and set(value) == {"type", "allowed_tools"} else None
    if isinstance(inside, dict) and set(inside) == {"mode", "tools"} and inside["mode"] in ("auto", "required"):
        tools = inside["tools"]
        if isinstance(tools, list) and tools and all(isinstance(tool, dict) for tool in tools):
            return ToolChoice(inside["mode"], tuple(_function_name(tool) for tool in tools))
    raise PydanticCustomError("choice", "must be none, auto, required, a named function, or allowed_tools")


def _function_name(value: dict[str, Any]) -> str:
    function = value.get("function")
    if value.get("type") == "function" and isinstance(function, dict) and isinstance(function.get("name"), str):
        return str(function["name"])
    raise PydanticCustomError("choice", 'must name tools as {"type": "function", "function": {"name": ...}}')


_NAMED = {
    "type": "object", "required": ["type", "function"],
    "properties": {
        "type": {"const": "function"},
        "function": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    },
}  # fmt: skip
_CHOICE_SCHEMA = {"anyOf": [
    {"type": "null"}, {"enum": ["none", "auto", "required"]}, {**_NAMED, "additionalProperties": False},
    {"type": "object", "required": ["type", "allowed_tools"], "additionalProperties": False, "properties": {
        "type": {"const": "allowed_tools"},
        "allowed_tools": {"type": "object", "required": ["mode", "tools"], "additionalProperties": False, "properties": {
            "mode": {"enum": ["auto", "required"]}, "tools": {"type": "array", "minItems": 1, "items": _NAMED},
        }},
    }},
]}  # fmt: skip

Choice = Annotated[ToolChoice | None, BeforeValidator(_choice), WithJsonSchema(_CHOICE_SCHEMA)]


class JsonSchemaFormat(Model):
    """A schema by name. It is always enforced; `strict` changes nothing."""

    name: str = Field(pattern=_NAME)
    description: str | None = Field(None, description="accepted, without effect")
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Model):
    """What the answer must be: text, any JSON object, or JSON of a schema (llama.cpp's way to say it: json_object, schema)."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema", description="with json_object: as json_schema.schema")

    @model_validator(mode="after")
    def _has_its_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise inconsistent(
                "json_schema belongs to response_format of type json_schema", "response_format.json_schema"
            )
        if self.schema_ is not None and self.type != "json_object":
            raise inconsistent("schema belongs to response_format of type json_object", "response_format.schema")
        return self

    @property
    def schema_asked(self) -> dict[str, Any] | None:
        """Schema of the answer; None for plain text."""
        if self.json_schema is not None:
            return self.json_schema.schema_
        if self.schema_ is not None:
            return self.schema_
        return {"type": "object"} if self.type == "json_object" else None
