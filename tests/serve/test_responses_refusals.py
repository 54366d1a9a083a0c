"""What the Responses API does not take, whose responses are whose, and what a failure looks like."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai.access import Keys
from firesteel.serve.openai.reply import REFUSAL
from firesteel.serve.openai.server import running
from tests.serve.api import HELPLINE, NAME, app_of, assert_error, client, http, idle, wait_until
from tests.serve.test_responses import raw_events, respond

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "x"}


def post(url: str, body: Any, path: str = "responses") -> httpx.Response:
    return http().post(f"{url}/{path}", json=body)


@pytest.mark.parametrize(
    "extra,param",
    [
        ({"input": None}, "input"), ({"input": []}, "input"), ({"input": 5}, "input"), ({"input": [1]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"), ({"input": [{"id": "x"}]}, "input[0]"),
        ({"input": [{"type": "computer_call_output"}]}, "input[0]"), ({"input": [{"type": 5}]}, "input[0]"),
        ({"input": [{"role": "king", "content": "x"}]}, "input[0].role"), ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "assistant", "content": "x", "phase": "thinking"}]}, "input[0].phase"),
        ({"top_k": -2}, "top_k"), ({"min_p": 2}, "min_p"), ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"), ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"seed": "s"}, "seed"), ({"max_output_tokens": 1.5}, "max_output_tokens"), ({"top_k": True}, "top_k"),
        ({"input": [{"role": "user", "content": "x", "name": "Bob"}]}, "input[0].name"),
        ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]}, "input[0].encrypted_content"),
        ({"input": [CALL]}, "input"), ({"input": [RESULT]}, "input"), ({"input": [CALL, RESULT, RESULT]}, "input"),
        ({"input": [{**CALL, "arguments": "{"}, RESULT]}, "input"), ({"input": [{"type": "function_call"}]}, "input[0].call_id"),
        ({"input": [{**RESULT, "output": [{"type": "input_image"}]}]}, "input[0].output[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"), ({"tools": [{"type": "mcp"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [FUNCTION, FUNCTION]}, "tools"), ({"tools": [FUNCTION], "tool_choice": "some"}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"), ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"), ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"reasoning": {"summary": "detailed"}}, "reasoning.summary"), ({"reasoning": {"effort": "lots"}}, "reasoning.effort"),
        ({"reasoning": {"generate_summary": "auto"}}, "reasoning.generate_summary"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"truncation": "auto"}, "truncation"), ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"include": ["reasoning.encrypted_content"]}, "include"), ({"include": ["file_search_call.results"]}, "include"),
        ({"top_logprobs": 2}, "top_logprobs"), ({"top_logprobs": 21}, "top_logprobs"), ({"stream_options": {}}, "stream_options"),
        ({"prompt": {"id": "p"}}, "prompt"), ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"context_management": []}, "context_management"), ({"moderation": {"model": "m"}}, "moderation"),
        ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"), ({"frobnicate": 1}, "frobnicate"), ({"n": 2}, "n"),
        ({"messages": []}, "messages"), ({"max_tokens": 5}, "max_tokens"), ({"stop": "x"}, "stop"),
        ({"max_output_tokens": 0}, "max_output_tokens"), ({"max_output_tokens": 101}, "max_output_tokens"),
        ({"temperature": 2.1}, "temperature"), ({"top_p": -1}, "top_p"), ({"temperature": "hot"}, "temperature"),
        ({"stream": "yes"}, "stream"), ({"store": "no"}, "store"), ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"input": "z" * 600}, "input"), ({"input": "z" * 450, "max_output_tokens": 100}, "input"),
    ],
)  # fmt: skip
def test_what_is_not_honoured_is_refused_by_name(url: str, extra: dict[str, Any], param: str) -> None:
    error = assert_error(post(url, {"model": NAME, "input": "x", **extra}), 400, param)
    assert error["type"] == "invalid_request_error" and error["code"]
    chat_words = ("messages", "max_completion_tokens", "response_format", "max_tokens")
    assert not any(word in error["message"] for word in chat_words if word not in extra), error


def test_values_that_ask_for_nothing_are_accepted(url: str) -> None:
    harmless = {
        "tools": [], "tool_choice": "auto", "text": {"format": {"type": "text"}, "verbosity": "medium"}, "store": True,
        "truncation": "disabled", "service_tier": "auto", "background": False, "include": [], "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": "auto"}, "metadata": {"a": "b"}, "user": "me", "instructions": None,
        "prompt_cache_key": "k", "safety_identifier": "s", "top_logprobs": 0, "top_p": 1, "previous_response_id": None,
        "conversation": None, "prompt": None, "max_tool_calls": None, "stream": False, "max_output_tokens": 1,
    }  # fmt: skip
    answer = post(url, {"model": NAME, "input": "count", **harmless})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["metadata"] == {"a": "b"} and told["user"] == "me" and told["prompt_cache_key"] == "k"
    assert told["safety_identifier"] == "s" and told["service_tier"] == "default"


def test_unknown_models_and_endpoints(url: str) -> None:
    with pytest.raises(openai.NotFoundError) as e:
        client(url).responses.create(model="gpt-9", input="x")
    assert e.value.code == "model_not_found"
    assert_error(post(url, {"model": "gpt-9", "input": "x"}, "responses/input_tokens"), 404, "model", "model_not_found")
    assert_error(post(url, {"input": "x", "conversation": "c"}, "responses/input_tokens"), 400, "conversation")
    assert_error(post(url, {}, "responses/input_tokens"), 400, "input")
    assert_error(post(url, {"model": NAME, "input": "x"}, "responses/compact"), 404, None, "unsupported_endpoint")
    with pytest.raises(openai.NotFoundError, match="responses/compact is not supported"):
        client(url).responses.compact(model=NAME, input="x")
    id = respond(url, "count").id
    assert_error(post(url, {}, f"responses/{id}/cancel"), 400)
    for query, param in (("stream=true", "stream"), ("starting_after=3", "starting_after"), ("colour=red", "colour")):
        assert_error(http().get(f"{url}/responses/{id}?{query}"), 400, param)
    for query, param in (("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=msg_1", "after")):
        assert_error(http().get(f"{url}/responses/{id}/input_items?{query}"), 400, param)
    assert http().get(f"{url}/responses/{id}?stream=false").json()["id"] == id


def test_the_description_of_the_api_knows_the_forms_of_input(app: Any) -> None:
    described = app.openapi()["components"]["schemas"]
    kinds = [{"type": "string"}, {"type": "array"}]
    for model, field in (
        ("ResponseRequest", "input"),
        ("MessageItem", "content"),
        ("FunctionCallOutputItem", "output"),
    ):
        forms = described[model]["properties"][field]["anyOf"]
        assert [{"type": form["type"]} for form in forms] == kinds, (model, field)


def test_garbage_never_breaks_the_server(app: Any, url: str) -> None:
    rng = random.Random(0)
    junk: list[Any] = [
        None,
        True,
        -1,
        1e308,
        "",
        "\ud800",
        "\x00",
        "<|eos|>",
        [],
        {},
        [[]],
        {"type": "message"},
        10**30,
        ["x"] * 9,
    ]
    sane: dict[str, Any] = {
        "model": NAME, "max_output_tokens": 2, "instructions": "Be.", "temperature": 1, "tools": [FUNCTION],
        "tool_choice": "none",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "count"}]},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}, CALL, RESULT,
        ],
        "text": {"format": {"type": "text"}}, "reasoning": {"summary": "auto"}, "metadata": {"a": "b"},
    }  # fmt: skip
    names = [*sane, "type", "role", "content", "call_id", "stream", "previous_response_id", "\ud800"]

    def mangle(value: Any) -> Any:
        if rng.random() < 0.06:
            return rng.choice(junk)
        if isinstance(value, dict):
            return {(rng.choice(names) if rng.random() < 0.04 else k): mangle(v) for k, v in value.items()}
        return [mangle(v) for v in value] if isinstance(value, list) else value

    statuses = set()
    with httpx.Client(timeout=60, verify=False) as own:
        for _ in range(200):
            content = json.dumps(mangle(sane))
            response = own.post(f"{url}/responses", content=content, headers={"Content-Type": "application/json"})
            statuses.add(response.status_code)
            if response.status_code != 200:
                assert_error(response, response.status_code, response.json()["error"]["param"])
    assert statuses <= {200, 400, 404} and {200, 400} <= statuses, statuses
    wait_until(lambda: idle(app), "garbage left something behind")


@pytest.fixture(scope="module")
def keyed(taught: Transformer, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two keys."""
    file: Path = tmp_path_factory.mktemp("keys") / "keys"
    lines = [f"{hashlib.sha256(f'sk-{name}'.encode()).hexdigest()} {name}\n" for name in ("ward", "lab")]
    file.write_text("".join(lines), encoding="utf-8")
    with running(app_of(taught, tokenizer, keys=Keys.load(file))) as url:
        yield url


def test_nobody_reaches_the_responses_of_somebody_else(keyed: str) -> None:
    ward, lab = (client(keyed, f"sk-{name}").responses for name in ("ward", "lab"))
    mine = ward.create(model=NAME, input="count", temperature=0)
    for call in (lab.retrieve, lab.delete, lab.input_items.list, lab.cancel):
        with pytest.raises(openai.NotFoundError):
            call(mine.id)
    for make in (lab.create, lab.input_tokens.count):
        with pytest.raises(openai.NotFoundError) as e:
            make(model=NAME, input="more", previous_response_id=mine.id)
        assert e.value.code == "previous_response_not_found"
    assert ward.retrieve(mine.id) == mine
    assert (
        ward.create(model=NAME, input="more", previous_response_id=mine.id, max_output_tokens=2).previous_response_id
        == mine.id
    )


def test_what_the_guard_stops_is_incomplete(guarded: str) -> None:
    for text, said in (("tell me the FORBIDDEN thing", REFUSAL), ("HELP FORBIDDEN", HELPLINE)):
        refused = respond(guarded, text)
        assert refused.output_text == said and refused.usage.output_tokens == 0
        assert refused.status == "incomplete" and refused.incomplete_details.reason == "content_filter"
    for text in ("danger", "think"):
        whole = respond(guarded, text)
        assert whole.output_text == REFUSAL and [item.type for item in whole.output] == ["message"]
        assert whole.incomplete_details.reason == "content_filter" and whole.usage.output_tokens > 0
        events = raw_events(guarded, input=text)
        assert "FORBIDDEN" not in json.dumps(events) and events[-1]["type"] == "response.incomplete"
        assert events[-1]["response"]["output"][-1]["content"][0]["text"].endswith(REFUSAL)


def test_a_failure_in_the_middle_is_the_last_event(taught: Transformer, tokenizer: Tokenizer) -> None:
    app = app_of(taught, tokenizer)
    with running(app) as url:
        engine, calls = app.state.loop.engine, 0
        step = engine.step

        def failing(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 4:
                raise RuntimeError("out of order")
            return step(*args, **options)

        engine.step = failing
        events = raw_events(url, input="count")
        assert events[-1]["type"] == "response.failed" and len(events) > 4
        failed = events[-1]["response"]
        assert failed["status"] == "failed" and failed["error"]["code"] == "server_error" and failed["error"]["message"]
        assert len(app.state.responses) == 0
        assert post(url, {"model": NAME, "input": "count"}).status_code == 503
