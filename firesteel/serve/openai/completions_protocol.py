"""The request model of the completions API. Field names and bounds are OpenAI's (`CreateCompletionRequest`); others are vLLM's
and llama.cpp's: top_k, min_p, repetition_penalty, prompt_logprobs, and those of endings.py and
structured.py. Nothing is ignored in silence."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from firesteel.serve.openai.endings import Endable
from firesteel.serve.openai.fields import Bias, inconsistent
from firesteel.serve.openai.idle import IdleCompletion
from firesteel.serve.openai.inputs import MOST, Inputs, PlainText
from firesteel.serve.openai.prompt_logprobs import PromptLogprobs
from firesteel.serve.openai.protocol import StreamOptions
from firesteel.serve.openai.structured import Structured

DEFAULT_TOKENS = 16  # OpenAI's


class CompletionRequest(Endable, Structured, IdleCompletion):
    """Body of POST /v1/completions."""

    prompt: Inputs
    suffix: PlainText | None = Field(None, description="text after the gap to fill; for models with tokens for it")
    max_tokens: int | None = Field(
        None, ge=0, description=f"default {DEFAULT_TOKENS}, or what the context leaves if less"
    )
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1, description="0 or -1: all")
    min_p: float | None = Field(None, ge=0, le=1)
    n: int | None = Field(None, ge=1, le=128)
    best_of: int | None = Field(None, ge=1, le=20)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)
    prompt_logprobs: PromptLogprobs = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, ge=0.01, le=100)
    logit_bias: Annotated[dict[str, Bias] | None, Field(max_length=300)] = None
    user: str | None = Field(None, description="accepted; changes nothing about the answer")

    @model_validator(mode="after")
    def _consistent(self) -> CompletionRequest:
        wrong = {
            "stream_options": "needs stream: true" if self.stream_options is not None and not self.stream else "",
            "prompt_logprobs": "does not go with stream: true"
            if self.prompt_logprobs is not None and self.stream
            else "",
            "best_of": self._wrong_best_of(),
            "echo": "does not go with suffix" if self.echo and self.suffix else "",
            "prompt": f"asks for more than {MOST} completions" if len(self.prompt) * self.drawn > MOST else "",
        }
        for param, why in wrong.items():
            if why:
                raise inconsistent(f"{param} {why}", param)
        return self

    def _wrong_best_of(self) -> str:
        if self.best_of is not None and self.best_of < self.returned:
            return "must not be less than n"
        return "does not go with stream" if self.stream and self.drawn > self.returned else ""

    @property
    def returned(self) -> int:
        """Choices to return for each prompt."""
        return self.n or 1

    @property
    def drawn(self) -> int:
        """Choices to compute for each prompt."""
        return self.best_of or self.returned
