"""The messages of a conversation on the wire, and the same conversation as chat templates know it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from firesteel.core.tokenizer import Message
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.fields import Model, NotSupported, Text, refuse_unless, table_of


class CalledFunction(Model):
    """What an assistant called; `arguments` are JSON text of an object."""

    name: str = Field(min_length=1)
    arguments: str
    parsed_arguments: Any = Field(
        None, description="accepted, without effect: OpenAI's client adds it to what it parsed"
    )

    @model_validator(mode="after")
    def _is_a_table(self) -> CalledFunction:
        if table_of(self.arguments) is None:
            raise PydanticCustomError("no_arguments", "the arguments of a call must be the JSON text of an object")
        return self


class ToolCall(Model):
    """A call that an assistant made earlier."""

    id: str = Field(min_length=1)
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = Field(None, description="accepted, without effect: the order of the list counts")

    def rendered(self) -> dict[str, Any]:
        """The call as the chat template knows it."""
        function = {"name": self.function.name, "arguments": self.function.arguments}
        return {"id": self.id, "type": "function", "function": function}


_SAID: JsonValue = {"not": {"type": "null"}}
_NONE: JsonValue = {"type": "null"}
_NO_PREFIX: JsonValue = {"enum": [None, False]}
_NO_CALLS: JsonValue = {"anyOf": [_NONE, {"type": "array", "maxItems": 0}]}
_ROLES: list[JsonValue] = [  # what JSON schema can say of ChatMessage._fits_its_role
    {"properties": {"role": {"const": "assistant"}, "tool_call_id": _NONE}},
    {
        "properties": {
            "role": {"enum": ["system", "developer", "user"]}, "content": _SAID, "tool_calls": _NO_CALLS,
            "tool_call_id": _NONE, "prefix": _NO_PREFIX,
        }, "required": ["content"],
    },
    {
        "properties": {
            "role": {"const": "tool"}, "content": _SAID, "tool_calls": _NO_CALLS,
            "tool_call_id": {"type": "string", "minLength": 1}, "prefix": _NO_PREFIX,
        }, "required": ["content", "tool_call_id"],
    },
]  # fmt: skip


class ChatMessage(Model):
    """One message. `reasoning_content` and `reasoning` are two names of the same thing."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _ROLES})

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_call_id: str | None = Field(None, description="with role tool: the call that this message answers")
    tool_calls: list[ToolCall] | None = Field(None, max_length=128, description="with role assistant: what it called")
    name: str | None = Field(
        None, max_length=64,
        description="who speaks, where the model's template shows it, else refused; with role tool without effect",
    )  # fmt: skip
    refusal: str | None = Field(None, description="with role assistant: what it said instead of content")
    parsed: Any = Field(None, description="accepted, without effect: OpenAI's client adds it to what it parsed")
    prefix: bool | None = Field(
        None, description="with the last message, of the assistant: true = the answer goes on with it (DeepSeek's)"
    )
    function_call: NotSupported = None
    audio: NotSupported = None
    annotations: Annotated[None, refuse_unless([])] = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> ChatMessage:
        wrong = {
            "needs content": self.content is None and self.role != "assistant",
            "needs tool_call_id": self.role == "tool" and not self.tool_call_id,
            "cannot hold tool_calls": bool(self.tool_calls) and self.role != "assistant",
            "cannot hold prefix: true": self.prefix and self.role != "assistant",
            "cannot hold tool_call_id": self.tool_call_id is not None and self.role != "tool",
        }
        for what, so in wrong.items():
            if so:
                raise PydanticCustomError("unfit", "a {role} message {what}", {"role": self.role, "what": what})
        return self

    def rendered(self) -> Message:
        """The message as the chat template knows it; developer is system under its new name."""
        role = "system" if self.role == "developer" else self.role
        message: Message = {"role": role, "content": self.content or self.refusal or ""}
        thought = self.reasoning_content or self.reasoning
        if thought and role == "assistant":
            message["reasoning_content"] = thought
        if self.tool_calls:
            message["tool_calls"] = [
                call.model_dump(exclude={"index": True, "function": {"parsed_arguments"}}) for call in self.tool_calls
            ]
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        if self.name and role != "tool":
            message["name"] = self.name
        if self.prefix:
            message["prefix"] = True  # DeepSeek-V3.1's template reads it
        return message


def conversation(messages: list[ChatMessage]) -> list[Message]:
    """The messages for the template: results of calls follow in the order of the calls. Raises ApiError.

    As OpenAI's API, it refuses a result of no call, a call without a result before somebody else speaks, and two results of one.
    """
    out: list[Message] = []
    waiting: dict[str, int] = {}  # calls that have no result yet -> their place in `out`
    for i, message in enumerate(messages):
        if message.role != "tool":
            if waiting:
                raise _unfit(
                    f"messages[{i}]", f"no tool message has answered the call {next(iter(waiting))!r} before it"
                )
            waiting = {}
            out.append(message.rendered())
            for call in message.tool_calls or []:
                if call.id in waiting:
                    raise _unfit(f"messages[{i}].tool_calls", f"two calls have the id {call.id!r}")
                waiting[call.id] = len(out) + len(waiting)
            out += [{} for _ in waiting]
            continue
        place = waiting.pop(message.tool_call_id or "", None)
        if place is None:
            raise _unfit(
                f"messages[{i}].tool_call_id", f"{message.tool_call_id!r} is no open call of the message before"
            )
        out[place] = message.rendered()
    if waiting:
        raise _unfit("messages", f"no tool message answers the call {next(iter(waiting))!r}")
    return out


def _unfit(param: str, why: str) -> ApiError:
    return ApiError(400, f"Invalid '{param}': {why}.", param=param, code="invalid_value")
