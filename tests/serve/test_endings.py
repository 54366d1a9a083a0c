"""When answers end: min_tokens, stop_token_ids, include_stop_str_in_output and ignore_eos, in chat and in completions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai.text import StopMatcher
from firesteel.serve.plain import plain_sample
from firesteel.serve.sequence import Sampling
from tests.serve.api import LESSONS, NAME, assert_error, body, events, post
from tests.serve.completing import lesson
from tests.serve.completing import post as complete

COUNT = LESSONS[1]["content"]


def chat(url: str, **options: Any) -> tuple[str, str, int]:
    """(text, finish_reason, completion tokens), the same whole and streamed."""
    whole = post(url, body(**options)).json()
    choice, used = whole["choices"][0], whole["usage"]["completion_tokens"]
    chunks = [c["choices"][0] for c in events(post(url, body(stream=True, **options)))]
    assert "".join(c["delta"].get("content") or "" for c in chunks) == choice["message"]["content"]
    return choice["message"]["content"], choice["finish_reason"], used


def text(url: str, prompt: Any, **options: Any) -> dict[str, Any]:
    response = complete(url, prompt, **options)
    assert response.status_code == 200, response.text
    chunks = events(complete(url, prompt, stream=True, **options))
    choice = dict(response.json()["choices"][0])
    assert "".join(c["choices"][0]["text"] for c in chunks) == choice["text"]
    return choice


def tokens_until(tokenizer: Tokenizer, part: str) -> int:
    """Tokens of the lesson's answer up to the one that completes `part`, as the model was taught to cut it."""
    ids = tokenizer.encode(COUNT)
    return next(n for n in range(len(ids)) if part in tokenizer.decode(ids[:n]))


def test_no_stop_string_ends_the_least_tokens(url: str, tokenizer: Tokenizer) -> None:
    at = tokens_until(tokenizer, " three")
    assert chat(url, stop=" three")[:2] == ("one two", "stop")
    assert chat(url, stop=" three", min_tokens=at - 1)[0] == "one two"
    assert chat(url, stop=" three", min_tokens=at)[0] == COUNT
    assert chat(url, stop=[" three", " six"], min_tokens=at)[0] == "one two three four five"
    prompt = lesson(tokenizer, 1)
    assert text(url, prompt, stop=" three", max_tokens=60)["text"] == "one two"
    assert text(url, prompt, stop=" three", max_tokens=60, min_tokens=at)["text"] == COUNT


def test_no_end_before_the_least_tokens(url: str, taught: Transformer, tokenizer: Tokenizer) -> None:
    n = len(tokenizer.encode(COUNT))
    assert chat(url)[1:] == ("stop", n + 1)
    said, _, used = chat(url, min_tokens=n + 6)
    assert said.startswith(COUNT) and used >= n + 6
    sampling = Sampling(60, 0.0, stop_ids=tokenizer.halt_ids, min_tokens=n + 6)
    twin = plain_sample(taught, lesson(tokenizer, 1), sampling)
    assert text(url, lesson(tokenizer, 1), max_tokens=60, min_tokens=n + 6)["text"] == tokenizer.decode(twin.ids)


def test_a_grammar_that_is_through_ends_the_answer(url: str) -> None:
    schema = {"type": "object", "properties": {"n": {"const": 42}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    said, reason, _ = chat(url, response_format=form, reasoning_effort="none", min_tokens=90)
    assert (said.replace(" ", "").replace("\n", ""), reason) == ('{"n":42}', "stop")


@pytest.mark.parametrize("shown", [None, False, True])
def test_tokens_that_end_an_answer(url: str, tokenizer: Tokenizer, shown: bool | None) -> None:
    ids = tokenizer.encode(COUNT)
    at = tokens_until(tokenizer, " three") - 1
    id = ids[at]
    cut = tokenizer.decode(ids[: ids.index(id) + bool(shown)])
    options: dict[str, Any] = {"stop_token_ids": [id, id, 299], "include_stop_str_in_output": shown}
    assert chat(url, **options) == (cut, "stop", ids.index(id) + 1)
    choice = text(url, lesson(tokenizer, 1), max_tokens=60, logprobs=0, **options)
    assert (choice["text"], choice["finish_reason"]) == (cut, "stop")
    assert len(choice["logprobs"]["tokens"]) == ids.index(id) + 1, "as the end of text, it is told of"
    entries = post(url, body(logprobs=True, **options)).json()["choices"][0]["logprobs"]["content"]
    assert "".join(e["token"] for e in entries) == cut


def test_the_stop_string_may_be_shown(url: str, tokenizer: Tokenizer) -> None:
    options: dict[str, Any] = {"stop": ["thr", "four"], "include_stop_str_in_output": True}
    assert chat(url, **options)[:2] == ("one two thr", "stop")
    assert text(url, lesson(tokenizer, 1), max_tokens=60, **options)["text"] == "one two thr"


def test_own_stop_tokens_count_where_the_end_of_text_does_not(url: str, tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(COUNT)
    options: dict[str, Any] = {"ignore_eos": True, "max_tokens": len(ids) + 10}
    assert chat(url, **options)[1:] == ("length", len(ids) + 10)
    assert chat(url, **options, stop_token_ids=[ids[-1]])[1:] == ("stop", ids.index(ids[-1]) + 1)
    assert chat(url, **options, stop_token_ids=[tokenizer.eos_id])[:2] == (COUNT, "stop")


@pytest.mark.parametrize(
    "wrong,param",
    [
        ({"min_tokens": -1}, "min_tokens"), ({"min_tokens": 1.5}, "min_tokens"), ({"min_tokens": 6}, "min_tokens"),
        ({"stop_token_ids": [-1]}, "stop_token_ids[0]"), ({"stop_token_ids": [330]}, "stop_token_ids"),
        ({"stop_token_ids": [1] * 129}, "stop_token_ids"), ({"stop_token_ids": ["1"]}, "stop_token_ids[0]"),
        ({"include_stop_str_in_output": 1}, "include_stop_str_in_output"), ({"prompt_logprobs": 21}, "prompt_logprobs"),
        ({"prompt_logprobs": -1}, "prompt_logprobs"), ({"prompt_logprobs": 0, "stream": True}, "prompt_logprobs"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(url: str, wrong: dict[str, Any], param: str) -> None:
    assert_error(post(url, body(max_tokens=5, **wrong)), 400, param)
    assert_error(complete(url, "count", max_tokens=5, **wrong), 400, param)


def test_one_who_asks_for_nothing_may_say_so(url: str) -> None:
    nothing = {"min_tokens": 0, "stop_token_ids": [], "include_stop_str_in_output": False, "ignore_eos": False}
    plain = [f(url, **o)["choices"][0] for o in ({}, nothing) for f in (lambda u, **x: post(u, body(**x)).json(),)]
    assert plain[0] == plain[1]
    assert complete(url, "count", max_tokens=0, min_tokens=0, prompt_logprobs=None).json()["choices"][0]["text"] == ""
    assert post(url, {"model": NAME, **body(min_tokens=5, max_tokens=5)}).status_code == 200


@given(st.lists(st.tuples(st.text("abc", max_size=4), st.booleans()), max_size=8),
       st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3), st.booleans())  # fmt: skip
def test_only_an_armed_piece_completes_a_stop_string(
    pieces: list[tuple[str, bool]], stops: list[str], shown: bool
) -> None:
    matcher = StopMatcher(tuple(stops), shown=shown)
    out = "".join(matcher.push(piece, armed=armed) for piece, armed in pieces) + matcher.finish()
    said = ""
    for piece, armed in pieces:
        start, said = len(said), said + piece
        ends = [
            (end, end - len(s)) for s in stops for end in range(start + 1, len(said) + 1) if said[:end].endswith(s)
        ]  # fmt: skip
        if armed and ends:
            first = min(end for end, _ in ends)
            assert out == said[: first if shown else min(at for end, at in ends if end == first)]
            return
    assert out == said and not matcher.matched
