"""The request of the chat API: what is understood, what is accepted without effect, and what is refused by name.

Field names and bounds are OpenAI's (openai-openapi, `CreateChatCompletionRequest`), but for top_k, min_p, repetition_penalty,
min_tokens and others that are vLLM's, and messages with prefix, which are DeepSeek's. Nothing is ignored in silence: a field
that this server does not honour is a 400 that names it, unless its value asks for nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from firesteel.serve.openai.endings import Endable
from firesteel.serve.openai.fields import Bias as Bias
from firesteel.serve.openai.fields import Model as Model
from firesteel.serve.openai.fields import NotSupported as NotSupported
from firesteel.serve.openai.fields import Stops as Stops
from firesteel.serve.openai.fields import inconsistent, refuse_unless
from firesteel.serve.openai.idle import IdleChat
from firesteel.serve.openai.messages import ChatMessage as ChatMessage
from firesteel.serve.openai.prefill import goes_on
from firesteel.serve.openai.prompt_logprobs import PromptLogprobs
from firesteel.serve.openai.structured import Structured
from firesteel.serve.openai.tool_fields import Choice, ResponseFormat, Tool, ToolChoice

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
TemplateVariables = Annotated[
    dict[str, bool | int | float | None] | None,
    Field(
        max_length=16,
        description="variables for the model's template, as vLLM, SGLang and llama.cpp take them; enable_thinking: false "
        "asks for no thoughts. A variable that the template does not read is refused",
    ),
]


class Thinking(Model):
    """DeepSeek's switch for thoughts."""

    type: Literal["enabled", "disabled"]


class StreamOptions(Model):
    """Options of a streamed answer."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = Field(
        None, description="with include_usage: the usage so far in every chunk (vLLM's)"
    )
    include_obfuscation: bool | None = Field(None, description="accepted, without effect")

    @property
    def continuous(self) -> bool:
        """Whether every chunk tells the usage so far."""
        return bool(self.include_usage and self.continuous_usage_stats)


class ChatRequest(Endable, Structured, IdleChat):
    """Body of POST /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(
        None, ge=-1, lt=2**31, description="sample from this many likeliest tokens; 0 and -1 = from all"
    )
    min_p: float | None = Field(
        None, ge=0, le=1, description="sample from tokens at least this likely, as a share of the likeliest one's"
    )
    repetition_penalty: float | None = Field(
        None,
        ge=0.01,
        le=100,
        description="logits of tokens in prompt or answer: divided by it if positive, else multiplied",
    )
    n: int | None = Field(None, ge=1, le=16)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    prompt_logprobs: PromptLogprobs = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Bias] | None = Field(None, max_length=300)
    tools: list[Tool] | None = Field(None, max_length=128, description="refused where the model's template shows none")
    tool_choice: Choice = Field(
        None, description="none, auto (with tools, unless said), required, a function, allowed_tools"
    )
    parallel_tool_calls: bool | None = Field(None, description="false: at most one call")
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = Field(
        None,
        description="how long the model may think: none = not at all; minimal, low, medium, high = up to 256, 1024, 4096, "
        "16384 tokens, then its thought is ended; xhigh, max = as long as it likes. A model whose template takes "
        "reasoning_effort is told instead. Refused by a model whose template shows no thoughts",
    )
    thinking: Thinking | None = Field(None, description="DeepSeek's switch: disabled = reasoning_effort none")
    chat_template_kwargs: TemplateVariables = None
    continue_final_message: bool | None = Field(
        None, description="the answer goes on with the last message, of the assistant, and holds the new text alone"
    )
    add_generation_prompt: bool | None = Field(None, description="false only with continue_final_message: true")
    # accepted; they change nothing about the answer
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = Field(None, max_length=16)
    store: Annotated[None, refuse_unless(False)] = None
    service_tier: Annotated[None, refuse_unless("auto", "default")] = None
    # refused, unless the value asks for nothing
    modalities: Annotated[None, refuse_unless(["text"])] = None
    functions: Annotated[None, refuse_unless([])] = None
    function_call: Annotated[None, refuse_unless("none")] = None
    verbosity: Annotated[None, refuse_unless("medium")] = None
    prompt_cache_retention: Annotated[None, refuse_unless("in_memory", "in-memory")] = None
    audio: NotSupported = None
    prediction: NotSupported = None
    web_search_options: NotSupported = None
    moderation: NotSupported = None

    @model_validator(mode="after")
    def _consistent(self) -> ChatRequest:
        going_on = self.goes_on  # checks itself
        if self.add_generation_prompt is False and not going_on:
            raise inconsistent(
                "add_generation_prompt: false needs continue_final_message: true", "add_generation_prompt"
            )
        if self.prompt_logprobs is not None and self.stream:
            raise inconsistent("prompt_logprobs does not go with stream: true", "prompt_logprobs")
        if self.top_logprobs and not self.logprobs:
            raise inconsistent("top_logprobs needs logprobs: true", "top_logprobs")
        if self.stream_options is not None and not self.stream:
            raise inconsistent("stream_options needs stream: true", "stream_options")
        if self.max_tokens and self.max_completion_tokens and self.max_tokens != self.max_completion_tokens:
            raise inconsistent("max_tokens and max_completion_tokens disagree", "max_completion_tokens")
        off = None if self.thinking is None or self.reasoning_effort is None else self.thinking.type == "disabled"
        if off is not None and off != (self.reasoning_effort == "none"):
            raise inconsistent("thinking and reasoning_effort disagree", "thinking")
        names = [tool.function.name for tool in self.tools or []]
        if len(set(names)) < len(names):
            raise inconsistent("two tools have the same name", "tools")
        if self.tool_choice is not None and self.tool_choice.mode != "none" and not names:
            raise inconsistent("tool_choice needs tools", "tool_choice")
        unknown = [name for name in self.choice.names if name not in names]
        if unknown:
            raise inconsistent(f"tool_choice names {unknown[0][:64]!r}, which is not among the tools", "tool_choice")
        return self

    @model_validator(mode="after")
    def _one_form(self) -> ChatRequest:
        if self.structure is None:
            return self
        name = self.structure.param.partition(".")[0]
        if self.response_format is not None and self.response_format.type != "text":
            raise inconsistent(f"{name} does not go with response_format", name)
        if self.callable:
            raise inconsistent(f"{name} does not go with tools that may be called", name)
        return self

    @property
    def wants_json(self) -> bool:
        """Whether the answer is to be one JSON value."""
        if self.structure is not None:
            return self.structure.json
        return self.response_format is not None and self.response_format.schema_asked is not None

    @property
    def effort(self) -> Effort | None:
        """How long it may think, by whichever field says so."""
        return "none" if self.thinking is not None and self.thinking.type == "disabled" else self.reasoning_effort

    @property
    def goes_on(self) -> bool:
        """Whether the answer goes on with the last message."""
        return goes_on(self.messages, self.continue_final_message, self.add_generation_prompt)

    @property
    def asked_tokens(self) -> int | None:
        """Length of the reply that was asked for."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def choice(self) -> ToolChoice:
        """Whether and what the model may call."""
        return self.tool_choice or ToolChoice("auto" if self.tools else "none")

    @property
    def callable(self) -> list[Tool]:
        """The tools that the model may call in this answer; all are shown to it."""
        choice = self.choice
        tools = [] if choice.mode == "none" else self.tools or []
        return [tool for tool in tools if not choice.names or tool.function.name in choice.names]
