"""Text completions at work: many prompts, clients that leave, a full queue, the guard."""

from __future__ import annotations

import concurrent.futures
import http.client as http_client
import json
import threading
from typing import Any

import httpx
import pytest

from firesteel.core.config import ServeSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai.reply import REFUSAL
from firesteel.serve.openai.server import running
from tests.serve.api import ENDLESS, NAME, SETTINGS, Judgement, WordGuard, app_of, assert_error, idle, wait_until
from tests.serve.completing import choices, lesson, post, streamed


def test_more_prompts_than_the_queue_holds_take_turns(app: Any, url: str) -> None:
    prompts = [f"{'la ' * i}count" for i in range(20)]
    loop, most = app.state.loop, 0
    real = loop.submit

    def submit(sequences: Any) -> Any:
        nonlocal most
        inbox = real(sequences)
        most = max(most, loop.in_flight)
        return inbox

    loop.submit = submit
    try:
        got = [c["text"] for c in choices(url, prompts)]
    finally:
        del loop.submit
    assert most <= (SETTINGS.max_sequences + SETTINGS.max_queued) // 2, "one request left no room for others"
    assert got == [choices(url, prompt)[0]["text"] for prompt in prompts]
    pieces, _ = streamed(url, prompts)
    assert ["".join(p["text"] for p in pieces[i]) for i in range(20)] == got
    wait_until(lambda: idle(app), "something was left behind")


@pytest.mark.parametrize("how", ["leaves a stream", "leaves while it waits"])
def test_work_that_nobody_wants_ends_at_once(taught: Transformer, tokenizer: Tokenizer, how: str) -> None:
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=2, max_queued=2, max_new_tokens=480))
    engine, steps = app.state.loop.engine, []
    real = engine.step
    engine.step = lambda: steps.append(1) or real()
    body = {"model": NAME, "prompt": ["la"] * 6, "max_tokens": 480, "stream": how == "leaves a stream", **ENDLESS}
    with running(app) as url:
        own = http_client.HTTPConnection(httpx.URL(url).netloc.decode())
        own.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        wait_until(lambda: engine.cache_use > 0, "nothing was computed")
        if how == "leaves a stream":
            assert own.getresponse().readline().startswith(b"data: ")
        own.close()
        wait_until(lambda: idle(app), "the sequences were not aborted")
        assert len(steps) < 480, "they ran to their end"


def test_a_full_queue_is_429(taught: Transformer, tokenizer: Tokenizer) -> None:
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=1, max_queued=1, max_new_tokens=100))
    engine, go = app.state.loop.engine, threading.Event()
    real = engine.step
    engine.step = lambda: go.wait(60) and real()
    with running(app) as url, concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(choices, url, "count") for _ in range(2)]
        wait_until(lambda: app.state.loop.in_flight == 2, "they did not come")
        response = post(url, "count")
        go.set()
        assert_error(response, 429, None, "queue_full")
        assert int(response.headers["retry-after"]) >= 1
        assert waiting[0].result() == waiting[1].result() == choices(url, "count")


def test_the_guard_sees_prompts_and_text(guarded: str, tokenizer: Tokenizer) -> None:
    refused = choices(guarded, ["count", "FORBIDDEN HELP"], echo=True)
    assert refused[1]["finish_reason"] == "content_filter" and "Please call" in refused[1]["text"]
    assert "FORBIDDEN" not in refused[1]["text"] and refused[0]["finish_reason"] != "content_filter"
    pieces, _ = streamed(guarded, "FORBIDDEN")
    assert [p["finish_reason"] for p in pieces[0]] == ["content_filter"]
    by_ids = choices(guarded, tokenizer.encode("FORB") + [tokenizer.special["<think>"]] + tokenizer.encode("IDDEN"))
    assert by_ids[0]["finish_reason"] == "content_filter"
    said = choices(guarded, lesson(tokenizer, 3), max_tokens=100, logprobs=1)[0]
    assert said["finish_reason"] == "content_filter" and "FORBIDDEN" not in json.dumps(said)
    assert said["logprobs"]["tokens"] == []
    pieces, _ = streamed(guarded, lesson(tokenizer, 3), max_tokens=100)
    assert "FORBIDDEN" not in "".join(p["text"] for p in pieces[0])
    assert pieces[0][-1]["finish_reason"] == "content_filter"


class LateGuard(WordGuard):
    """Finds fault only when much has been said."""

    def check_output(self, text: str) -> Judgement:
        return Judgement(len(text) <= 300, text if len(text) <= 300 else "", "long", "test")


def test_nothing_of_a_blocked_text_is_returned(taught: Transformer, tokenizer: Tokenizer) -> None:
    longest = max(range(tokenizer.vocab_size), key=lambda id: len(tokenizer.pieces.of(id)))
    asked: dict[str, Any] = {"max_tokens": 400, "logit_bias": {str(longest): 100}, "logprobs": 0}
    with running(
        app_of(taught, tokenizer, SETTINGS.model_copy(update={"max_new_tokens": 0}), guard=LateGuard())
    ) as url:
        (whole,) = choices(url, echo=True, **asked)
        pieces, _ = streamed(url, **asked)
    assert whole["text"] == REFUSAL and whole["finish_reason"] == "content_filter" and not whole["logprobs"]["tokens"]
    said = "".join(p["text"] for p in pieces[0])
    assert len(said) > len(REFUSAL) + 50 and said.endswith("\n\n" + REFUSAL)


def test_what_the_guard_hides_stays_hidden(guarded: str, tokenizer: Tokenizer) -> None:
    for prompt in ("call 13800138000", tokenizer.continued("call 13800138000"), ["x 13800138000 y"]):
        text = choices(guarded, prompt, echo=True)[0]["text"]
        assert "[PHONE]" in text and "13800138000" not in text
    said = choices(guarded, lesson(tokenizer, 2), max_tokens=100, logprobs=1)[0]
    assert "[PHONE]" in said["text"] and "13800138000" not in json.dumps(said) and said["logprobs"]["tokens"] == []
