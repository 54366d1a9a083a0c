"""Prompts of requests that bring plain text: a string, strings, token ids, or arrays of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.service import Service
from firesteel.serve.openai.text import Verdict

MOST = 2048  # prompts of one request
Given = str | list[int]


def _readable(text: str) -> str:
    """Refuse half a surrogate pair: it is no character, and no tokenizer reads it."""
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise PydanticCustomError("no_text", "holds half a surrogate pair, which is no text") from e
    return text


def _given(value: Any) -> list[Given]:
    """The four ways to say it as one: a list of texts and token arrays."""
    if isinstance(value, str):
        return [_readable(value)]
    if isinstance(value, list):
        if not value:
            raise PydanticCustomError("empty", "must not be empty")
        if _are_ids(value):
            return [value]
        if all(isinstance(item, str) for item in value) or all(isinstance(i, list) and _are_ids(i) for i in value):
            if len(value) > MOST:
                raise PydanticCustomError("too_many", "holds {n} items; at most {most} are allowed", {
                    "n": len(value), "most": MOST,
                })  # fmt: skip
            return [_readable(item) if isinstance(item, str) else item for item in value]
    message = "must be a string, an array of strings, an array of token ids, or an array of arrays of token ids"
    raise PydanticCustomError("wrong_type", message)


def _are_ids(value: list[Any]) -> bool:
    return all(type(item) is int for item in value)  # true is an int to Python


_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_SCHEMA = {"anyOf": [
    {"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST}, _IDS,
    {"type": "array", "items": _IDS, "minItems": 1, "maxItems": MOST},
]}  # fmt: skip
PlainText = Annotated[str, AfterValidator(_readable)]
Inputs = Annotated[list[Given], PlainValidator(_given), WithJsonSchema(_SCHEMA)]


@dataclass(frozen=True)
class Input:
    """One prompt as ids, what the tokenizer puts around text apart; the verdict by which the guard refused it, if any."""

    lead: list[int]
    ids: list[int]
    tail: list[int]
    refused: Verdict | None = None

    @property
    def whole(self) -> list[int]:
        """The ids to continue."""
        return [*self.lead, *self.ids, *self.tail]


def read_input(service: Service, given: Given, param: str) -> Input:
    """Show it to the guard and tokenise it. Text is only text; token arrays are taken as they are. Raises ApiError 400."""
    tokenizer = service.tokenizer
    if isinstance(given, str):
        text, refused = judged(service, given)
        ids = tokenizer.encode(text)
        return Input(tokenizer.prefix, ids, tokenizer.suffix, refused)
    check_ids(given, tokenizer, param)
    lead = tokenizer.prefix if given[: len(tokenizer.prefix)] == tokenizer.prefix else []
    said = tokenizer.decode(given)
    text, refused = judged(service, said)
    ids = given[len(lead) :] if text == said else tokenizer.encode(text)
    return Input(lead, ids, [], refused)


def judged(service: Service, text: str) -> tuple[str, Verdict | None]:
    """(the text as the guard lets it through, None) or (the text, why not)."""
    if service.guard is None or not text:
        return text, None
    verdict = service.guard.check_input(text)
    if verdict.allowed:
        return verdict.text, None
    service.metrics.blocked.labels("input", verdict.category).inc()
    return text, verdict


def check_ids(ids: Sequence[int], tokenizer: Tokenizer, param: str) -> None:
    """Raise ApiError 400 for what is no token of this model."""
    wrong = next((id for id in ids if not 0 <= id < tokenizer.vocab_size), None)
    if wrong is not None:
        shown = wrong if -(2**63) <= wrong < 2**63 else "a number that large"
        message = f"Invalid '{param}': {shown} is not a token id (0 to {tokenizer.vocab_size - 1})."
        raise ApiError(400, message, param=param, code="invalid_value")


def check_length(service: Service, prompt: int, asked: int, param: str) -> None:
    """Raise ApiError 400, with the numbers, for a prompt that does not fit the context with `asked` new tokens."""
    if prompt + asked <= service.context:
        return
    wanted = f", {asked} in the completion" if asked else ""
    message = (
        f"This model's maximum context length is {service.context} tokens. However, you requested {prompt + asked} tokens "
        f"({prompt} in the {param}{wanted}). Please reduce the length of the {param}{' or completion' if asked else ''}."
    )
    raise ApiError(400, message, param=param, code="context_length_exceeded")
