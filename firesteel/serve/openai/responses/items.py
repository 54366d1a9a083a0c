"""Items of the Responses API, as a client sends them: what is understood, what is refused by name, and how each is kept.

An item is kept as OpenAI lists it, with an id. Fields and forms are those of openai-python: `ResponseInputItem`, `ResponseItem`.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from firesteel.serve.openai.fields import Model, NotSupported, refuse_unless
from firesteel.serve.openai.responses.fields import as_parts, by_type

Record = dict[str, Any]  # an item as it is kept and listed
Status = Literal["in_progress", "completed", "incomplete"]
Phase = Literal["commentary", "final_answer"]
PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}


def new_id(prefix: str) -> str:
    """An id that nobody can guess."""
    return f"{prefix}_{uuid.uuid4().hex}"


class InputText(Model):
    """What somebody said to the model."""

    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: NotSupported = None


class OutputText(Model):
    """What the model said."""

    type: Literal["output_text"]
    text: str
    annotations: Annotated[None, refuse_unless([])] = None
    logprobs: list[Any] | None = Field(None, description="accepted, without effect: an answer sent back has them")


class OutputRefusal(Model):
    """What the model said instead of an answer."""

    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        """The words."""
        return self.refusal


class ReasoningText(Model):
    """What the model thought."""

    type: Literal["reasoning_text"]
    text: str


class SummaryText(Model):
    """What the model thought, in short; this server writes none."""

    type: Literal["summary_text"]
    text: str


_PARTS = by_type({"input_text": InputText, "output_text": OutputText, "refusal": OutputRefusal})
_TOOL_PARTS = by_type({"input_text": InputText})
_STRING_OR_PARTS = BeforeValidator(as_parts, json_schema_input_type=str | list[InputText | OutputText | OutputRefusal])
_STRING_OR_TEXTS = BeforeValidator(as_parts, json_schema_input_type=str | list[InputText])


class MessageItem(Model):
    """A message. Of the model's own, a string and parts of text mean the same."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[list[Annotated[Any, _PARTS]], _STRING_OR_PARTS]
    id: str | None = None
    status: Status | None = None
    phase: Phase | None = Field(None, description="kept with the assistant's messages; templates have no place for it")

    def record(self) -> Record:
        """As it is kept."""
        kept: list[dict[str, Any]] = []
        for part in self.content:
            if self.role == "assistant":
                kept.append(output_text(part.text))
            else:
                kept.append({"type": "input_text", "text": part.text})
        phase = {"phase": self.phase} if self.phase and self.role == "assistant" else {}
        return _record(self, role=self.role, content=kept, **phase)


class ReasoningItem(Model):
    """A thought that the model had in an earlier turn."""

    type: Literal["reasoning"]
    summary: list[SummaryText] = Field(default_factory=list)
    content: list[ReasoningText] | None = None
    id: str | None = None
    status: Status | None = None
    encrypted_content: NotSupported = None

    def record(self) -> Record:
        """As it is kept."""
        content = [part.model_dump() for part in self.content or ()]
        return _record(self, summary=[part.model_dump() for part in self.summary], content=content)


class FunctionCallItem(Model):
    """A call that the model made in an earlier turn."""

    model_config = ConfigDict(populate_by_name=True)  # openai-python's model_dump writes async_

    type: Literal["function_call"]
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: str
    id: str | None = None
    status: Status | None = None
    async_: Annotated[None, refuse_unless(False)] = Field(None, alias="async")
    caller: Annotated[None, refuse_unless({"type": "direct"})] = None
    namespace: NotSupported = None

    def record(self) -> Record:
        """As it is kept."""
        return _record(self, call_id=self.call_id, name=self.name, arguments=self.arguments)


class FunctionCallOutputItem(Model):
    """What a call gave."""

    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1)
    output: Annotated[list[Annotated[Any, _TOOL_PARTS]], _STRING_OR_TEXTS]
    id: str | None = None
    status: Status | None = None
    name: str | None = Field(None, description="accepted, without effect: call_id says which call it belongs to")
    caller: Annotated[None, refuse_unless({"type": "direct"})] = None
    namespace: NotSupported = None

    def record(self) -> Record:
        """As it is kept."""
        return _record(self, call_id=self.call_id, output="\n".join(part.text for part in self.output))


_ITEMS = {
    "message": MessageItem, "reasoning": ReasoningItem, "function_call": FunctionCallItem,
    "function_call_output": FunctionCallOutputItem,
}  # fmt: skip
Item = MessageItem | ReasoningItem | FunctionCallItem | FunctionCallOutputItem


def _named(value: Any) -> Any:
    """An item may leave out its type where it is a message, or (refused) a reference to one."""
    if isinstance(value, dict) and value.get("type") is None:
        kind = "message" if "role" in value or "content" in value else "item_reference"
        return value | {"type": kind}
    return value


def _as_items(value: Any) -> Any:
    """A string is short for one message of the user."""
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


Items = Annotated[
    list[Annotated[Any, by_type(_ITEMS), BeforeValidator(_named)]],
    BeforeValidator(_as_items, json_schema_input_type=str | list[Item]),
]


def output_text(text: str, logprobs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The part of a message that the model said."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}


def _record(item: Item, **fields: Any) -> Record:
    return {
        "id": item.id or new_id(PREFIXES[item.type]), "type": item.type, "status": item.status or "completed", **fields,
    }  # fmt: skip
