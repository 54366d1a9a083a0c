"""response_format: JSON of any kind, JSON of a schema, after a thought and under a guard; what is refused about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai.server import running
from tests.serve.api import LESSONS, NAME, Judgement, app_of, ask, assert_error, body, client, events, post


class Weather(BaseModel):
    """What the answer shall be."""

    sky: Literal["clear", "rain"]
    hot: bool


def schema(**properties: Any) -> dict[str, Any]:
    shape = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "shape", "schema": shape, "strict": True}}


SKY = schema(sky={"enum": ["clear", "rain"]}, hot={"type": "boolean"})
ANY = {"type": "json_object"}


@pytest.mark.parametrize("temperature", [0, 2])
def test_an_answer_follows_its_schema_whatever_the_model_would_say(url: str, temperature: float) -> None:
    for stream in (False, True):
        answer = ask(
            url, "count", response_format=SKY, temperature=temperature, seed=3, reasoning_effort="none", stream=stream
        )
        if stream:
            chunks = list(answer)
            text = "".join(c.choices[0].delta.content or "" for c in chunks)
            reason = chunks[-1].choices[0].finish_reason
        else:
            text, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
        assert set(json.loads(text)) == {"sky", "hot"} and reason == "stop"


def test_a_thought_comes_first_and_is_free(url: str) -> None:
    choice = ask(url, LESSONS[0]["user"], response_format=SKY).choices[0]
    assert choice.message.reasoning_content == LESSONS[0]["reasoning_content"]
    assert set(json.loads(choice.message.content)) == {"sky", "hot"}


def test_the_clients_parser(url: str) -> None:
    parsed = client(url).chat.completions.parse(
        model=NAME, messages=[{"role": "user", "content": "count"}], response_format=Weather, reasoning_effort="none"
    )
    assert isinstance(parsed.choices[0].message.parsed, Weather)


def test_an_answer_cut_short_says_so(url: str) -> None:
    choice = ask(url, "count", response_format=ANY, max_tokens=2, reasoning_effort="none").choices[0]
    assert choice.finish_reason == "length" and choice.message.content.startswith("{")


def test_plain_text_asks_for_nothing(url: str) -> None:
    assert ask(url, "count", response_format={"type": "text"}).choices[0].message.content == LESSONS[1]["content"]


def test_several_choices_each_follow_it(url: str) -> None:
    answer = ask(url, "count", response_format=SKY, n=3, temperature=2, seed=1, reasoning_effort="none")
    assert all(set(json.loads(c.message.content)) == {"sky", "hot"} for c in answer.choices)


class Hiding:
    """Hides words: `kindly` keeps JSON whole, else not."""

    def __init__(self, kindly: bool) -> None:
        self.kindly = kindly

    def check_input(self, text: str) -> Judgement:
        return Judgement(True, text)

    def check_output(self, text: str) -> Judgement:
        return Judgement(True, text.replace("rain" if self.kindly else '"rain', "****"))


@pytest.mark.parametrize("kindly", [True, False])
def test_a_guard_never_leaves_half_of_a_value(taught: Transformer, tokenizer: Tokenizer, kindly: bool) -> None:
    form = schema(sky={"const": "rain"}, note={"const": "x" * 20})
    with running(app_of(taught, tokenizer, guard=Hiding(kindly))) as url:
        asked = body("count", response_format=form, reasoning_effort="none")
        whole = post(url, asked).json()["choices"][0]
        streamed = events(post(url, asked | {"stream": True}))
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in streamed)
    assert (
        streamed[-1]["choices"][0]["finish_reason"]
        == whole["finish_reason"]
        == ("stop" if kindly else "content_filter")
    )
    assert (text == whole["message"]["content"] and "rain" not in text and "{" not in text) or json.loads(text)[
        "sky"
    ] == "****"


def bad() -> Iterator[tuple[Any, str]]:
    yield {"type": "json_schema"}, "response_format.json_schema"
    yield {"type": "json_object", "json_schema": SKY["json_schema"]}, "response_format.json_schema"
    yield {"type": "xml"}, "response_format.type"
    yield {}, "response_format.type"
    yield "json_object", "response_format"
    yield {"type": "json_schema", "json_schema": {"schema": {}}}, "response_format.json_schema.name"
    yield {"type": "json_schema", "json_schema": {"name": "x"}}, "response_format.json_schema.schema"
    yield {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}, "response_format.json_schema.schema"
    yield {"type": "json_schema", "json_schema": {"name": "x y", "schema": {}}}, "response_format.json_schema.name"
    for wrong in (
        {"type": "no such"},
        {"type": 5},
        {"properties": 3},
        {"$ref": "#/nowhere"},
        {"type": "string", "pattern": "("},
    ):
        yield {"type": "json_schema", "json_schema": {"name": "x", "schema": wrong}}, "response_format"
    deep: Any = {"type": "string"}
    for _ in range(150):
        deep = {"type": "object", "properties": {"a": deep}}
    yield {"type": "json_schema", "json_schema": {"name": "x", "schema": deep}}, "response_format"


@pytest.mark.parametrize(("form", "param"), list(bad()))
def test_what_is_wrong_about_it_is_named(url: str, form: Any, param: str) -> None:
    assert_error(post(url, body(response_format=form)), 400, param)


@pytest.mark.parametrize("field", ["guided_json", "json_schema"])
def test_other_servers_names_for_it_are_refused(url: str, field: str) -> None:
    assert_error(post(url, body() | {field: {}}), 400, field, "unknown_parameter")
