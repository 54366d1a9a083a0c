"""Request bodies of the Responses API. Nothing is ignored in silence: what this server does not do is a 400 that names it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from firesteel.serve.openai.fields import Addressed, Model, NotSupported, inconsistent, refuse_unless
from firesteel.serve.openai.protocol import Effort, StreamOptions, TemplateVariables
from firesteel.serve.openai.responses.fields import Name, by_type, reader, unsupported
from firesteel.serve.openai.responses.items import Items

LOGPROBS = "message.output_text.logprobs"
Key = Annotated[str, StringConstraints(max_length=64)]
Value = Annotated[str, StringConstraints(max_length=512)]


def _included(value: Any) -> Any:
    for entry in value if isinstance(value, list) else ():
        if entry != LOGPROBS:
            raise unsupported("with", entry)
    return value


class PlainFormat(Model):
    """Any text."""

    type: Literal["text"]


class JsonFormat(Model):
    """Some JSON object."""

    type: Literal["json_object"]


class SchemaFormat(Model):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    name: Name
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextConfig(Model):
    """Form of the answer."""

    format: Annotated[
        PlainFormat | JsonFormat | SchemaFormat,
        by_type({"text": PlainFormat, "json_object": JsonFormat, "json_schema": SchemaFormat}),
    ] = PlainFormat(type="text")
    verbosity: Annotated[None, refuse_unless("medium")] = None


class ReasoningConfig(Model):
    """How much to think. Raw thoughts are given, no summaries of them: "auto" asks for what there is."""

    effort: Effort | None = None
    summary: Annotated[None, refuse_unless("auto")] = None
    generate_summary: NotSupported = None
    context: Annotated[None, refuse_unless("auto")] = None
    mode: Annotated[None, refuse_unless("standard")] = None


class FunctionTool(Model):
    """A function that the model may call."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    defer_loading: Annotated[None, refuse_unless(False)] = None
    async_: Annotated[None, refuse_unless(False)] = Field(None, alias="async")
    allowed_callers: Annotated[None, refuse_unless(["direct"])] = None
    output_schema: NotSupported = None


class FunctionName(Model):
    """One of the tools."""

    type: Literal["function"]
    name: Name


class AllowedTools(Model):
    """Some of the tools."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[Annotated[FunctionName, by_type({"function": FunctionName})]] = Field(min_length=1)


Choice = Literal["none", "auto", "required"] | FunctionName | AllowedTools | None
_named_tools = reader({"function": FunctionName, "allowed_tools": AllowedTools})


def _choice(value: Any) -> Any:
    if value in (None, "none", "auto", "required"):
        return value
    if isinstance(value, str):
        raise PydanticCustomError("choice_expected", "it should be none, auto, required or an object that names tools")
    return _named_tools(value)


class Conversation(Addressed):
    """What the two bodies below share: everything that makes the prompt."""

    input: Items = Field(default_factory=list)
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: list[Annotated[FunctionTool, by_type({"function": FunctionTool})]] | None = None
    tool_choice: Annotated[Choice, PlainValidator(_choice, json_schema_input_type=Choice)] = None
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningConfig | None = None
    text: TextConfig | None = None
    chat_template_kwargs: TemplateVariables = None
    truncation: Annotated[None, refuse_unless("disabled")] = None
    conversation: NotSupported = None


class CountRequest(Conversation):
    """Body of POST /v1/responses/input_tokens."""

    personality: NotSupported = None


class ResponseRequest(Conversation):
    """Body of POST /v1/responses."""

    max_output_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(
        None, ge=-1, lt=2**31, description="as in chat; OpenAI has this and the next five not here"
    )
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, ge=0.01, le=100)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    top_logprobs: int | None = Field(None, ge=0, le=20)
    include: Annotated[list[Literal["message.output_text.logprobs"]] | None, BeforeValidator(_included)] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    # accepted; they change nothing about the answer
    metadata: dict[Key, Value] | None = Field(None, max_length=16)
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    # refused, unless the value asks for nothing
    service_tier: Annotated[None, refuse_unless("auto", "default")] = None
    background: Annotated[None, refuse_unless(False)] = None
    background_options: NotSupported = None
    context_management: NotSupported = None
    max_tool_calls: NotSupported = None
    moderation: NotSupported = None
    prompt: NotSupported = None
    prompt_cache_options: NotSupported = None
    prompt_cache_retention: Annotated[None, refuse_unless("in_memory", "in-memory")] = None
    access_programs: NotSupported = None
    image: NotSupported = None

    @model_validator(mode="after")
    def _consistent(self) -> ResponseRequest:
        if not self.input and not self.previous_response_id:
            raise inconsistent("there is no input", "input")
        if self.top_logprobs and not self.wants_logprobs:
            raise inconsistent(f"top_logprobs needs include: {[LOGPROBS]}", "top_logprobs")
        if self.stream_options is not None and not self.stream:
            raise inconsistent("stream_options needs stream: true", "stream_options")
        return self

    @property
    def wants_logprobs(self) -> bool:
        """Whether logprobs of the answer are to be given."""
        return LOGPROBS in (self.include or ())


class GetQuery(BaseModel):
    """Query of GET /v1/responses/{id}."""

    model_config = ConfigDict(extra="forbid")

    stream: Annotated[None, refuse_unless("false")] = None
    include: NotSupported = None
    include_obfuscation: NotSupported = None
    starting_after: NotSupported = None


class ListQuery(BaseModel):
    """Query of GET /v1/responses/{id}/input_items."""

    model_config = ConfigDict(extra="forbid")

    after: str | None = None
    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    include: NotSupported = None
