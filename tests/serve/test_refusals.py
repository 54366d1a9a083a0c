"""What the API does not take: every mistake is named, in one shape, and nothing breaks the server."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from firesteel.serve.openai.access import MAX_BODY
from tests.serve.api import NAME, assert_error, body, client, http, idle, post, wait_until


@pytest.mark.parametrize(
    "extra,param",
    [
        ({"tools": [{"type": "function"}]}, "tools[0].function"), ({"tool_choice": "auto"}, "tool_choice"),
        ({"response_format": {"type": "json"}}, "response_format.type"), ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"top_k": -2}, "top_k"), ({"min_p": 1.1}, "min_p"), ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"repeat_penalty": 1.1}, "repeat_penalty"), ({"typical_p": 0.5}, "typical_p"), ({"min_tokens": 101}, "min_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"), ({"max_tokens": -1}, "max_tokens"),
        ({"stream": True, "stream_options": {"include_cost": True}}, "stream_options.include_cost"),
        ({"functions": [{"name": "f"}]}, "functions"), ({"function_call": "auto"}, "function_call"),
        ({"messages": [{"role": "user", "content": "x"}] * 2 + [{"role": "tool", "content": "x"}]}, "messages[2]"),
        ({"store": True}, "store"), ({"service_tier": "flex"}, "service_tier"), ({"modalities": ["text", "audio"]}, "modalities"),
        ({"frobnicate": 1}, "frobnicate"), ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"), ({"temperature": True}, "temperature"), ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"), ({"n": 17}, "n"), ({"max_tokens": 0}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 101}, "max_tokens"), ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        ({"stop": ["a"] * 33}, "stop"), ({"stop": ""}, "stop[0]"), ({"stop": [1]}, "stop[0]"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"), ({"top_logprobs": 2}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"), ({"presence_penalty": 3}, "presence_penalty"),
        ({"logit_bias": {"9999": 1}}, "logit_bias"), ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1"), ({"seed": 2**63}, "seed"), ({"stream": "yes"}, "stream"),
        ({"messages": []}, "messages"), ({"messages": "hi"}, "messages"), ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "name": "Bob"}]}, "messages[0].name"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "messages[0].tool_calls[0].function"),
    ],
)  # fmt: skip
def test_what_is_not_honoured_is_refused_by_name(url: str, extra: dict[str, Any], param: str) -> None:
    error = assert_error(post(url, body() | extra), 400, param)
    assert error["type"] == "invalid_request_error" and error["code"]


def test_values_that_ask_for_nothing_are_accepted(url: str) -> None:
    harmless = {
        "tools": None, "tool_choice": "none", "top_k": -1, "min_p": 0, "repetition_penalty": 1,
        "functions": [], "response_format": {"type": "text"}, "modalities": ["text"],
        "store": False, "service_tier": "auto", "add_generation_prompt": True, "continue_final_message": False,
        "parallel_tool_calls": True, "user": "me", "metadata": {"a": "b"},
        "reasoning_effort": None, "logprobs": False, "n": 1, "stop": None, "seed": None, "stream": False,
        "prompt_cache_key": "k", "safety_identifier": "s", "logit_bias": {}, "top_p": 1, "stream_options": None,
    }  # fmt: skip
    assert post(url, body() | harmless).status_code == 200


def test_a_missing_field_is_named(url: str) -> None:
    assert_error(post(url, {"model": NAME}), 400, "messages", "missing_required_parameter")


def test_an_unknown_model_is_404_in_the_client(url: str) -> None:
    with pytest.raises(openai.NotFoundError) as e:
        client(url).chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    assert e.value.code == "model_not_found" and e.value.param == "model"


def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(url: str) -> None:
    error = assert_error(post(url, body("z" * 600)), 400, "messages", "context_length_exceeded")
    assert "512" in error["message"] and "603" in error["message"]
    error = assert_error(post(url, body("z" * 450, max_tokens=100)), 400, "messages", "context_length_exceeded")
    assert "553" in error["message"] and "453" in error["message"] and "100" in error["message"]
    assert post(url, body("z" * 500)).json()["usage"]["completion_tokens"] <= 9


@pytest.mark.parametrize(
    "raw,code",
    [
        (b"", "invalid_body"), (b"{", "invalid_json"), (b"nul", "invalid_json"), (b"[]", "invalid_body"), (b"5", "invalid_body"),
        (b'"text"', "invalid_body"), (b"null", "invalid_body"), (b"\xff\xfe{}", None), (b"[" * 100_000, None),
        (b'{"model": NaN, "messages": []}', "invalid_value"), (b'{"a": ' * 50_000, None), (b"1" * 10_000, None),
    ],
)  # fmt: skip
def test_bodies_that_are_not_json_objects_are_400(url: str, raw: bytes, code: str | None) -> None:
    response = post(url, content=raw, headers={"Content-Type": "application/json"})
    param = "model" if b"NaN" in raw else None
    assert_error(response, 400, param, code)


def test_a_body_of_another_type_is_refused(url: str) -> None:
    response = post(url, content=json.dumps(body()), headers={"Content-Type": "text/plain"})
    assert "application/json" in assert_error(response, 400)["message"]


def test_large_bodies_are_refused_declared_or_not(url: str) -> None:
    assert_error(post(url, body("x" * MAX_BODY)), 413, None, "request_too_large")

    def unbounded() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 65_536

    assert_error(
        post(url, content=unbounded(), headers={"Content-Type": "application/json"}), 413, None, "request_too_large"
    )


def test_unknown_routes_and_methods_have_the_same_shape(url: str) -> None:
    assert_error(http().get(f"{url}/nothing"), 404, None, "unknown_url")
    response = http().get(f"{url}/chat/completions")
    assert_error(response, 405, None, "method_not_allowed")
    assert response.headers["allow"] == "POST"


def test_garbage_never_breaks_the_server(app: Any, url: str) -> None:
    rng = random.Random(0)
    junk = [
        None,
        True,
        -1,
        0,
        1e308,
        "",
        "\ud800",
        "\x00",
        "<|eos|>",
        [],
        {},
        [[]],
        {"a": 1},
        "z" * 300,
        10**30,
        0.5,
        ["x"] * 9,
    ]
    fields = [
        "model",
        "messages",
        "temperature",
        "stop",
        "n",
        "seed",
        "stream",
        "logit_bias",
        "max_tokens",
        "tools",
        "\ud800",
    ]

    def mangle(value: Any) -> Any:
        if rng.random() < 0.25:
            return rng.choice(junk)
        if isinstance(value, dict):
            return {(rng.choice(fields) if rng.random() < 0.1 else k): mangle(v) for k, v in value.items()}
        return [mangle(v) for v in value] if isinstance(value, list) else value

    statuses = set()
    headers = {"Content-Type": "application/json"}
    with httpx.Client(timeout=60, verify=False) as own:
        for _ in range(150):
            sane = body(max_tokens=2, stop=["q"], n=1, seed=1, logit_bias={"40": 1})
            for _ in range(rng.randrange(3)):
                sane[rng.choice(fields)] = rng.choice(junk)
            response = own.post(f"{url}/chat/completions", content=json.dumps(mangle(sane)), headers=headers)
            statuses.add(response.status_code)
            if response.status_code != 200:
                assert_error(response, response.status_code, response.json()["error"]["param"])
    assert statuses <= {200, 400, 404} and {200, 400} <= statuses
    wait_until(lambda: idle(app), "garbage left something behind")
