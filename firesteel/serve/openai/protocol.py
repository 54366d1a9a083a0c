"""The request models of the chat API: what is understood, what is accepted without effect, and what is refused by name.

Field names and bounds are OpenAI's (openai-openapi, `CreateChatCompletionRequest`). Nothing is ignored in silence: a field
that this server does not honour is a 400 that names it, unless its value asks for nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from firesteel.core.tokenizer import Message


def _refuse_unless(*harmless: Any) -> BeforeValidator:
    """A field that is not supported; `harmless` values are what it may be because they ask for nothing."""

    def check(value: Any) -> None:
        if value is not None and not any(type(value) is type(h) and value == h for h in harmless):
            raise PydanticCustomError("unsupported", "is not supported by this server")

    return BeforeValidator(check)


def _text(value: Any) -> Any:
    """Content as one string: a string, or a list of text parts (joined by newlines)."""
    if not isinstance(value, list):
        return value
    texts = []
    for part in value:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise PydanticCustomError(
                "unsupported", "may hold text parts only; this model reads no images, audio or files"
            )
        texts.append(part["text"])
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
NotSupported = Annotated[None, _refuse_unless()]
NoTools = Annotated[None, _refuse_unless([], "none")]


class Model(BaseModel):
    """Strict: no coercion of types, no unknown keys, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class ChatMessage(Model):
    """One message. `reasoning_content` and `reasoning` are two names of the same thing."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_call_id: str | None = Field(
        None, description="accepted with role tool; the template does not show it to the model"
    )
    name: NotSupported = None
    tool_calls: NoTools = None
    function_call: NotSupported = None
    refusal: NotSupported = None
    audio: NotSupported = None
    annotations: Annotated[None, _refuse_unless([])] = None

    @model_validator(mode="after")
    def _has_content(self) -> ChatMessage:
        if self.content is None and self.role != "assistant":
            raise PydanticCustomError("no_content", "a {role} message needs content", {"role": self.role})
        return self

    def rendered(self) -> Message:
        """The message as the chat template knows it; developer is system under its new name."""
        role = "system" if self.role == "developer" else self.role
        thought = self.reasoning_content or self.reasoning
        own = {"role": role, "content": self.content or ""}
        return own | ({"reasoning_content": thought} if thought and role == "assistant" else {})


class StreamOptions(Model):
    """Options of a streamed answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = Field(None, description="accepted, without effect")


class ChatRequest(Model):
    """Body of POST /v1/chat/completions."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    n: int | None = Field(None, ge=1, le=16)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Stops = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Bias] | None = Field(None, max_length=300)
    # accepted; they change nothing about the answer
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = Field(None, max_length=16)
    store: Annotated[None, _refuse_unless(False)] = None
    service_tier: Annotated[None, _refuse_unless("auto", "default")] = None
    # refused, unless the value asks for nothing
    response_format: Annotated[None, _refuse_unless({"type": "text"})] = None
    modalities: Annotated[None, _refuse_unless(["text"])] = None
    tools: NoTools = None
    tool_choice: NoTools = None
    parallel_tool_calls: Annotated[None, _refuse_unless(True, False)] = None
    functions: NoTools = None
    function_call: NoTools = None
    audio: NotSupported = None
    prediction: NotSupported = None
    reasoning_effort: NotSupported = None
    verbosity: NotSupported = None
    web_search_options: NotSupported = None
    moderation: NotSupported = None
    prompt_cache_retention: NotSupported = None

    @model_validator(mode="after")
    def _consistent(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise PydanticCustomError("inconsistent", "top_logprobs needs logprobs: true", {"param": "top_logprobs"})
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError("inconsistent", "stream_options needs stream: true", {"param": "stream_options"})
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            message = "max_tokens and max_completion_tokens disagree"
            raise PydanticCustomError("inconsistent", message, {"param": "max_completion_tokens"})
        return self

    @property
    def asked_tokens(self) -> int | None:
        """Length of the reply that was asked for."""
        return self.max_completion_tokens or self.max_tokens
