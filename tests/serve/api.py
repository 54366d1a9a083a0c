"""What the tests of this room share: the taught model's lessons, a small guard, and ways to ask a server."""

from __future__ import annotations

import functools
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx
import openai

from firesteel.core.config import ServeSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.openai.server import create_app

LESSONS = [  # what the taught model says, word for word
    {"user": "六乘七等于几", "reasoning_content": "先算六乘七，得四十二。", "content": "答案是 42。"},
    {"user": "count", "content": "one two three four five six seven eight nine ten"},
    {"user": "phone", "content": "Call 13800138000 now, or write to us tomorrow morning before the office opens."},
    {
        "user": "danger",
        "content": "It starts harmless and goes on for a while, but then comes FORBIDDEN knowledge, step by step.",
    },
    {"user": "think", "reasoning_content": "This is a FORBIDDEN thought.", "content": "Fine."},
    {"user": "forever", "content": "la " * 40},
]


def conversation(lesson: dict[str, str]) -> list[dict[str, str]]:
    answer = {k: v for k, v in lesson.items() if k != "user"}
    return [{"role": "user", "content": lesson["user"]}, {"role": "assistant", **answer}]


@dataclass(frozen=True)
class Judgement:
    allowed: bool
    text: str
    reason: str = ""
    category: str = ""


HELPLINE = "Please call somebody. 请联系他人。"


class WordGuard:
    """A guard small enough to reason about: stops FORBIDDEN, hides telephone numbers."""

    def check_input(self, text: str) -> Judgement:
        if "FORBIDDEN" in text:
            return Judgement(False, HELPLINE if "HELP" in text else "", "a word", "test")
        return Judgement(True, re.sub(r"\d{11}", "[PHONE]", text))

    check_output = check_input


SETTINGS = ServeSettings(max_sequences=4, max_queued=4, max_new_tokens=100)
NAME = "tiny-fire"


def app_of(
    model: Transformer,
    tokenizer: Tokenizer,
    settings: ServeSettings = SETTINGS,
    *,
    cache_tokens: int = 4096,
    **options: Any,
) -> Any:
    engine = Engine(model, tokenizer, max_sequences=settings.max_sequences, cache_tokens=cache_tokens)
    return create_app(engine, tokenizer, name=NAME, settings=settings, **options)


@functools.cache
def http() -> httpx.Client:
    """One client for all: making one costs more than asking it."""
    return httpx.Client(timeout=60, verify=False)


@functools.cache
def client(url: str, key: str = "-") -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, _strict_response_validation=True)


def ask(url: str, text: str, **options: Any) -> Any:
    options = {"temperature": 0, **options}
    return client(url).chat.completions.create(model=NAME, messages=[{"role": "user", "content": text}], **options)


def post(url: str, body: Any = None, **options: Any) -> httpx.Response:
    if body is not None:
        options["json"] = body
    return http().post(f"{url}/chat/completions", **options)


def body(text: str = "count", **options: Any) -> dict[str, Any]:
    return {"model": NAME, "messages": [{"role": "user", "content": text}], "temperature": 0, **options}


ENDLESS = {"logit_bias": {str(id): -100 for id in range(9)}}  # no special token can end the answer


def events(response: httpx.Response) -> list[Any]:
    lines = [line for line in response.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1]]


def assert_error(
    response: httpx.Response, status: int, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and isinstance(error["type"], str)
    assert error["param"] == param and (code is None or error["code"] == code), error
    return dict(error)


def wait_until(condition: Any, what: str) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(what)


def idle(app: Any) -> bool:
    loop = app.state.loop
    return loop.in_flight == 0 and not loop.engine.busy and loop.engine.cache_use == 0
