"""The server at work: load, clients that leave, death, the guard, keys and metrics."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from firesteel.core.config import ServeSettings
from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai.access import Keys
from firesteel.serve.openai.reply import REFUSAL
from firesteel.serve.openai.server import running
from tests.serve.api import (
    ENDLESS,
    HELPLINE,
    LESSONS,
    NAME,
    SETTINGS,
    Judgement,
    WordGuard,
    app_of,
    ask,
    assert_error,
    body,
    client,
    events,
    http,
    idle,
    post,
    wait_until,
)


def test_a_full_queue_is_429_with_retry_after(app: Any, url: str) -> None:
    room = SETTINGS.max_sequences + SETTINGS.max_queued
    response = post(url, body("forever", n=room + 1, **ENDLESS))
    assert_error(response, 429, None, "queue_full")
    assert int(response.headers["retry-after"]) >= 1
    with pytest.raises(openai.RateLimitError):
        ask(url, "forever", n=room + 1)
    assert post(url, body(n=room)).status_code == 200
    wait_until(lambda: idle(app), "the queue did not empty")


@pytest.mark.parametrize("how", ["leaves a stream", "leaves while it waits", "meets a stop string"])
def test_work_that_nobody_wants_ends_at_once(taught: Transformer, tokenizer: Tokenizer, how: str) -> None:
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=4, max_new_tokens=480))
    engine, steps = app.state.loop.engine, []
    real = engine.step
    engine.step = lambda: steps.append(1) or real()
    with running(app) as url, httpx.Client(timeout=60, verify=False) as own:
        stop = ["la"] if how == "meets a stop string" else None
        asked = body("forever", stream=how == "leaves a stream", n=4, stop=stop, **ENDLESS)
        request = own.build_request("POST", f"{url}/chat/completions", json=asked)
        if how == "leaves a stream":
            response = own.send(request, stream=True)
            next(response.iter_bytes())
            wait_until(lambda: steps, "nothing was computed")
            response.close()
        elif how == "leaves while it waits":
            request.extensions["timeout"] = {"connect": 5, "read": 0.05, "write": 5, "pool": 5}
            with pytest.raises(httpx.ReadTimeout):
                own.send(request)
        else:
            assert own.send(request).json()["choices"][0]["message"]["content"] == ""
        wait_until(lambda: idle(app), "the sequences were not aborted")
        assert len(steps) < 480, "they ran to their end"


def test_many_clients_get_the_answers_they_would_get_alone(url: str) -> None:
    answers: dict[int, str] = {}

    def one(i: int) -> None:
        answers[i] = ask(url, LESSONS[i % 4]["user"]).choices[0].message.content

    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == {i: LESSONS[i % 4]["content"] for i in range(8)}


def test_a_dead_engine_is_told_to_everybody(
    taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(taught, tokenizer)
    engine = app.state.loop.engine
    real, break_now = engine.step, threading.Event()

    def step() -> Any:
        if break_now.is_set():
            raise RuntimeError("the cosmic ray")
        return real()

    monkeypatch.setattr(engine, "step", step)
    with running(app) as url:
        root = url.removesuffix("/v1")
        assert http().get(f"{root}/health").json() == {"status": "ok", "model": NAME}
        with http().stream(
            "POST", f"{url}/chat/completions", json=body("forever", stream=True, **ENDLESS), timeout=60
        ) as response:
            lines = response.iter_lines()
            next(lines)
            break_now.set()
            rest = [line for line in lines if line.startswith("data: ")]
        assert json.loads(rest[-2][6:])["error"]["code"] == "engine_error" and rest[-1] == "data: [DONE]"
        assert "cosmic ray" in assert_error(http().get(f"{root}/health"), 503, None, "engine_dead")["message"]
        assert_error(http().get(f"{root}/ready"), 503, None, "engine_dead")
        assert_error(post(url, body()), 503, None, "engine_dead")
        text = http().get(f"{root}/metrics").text
        assert "firesteel_up 0.0" in text and "firesteel_ready 0.0" in text


def test_a_step_that_hangs_is_unhealthy(taught: Transformer, tokenizer: Tokenizer) -> None:
    app = app_of(taught, tokenizer)
    loop = app.state.loop
    with running(app) as url:
        loop._step_began, loop._clock = 0.0, lambda: 1000.0
        for path in ("/health", "/ready"):
            assert "1000 s" in assert_error(http().get(url.removesuffix("/v1") + path), 503)["message"]


def test_requests_in_flight_are_finished_when_the_server_stops(taught: Transformer, tokenizer: Tokenizer) -> None:
    with running(app_of(taught, tokenizer), drain=60) as url:
        own = httpx.Client(timeout=60, verify=False)
        request = own.build_request("POST", f"{url}/chat/completions", json=body("forever", stream=True, **ENDLESS))
        response = own.send(request, stream=True)
        lines = response.iter_lines()
        next(lines)
        done: list[str] = []
        reader = threading.Thread(target=lambda: done.extend(lines))
        reader.start()
    reader.join()
    assert done[-2] == "data: [DONE]" and '"finish_reason":"length"' in done[-4]
    own.close()


def test_blocked_input_is_a_polite_completion(guarded: str) -> None:
    answer = ask(guarded, "tell me the FORBIDDEN thing")
    assert answer.choices[0].message.content == REFUSAL and answer.choices[0].finish_reason == "content_filter"
    assert answer.usage.completion_tokens == 0
    assert ask(guarded, "HELP FORBIDDEN").choices[0].message.content == HELPLINE
    chunks = list(ask(guarded, "FORBIDDEN", stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == REFUSAL
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_the_guard_sees_every_message_not_only_the_last(guarded: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    for role in ("system", "assistant", "tool"):
        called = {"role": "assistant", "content": None, "tool_calls": [call]}
        said = {"role": role, "content": "FORBIDDEN"} | ({"tool_call_id": "call_1"} if role == "tool" else {})
        messages = [*([called] if role == "tool" else []), said, {"role": "user", "content": "count"}]
        answer = post(guarded, body() | {"messages": messages}).json()
        assert answer["choices"][0]["finish_reason"] == "content_filter", role


def test_blocked_output_does_not_leave(guarded: str) -> None:
    for user in ("danger", "think"):
        whole = ask(guarded, user).choices[0]
        assert whole.finish_reason == "content_filter" and whole.message.content == REFUSAL
        assert "FORBIDDEN" not in whole.model_dump_json()
        response = post(guarded, body(user, stream=True, logprobs=True))
        assert "FORBIDDEN" not in response.text
        told = "".join(e["choices"][0]["delta"].get("content") or "" for e in events(response))
        assert told.endswith(REFUSAL) and "FORB" not in told
        assert events(response)[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_a_guard_that_fails_lets_nothing_through(taught: Transformer, tokenizer: Tokenizer) -> None:
    class Broken(WordGuard):
        def check_output(self, text: str) -> Judgement:
            raise RuntimeError("out of order")

    with running(app_of(taught, tokenizer, guard=Broken())) as url:
        assert_error(post(url, body("count")), 500, None, "internal_error")
        response = post(url, body("count", stream=True))
        assert events(response)[-1]["error"]["code"] == "internal_error" and "two" not in response.text


def test_personal_data_is_redacted_in_both_directions(guarded: str, tokenizer: Tokenizer) -> None:
    assert ask(guarded, "phone").choices[0].message.content.startswith("Call [PHONE] now")
    response = post(guarded, body("phone", stream=True))
    assert "13800138000" not in "".join(e["choices"][0]["delta"].get("content") or "" for e in events(response))
    sent = post(guarded, body("my number is 13912345678", max_tokens=1)).json()["usage"]["prompt_tokens"]
    assert sent == 3 + len(tokenizer.encode("my number is [PHONE]"))


def test_keys_guard_every_route_but_health_and_the_page(
    taught: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n{hashlib.sha256(b'sk-right').hexdigest()} the clinic\n", encoding="utf-8")
    with running(app_of(taught, tokenizer, keys=Keys.load(file))) as url:
        root = url.removesuffix("/v1")
        for path in (
            "/v1/models",
            "/models",
            "/metrics",
            "/openapi.json",
            "/nothing",
            "/v1/chat/completions",
            "//health",
        ):
            for headers in ({}, {"Authorization": "Bearer sk-wrong"}, {"Authorization": "Basic sk-right"}):
                response = http().get(root + path, headers=headers)
                assert_error(response, 401, None, "invalid_api_key")
                assert response.headers["www-authenticate"] == "Bearer"
        for path in ("/health", "/ready", "/", "/chat.js", "/chat.css", "/icon.svg"):
            assert http().get(root + path).status_code == 200
        assert http().get(f"{root}/metrics", headers={"Authorization": "Bearer sk-right"}).status_code == 200
        assert client(url, "sk-right").models.list().data[0].id == NAME
        with pytest.raises(openai.AuthenticationError):
            client(url, "sk-wrong").models.list()
    with running(app_of(taught, tokenizer, keys=Keys.load(file), open_metrics=True)) as url:
        assert http().get(f"{url.removesuffix('/v1')}/metrics").status_code == 200
        assert http().get(f"{url}/models").status_code == 401


@pytest.mark.parametrize("text", ["", "# only a comment\n", "sk-in-the-clear\n", "abc123 short\n"])
def test_a_bad_key_file_is_explained_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError) as e:
        Keys.load(file)
    assert "sha256sum" in e.value.hint and "sk-in-the-clear" not in str(e.value)
    with pytest.raises(SourceError, match="cannot be read"):
        Keys.load(tmp_path / "absent")


def test_metrics_count_what_happened_and_hold_no_text(app: Any, url: str) -> None:
    root = url.removesuffix("/v1")
    post(url, body("xyzzy", max_tokens=2))
    post(url, body("xyzzy", max_tokens=2, stream=True))
    wait_until(lambda: idle(app), "not idle")
    text = http().get(f"{root}/metrics").text
    for name in (
        "gen_ai_server_request_duration_seconds_bucket", "gen_ai_server_time_to_first_token_seconds_bucket",
        "gen_ai_server_time_per_output_token_seconds_bucket", "gen_ai_client_token_usage_bucket", "firesteel_tokens_total",
        "firesteel_sequences_waiting 0.0", "firesteel_cache_use_ratio 0.0", "firesteel_up 1.0",
    ):  # fmt: skip
        assert name in text, name
    assert 'gen_ai_request_model="tiny-fire"' in text and "xyzzy" not in text
    again = app_of(app.state.loop.engine.model, app.state.loop.engine.tokenizer)  # a second app has its own registry
    assert again.state.loop is not app.state.loop


def value(text: str, name: str) -> float:
    """A metric's value in an exposition."""
    lines = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    assert len(lines) == 1, (name, lines)
    return float(lines[0].split()[1])


def test_metrics_tell_what_the_engine_did(taught: Transformer, tokenizer: Tokenizer) -> None:
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=1, max_queued=4))
    with running(app) as url:
        question = body("count " * 40, max_tokens=5, n=2)
        for _ in range(2):
            assert post(url, question).status_code == 200
        wait_until(lambda: idle(app), "not idle")
        text = http().get(f"{url.removesuffix('/v1')}/metrics").text
    stats = app.state.loop.engine.stats
    told = {field: value(text, f"firesteel_{name}_total") for field, name in (
        ("steps", "engine_steps"), ("prompt_tokens", "prompt_tokens"), ("prefix_hit_tokens", "prefix_hit_tokens"),
        ("new_tokens", "new_tokens"), ("drafted", "drafted_tokens"), ("accepted", "accepted_tokens"),
    )}  # fmt: skip
    assert told == {field: float(getattr(stats, field)) for field in told}
    assert told["new_tokens"] == 20 and told["prefix_hit_tokens"] > 0 and told["steps"] >= 20
    assert value(text, "firesteel_preemptions_total") == 0
    assert value(text, "firesteel_queue_time_seconds_count") == 4
    assert value(text, "firesteel_queue_time_seconds_sum") > 0, "with one place the second choice waits for the first"
    blocks = {state: value(text, f'firesteel_cache_blocks{{state="{state}"}}') for state in ("used", "free")}
    assert blocks == {"used": 0, "free": app.state.loop.engine.scheduler.pool.count}
    assert value(text, "firesteel_prefix_cache_blocks") > 0
    for name in ("time_to_first_token_seconds", "time_per_output_token_seconds"):
        assert f"gen_ai_server_{name}_count" in text
