"""POST /tokenize and /detokenize, in vLLM's words and in llama.cpp's; GET /version."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import FastAPI, Response
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from firesteel import __version__
from firesteel.core.decoding import Pieces
from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.fields import Addressed, inconsistent
from firesteel.serve.openai.inputs import PlainText, check_ids
from firesteel.serve.openai.messages import ChatMessage, conversation
from firesteel.serve.openai.names import token_name
from firesteel.serve.openai.prefill import goes_on
from firesteel.serve.openai.service import Service, json_response, route
from firesteel.serve.openai.tool_fields import Tool


def _never(value: Any) -> Any:
    if value not in (None, False):
        raise PydanticCustomError("unsupported", "is not supported: text never becomes a control token")
    return value


class TokenizeRequest(Addressed):
    """Body of POST /tokenize: `prompt` (vLLM), `content` (llama.cpp) or `messages`; each option has two names likewise."""

    prompt: PlainText | None = None
    content: PlainText | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1)] | None = None
    tools: list[Tool] | None = Field(None, max_length=128, description="with messages")
    add_generation_prompt: bool | None = Field(None, description="with messages; default true")
    continue_final_message: bool | None = Field(
        None, description="with messages: up to the end of what the last one says"
    )
    add_special_tokens: bool | None = Field(None, description="what stands around text; default true with prompt")
    add_special: bool | None = Field(None, description="the same; default false with content")
    return_token_strs: bool | None = Field(None, description="tokens as strings too, in token_strs")
    with_pieces: bool | None = Field(None, description="tokens as objects of id and piece")
    parse_special: Annotated[bool | None, BeforeValidator(_never), WithJsonSchema({"enum": [None, False]})] = None

    @model_validator(mode="after")
    def _consistent(self) -> TokenizeRequest:
        texts = [name for name in ("prompt", "content", "messages") if getattr(self, name) is not None]
        chat = self.messages is not None
        wrong = {
            "prompt": len(texts) != 1 and "or content or messages is needed, and only one of them",
            "tools": self.tools and not chat and "needs messages",
            "add_generation_prompt": self.add_generation_prompt is not None and not chat and "needs messages",
            "continue_final_message": self.continue_final_message and not chat and "needs messages",
            "add_special_tokens": chat and self.special and "does not go with messages: the template writes them",
            "add_special": None not in (self.add_special, self.add_special_tokens)
            and self.add_special != self.add_special_tokens and "and add_special_tokens disagree",
        }  # fmt: skip
        for param, why in wrong.items():
            if why:
                raise inconsistent(f"{param} {why}", param)
        _ = self.goes_on  # checks itself
        return self

    @property
    def goes_on(self) -> bool:
        """Whether the prompt ends inside the last message."""
        return bool(self.messages) and goes_on(
            self.messages or [], self.continue_final_message, self.add_generation_prompt
        )

    @property
    def special(self) -> bool:
        """Whether what the tokenizer puts around text is wanted."""
        said = self.add_special if self.add_special_tokens is None else self.add_special_tokens
        return self.prompt is not None if said is None else said


class DetokenizeRequest(Addressed):
    """Body of POST /detokenize."""

    tokens: list[int]
    skip_special_tokens: bool | None = Field(None, description="leave special tokens out; they are shown by default")


def add_routes(app: FastAPI, service: Service) -> None:
    """POST /tokenize, POST /detokenize, GET /version."""

    async def tokenize(body: TokenizeRequest) -> Response:
        service.adapter(body.model)
        return json_response(await run_in_threadpool(_tokenize, service, body))

    async def detokenize(body: DetokenizeRequest) -> Response:
        service.adapter(body.model)
        check_ids(body.tokens, service.tokenizer, "tokens")
        text = await run_in_threadpool(_text, service.tokenizer, body)
        return json_response({"prompt": text, "content": text})

    async def version() -> Response:
        return json_response({"version": __version__})

    route(app, "/tokenize", tokenize, ("POST",))
    route(app, "/detokenize", detokenize, ("POST",))
    route(app, "/version", version)


def _tokenize(service: Service, body: TokenizeRequest) -> dict[str, Any]:
    """Both dialects' answer."""
    ids = _ids(service.tokenizer, body)
    tokens: list[Any] = ids
    if body.with_pieces:
        tokens = [{"id": id, "piece": _piece(service.tokenizer, id)} for id in ids]
    strings = [token_name(service.tokenizer, id) for id in ids] if body.return_token_strs else None
    return {"count": len(ids), "max_model_len": service.context, "tokens": tokens, "token_strs": strings}


def _ids(tokenizer: Tokenizer, body: TokenizeRequest) -> list[int]:
    if body.messages is None:
        text = body.content if body.prompt is None else body.prompt
        assert text is not None
        return tokenizer.continued(text) if body.special else tokenizer.encode(text)
    messages, tools = conversation(body.messages), [tool.shown() for tool in body.tools or ()]
    try:
        json.dumps([messages, tools], ensure_ascii=False).encode()
    except UnicodeEncodeError as e:
        message = "Invalid 'messages': they hold half a surrogate pair, which is no text."
        raise ApiError(400, message, param="messages", code="invalid_value") from e
    try:
        if body.goes_on:
            return tokenizer.prefilled(messages, tools=tools).ids
        if body.add_generation_prompt is False:
            return tokenizer.render(messages, tools=tools).ids
        return tokenizer.prompt(messages, tools=tools)
    except UserError as e:
        said = e.what if e.value is None else f"{e.what}: {e.value}"
        reason = ". ".join(part for part in (said, e.why) if part)
        raise ApiError(400, reason, param="messages", code="invalid_value") from e


def _piece(tokenizer: Tokenizer, id: int) -> str | list[int]:
    """A token's text, or its bytes where they are half a character: llama.cpp's `piece`."""
    raw = tokenizer.pieces.of(id)
    try:
        return raw.decode("utf-8") if raw else token_name(tokenizer, id)
    except UnicodeDecodeError:
        return list(raw)


def _text(tokenizer: Tokenizer, body: DetokenizeRequest) -> str:
    """Tokens as text, special ones by name."""
    pieces = tokenizer.pieces
    if body.skip_special_tokens:
        return pieces.text(body.tokens)
    named = {id: pieces.of(id) or token_name(tokenizer, id).encode() for id in set(body.tokens)}
    return Pieces([named.get(id, b"") for id in range(tokenizer.vocab_size)], pieces.lead).text(body.tokens)
