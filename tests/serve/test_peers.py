"""Forms of requests that clients of vLLM and llama.cpp send, and that OpenAI's own API does not know or wants otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.serve.api import LESSONS, NAME, assert_error, body, events, http, post


@pytest.mark.parametrize("model", [{}, {"model": None}])
@pytest.mark.parametrize(
    "path,request_body",
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "count"}], "temperature": 0}),
        ("completions", {"prompt": "count", "max_tokens": 2}), ("embeddings", {"input": "count"}),
        ("responses", {"input": "count", "temperature": 0}), ("responses/input_tokens", {"input": "count"}),
        ("tokenize", {"prompt": "count"}),
    ],
)  # fmt: skip
def test_a_request_without_a_model_is_for_the_one_that_is_served(
    url: str, path: str, request_body: dict[str, Any], model: dict[str, Any]
) -> None:
    response = http().post(f"{url}/{path}", json=request_body | model)
    assert response.status_code == 200, response.text
    assert response.json().get("model", NAME) == NAME


def test_a_stream_without_a_model_says_its_name(url: str) -> None:
    asked = {key: value for key, value in body(stream=True, max_tokens=3).items() if key != "model"}
    assert {chunk["model"] for chunk in events(post(url, asked))} == {NAME}


@pytest.mark.parametrize("more", [{}, {"stream_options": None}])
def test_a_schema_may_stand_beside_json_object(url: str, more: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"n": {"const": 42}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_object", "schema": schema}
    answer = post(url, body(response_format=form, reasoning_effort="none", **more)).json()
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"n": 42}


@pytest.mark.parametrize("kind", ["text", "json_schema"])
def test_a_schema_stands_beside_nothing_else(url: str, kind: str) -> None:
    form = {"type": kind, "schema": {}} | (
        {"json_schema": {"name": "x", "schema": {}}} if kind == "json_schema" else {}
    )
    assert_error(post(url, body(response_format=form)), 400, "response_format.schema")


def test_a_schema_beside_json_object_is_checked(url: str) -> None:
    for schema, param in ((123, "response_format.schema"), ({"type": "hiccup"}, "response_format")):
        assert_error(post(url, body(response_format={"type": "json_object", "schema": schema})), 400, param)


@pytest.mark.parametrize("path,asked", [
    ("chat/completions", body(max_tokens=5)), ("completions", {"model": NAME, "prompt": "count", "max_tokens": 5}),
])  # fmt: skip
def test_usage_may_come_with_every_chunk(url: str, path: str, asked: dict[str, Any]) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    response = http().post(f"{url}/{path}", json=asked | {"stream": True, "stream_options": options})
    counts = [chunk["usage"]["completion_tokens"] for chunk in events(response)]
    assert counts == sorted(counts) and counts[-1] > 0
    response = http().post(
        f"{url}/{path}", json=asked | {"stream": True, "stream_options": options | {"include_usage": False}}
    )
    assert all("usage" not in chunk for chunk in events(response)), "as vLLM: nothing without include_usage"


def test_no_alternatives_may_be_asked_for_without_logprobs(url: str) -> None:
    answer = post(url, body(top_logprobs=0, logprobs=False, max_tokens=2)).json()
    assert answer["choices"][0]["logprobs"] is None


def test_many_stop_strings(url: str) -> None:
    answer = post(url, body(stop=[f"zz{i}" for i in range(31)] + [" three"])).json()
    assert answer["choices"][0]["message"]["content"] == "one two"


@pytest.mark.parametrize("name", ["enable_thinking", "thinking"])
def test_the_switch_for_thoughts_may_stand_in_the_templates_variables(url: str, name: str) -> None:
    def thought(**more: Any) -> Any:
        return post(url, body(LESSONS[0]["user"], **more)).json()["choices"][0]["message"].get("reasoning_content")

    assert thought() and thought(chat_template_kwargs={name: True}), "nothing else was asked"
    assert not thought(chat_template_kwargs={name: False})
    assert not thought(chat_template_kwargs={name: False}, response_format={"type": "json_object"})


def test_the_templates_variables_may_stand_in_a_request_for_a_response(url: str) -> None:
    def kinds(**more: Any) -> list[str]:
        asked = {"input": LESSONS[0]["user"], "temperature": 0, **more}
        return [item["type"] for item in http().post(f"{url}/responses", json=asked).json()["output"]]

    assert kinds() == ["reasoning", "message"]
    assert kinds(chat_template_kwargs={"enable_thinking": False}) == ["message"]
    for name, status in (("enable_thinking", 200), ("colour", 400)):
        asked = {"input": "count", "chat_template_kwargs": {name: True}}
        assert http().post(f"{url}/responses/input_tokens", json=asked).status_code == status
    error = assert_error(http().post(f"{url}/responses", json=asked), 400, "chat_template_kwargs.colour")
    assert error["code"] == "unsupported_parameter"


def test_variables_that_no_template_reads_are_refused(url: str) -> None:
    for name in ("colour", "messages", "add_generation_prompt", "reasoning_effort"):
        asked = body(chat_template_kwargs={name: 1})
        assert_error(post(url, asked), 400, f"chat_template_kwargs.{name}", "unsupported_parameter")
    text = body(chat_template_kwargs={"enable_thinking": "<|system|>"})
    assert assert_error(post(url, text), 400, post(url, text).json()["error"]["param"])
    twice = body(chat_template_kwargs={"enable_thinking": False}, reasoning_effort="high")
    assert_error(post(url, twice), 400, "chat_template_kwargs", "invalid_value")
    assert post(url, body(chat_template_kwargs={"enable_thinking": None}, max_tokens=2)).status_code == 200


def test_a_part_of_a_message_holds_nothing_that_would_be_ignored(url: str) -> None:
    def asked(**extra: Any) -> dict[str, Any]:
        parts = [{"type": "text", "text": "count", **extra}]
        return body() | {"messages": [{"role": "user", "content": parts}]}

    error = assert_error(post(url, asked(source_lang_code="en")), 400, "messages[0].content")
    assert "source_lang_code" in error["message"]
    assert post(url, asked(cache_control={"type": "ephemeral"})).status_code == 200, (
        "asks for nothing that we do not do"
    )


IDLE = {
    "skip_special_tokens": True, "spaces_between_special_tokens": True, "no_stop_trim": False, "use_beam_search": False,
    "bad_words": [], "detokenize": True, "return_token_ids": False, "return_tokens_as_token_ids": False, "cache_prompt": True,
}  # fmt: skip
IDLE_CHAT = IDLE | {
    "echo": False, "add_special_tokens": False, "include_reasoning": True, "separate_reasoning": True,
    "stream_reasoning": True, "verbosity": "medium", "prompt_cache_retention": "in_memory",
}  # fmt: skip


@pytest.mark.parametrize("path,asked,idle", [
    ("chat/completions", body(max_tokens=2), IDLE_CHAT),
    ("completions", {"prompt": "count", "max_tokens": 2}, IDLE | {"add_special_tokens": True}),
    ("responses", {"input": "count", "max_output_tokens": 16}, {"prompt_cache_retention": "in-memory"}),
])  # fmt: skip
def test_what_peers_clients_say_about_what_happens_anyway(
    url: str, path: str, asked: dict[str, Any], idle: dict[str, Any]
) -> None:
    assert http().post(f"{url}/{path}", json=asked | idle).status_code == 200
    assert http().post(f"{url}/{path}", json=asked | dict.fromkeys(idle)).status_code == 200, "nulls"
    for name, value in idle.items():
        other = {"bad_words": ["x"]}.get(name, (not value) if isinstance(value, bool) else "high")
        response = http().post(f"{url}/{path}", json=asked | {name: other})
        assert_error(response, 400, name, "unsupported_parameter")
