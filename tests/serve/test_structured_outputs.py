"""vLLM's structured_outputs and SGLang's regex, in chat and completions: answers that fit, and what is refused about them."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.guides.compiler import MAX_GRAMMAR, MAX_LARK, Busy
from firesteel.serve.guides.guides import Guides
from firesteel.serve.openai.server import running
from tests.serve.api import LESSONS, NAME, app_of, assert_error, body, client, events, http, post
from tests.serve.guiding import ids_of, imported, walk, wander
from tests.serve.test_response_format import Hiding

SCHEMA = {
    "type": "object", "properties": {"sky": {"enum": ["clear", "rain"]}}, "required": ["sky"], "additionalProperties": False,
}  # fmt: skip
SUM = """
start: number ("+" number){1,3} "=" number
number: /[0-9]{1,2}/
"""
NUMBERS = r"[0-9]{1,2}(\+[0-9]{1,2}){1,3}=[0-9]{1,2}"
CASES: dict[str, tuple[dict[str, Any], str]] = {  # what is asked, and what the answer then matches
    "regex": ({"structured_outputs": {"regex": r"(ab|[0-9]{2}/\d)x?\\\n"}}, r"(ab|[0-9]{2}/\d)x?\\\n"),
    "SGLang's regex": ({"regex": "[a-f]{4}-中+?文"}, "[a-f]{4}-中+文"),
    "choice": ({"structured_outputs": {"choice": ['say "no"', "yes\n", "\x7f\\"]}}, 'say "no"|yes\n|\x7f\\\\'),
    "grammar": ({"structured_outputs": {"grammar": SUM}}, NUMBERS),
    "json": ({"structured_outputs": {"json": SCHEMA}}, r'\{\s*"sky"\s*:\s*"(clear|rain)"\s*\}'),
    "json as text": ({"structured_outputs": {"json": json.dumps(SCHEMA)}}, r'\{\s*"sky"\s*:\s*"(clear|rain)"\s*\}'),
    "json_object": ({"structured_outputs": {"json_object": True}}, r"(?s)\{.*\}"),
}
each = pytest.mark.parametrize("name", CASES)
manner = pytest.mark.parametrize("options", [{}, {"temperature": 2, "seed": 3}], ids=["greedy", "sampled"])


def fits(pattern: str, text: str, reason: str, *, open: bool) -> bool:
    """Whether it ended by itself and fits as a whole; an `open` form may also have met the length limit."""
    return text[0] == "{" if open and reason == "length" else reason == "stop" and bool(re.fullmatch(pattern, text))


def ask(url: str, **options: Any) -> dict[str, Any]:
    response = post(url, body(**{"max_tokens": 90, "reasoning_effort": "none", **options}))
    assert response.status_code == 200, response.text
    return dict(response.json()["choices"][0])


def complete(url: str, **options: Any) -> Any:
    asked = {"model": NAME, "prompt": "count", "temperature": 0, "max_tokens": 90, **options}
    return http().post(f"{url}/completions", json=asked)


@each
@manner
def test_a_chats_answer_fits_and_streams_alike(url: str, name: str, options: dict[str, Any]) -> None:
    asked, pattern = CASES[name]
    whole = ask(url, **asked, **options)
    text = whole["message"]["content"]
    assert fits(pattern, text, whole["finish_reason"], open=name == "json_object"), text
    chunks = events(post(url, body(stream=True, max_tokens=90, reasoning_effort="none", **asked, **options)))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == text
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]


@each
@manner
def test_a_completion_fits_and_streams_alike(url: str, name: str, options: dict[str, Any]) -> None:
    asked, pattern = CASES[name]
    whole = complete(url, **asked, **options).json()["choices"][0]
    assert fits(pattern, whole["text"], whole["finish_reason"], open=name == "json_object"), whole
    chunks = events(complete(url, stream=True, **asked, **options))
    assert "".join(c["choices"][0]["text"] for c in chunks) == whole["text"]


def test_the_official_client(url: str) -> None:
    extra = {"structured_outputs": {"choice": ["left", "right"]}}
    messages: Any = [{"role": "user", "content": "count"}]
    chat = client(url).chat.completions.create(model=NAME, messages=messages, extra_body=extra, reasoning_effort="none")
    text = client(url).completions.create(model=NAME, prompt="count", extra_body=extra)
    assert {chat.choices[0].message.content, text.choices[0].text} <= {"left", "right"}
    with client(url).chat.completions.stream(
        model=NAME, messages=messages, extra_body={"regex": "[xyz]{5}"}, reasoning_effort="none"
    ) as stream:
        assert re.fullmatch("[xyz]{5}", stream.get_final_completion().choices[0].message.content or "")


def test_a_thought_comes_first_and_is_free(url: str) -> None:
    asked = {"structured_outputs": {"regex": "[xyz]{5}"}, "reasoning_effort": None}
    message = post(url, body(LESSONS[0]["user"], **asked)).json()["choices"][0]["message"]
    assert message["reasoning_content"] == LESSONS[0]["reasoning_content"]
    assert re.fullmatch("[xyz]{5}", message["content"])


def test_a_completion_has_no_thought(url: str, tokenizer: Tokenizer) -> None:
    prompt = tokenizer.prompt([{"role": "user", "content": LESSONS[0]["user"]}])
    free, held = complete(url, prompt=prompt).json(), complete(url, prompt=prompt, regex="[xyz]{5}").json()
    assert LESSONS[0]["reasoning_content"] in free["choices"][0]["text"]
    assert re.fullmatch("[xyz]{5}", held["choices"][0]["text"]) and held["usage"]["completion_tokens"] <= 6


def test_what_bounds_an_answer_bounds_it_here_too(url: str) -> None:
    short = ask(url, regex="a{50}", max_tokens=3)
    assert (short["message"]["content"], short["finish_reason"]) == ("aaa", "length")
    stopped = ask(url, regex="a{5}bc+d", stop="c")
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("aaaaab", "stop")
    assert len(ask(url, regex="a{1,30}", min_tokens=20)["message"]["content"]) >= 20
    assert ask(url, regex="a{3}", min_tokens=20)["message"]["content"] == "aaa"
    cut = complete(url, regex="a{50}", max_tokens=3).json()["choices"][0]
    assert (cut["text"], cut["finish_reason"]) == ("aaa", "length")
    assert complete(url, regex="a{50}", max_tokens=0, echo=True).json()["choices"][0]["text"] == "count"
    assert complete(url, regex="a{3}", echo=True).json()["choices"][0]["text"] == "countaaa"


def test_each_of_several_choices_fits(url: str) -> None:
    asked = {"structured_outputs": {"grammar": SUM}, "n": 3, "temperature": 2, "seed": 1}
    chat = post(url, body(reasoning_effort="none", **asked)).json()["choices"]
    text = complete(url, prompt=["count", "think"], **asked).json()["choices"]
    answers = [c["message"]["content"] for c in chat] + [c["text"] for c in text]
    assert len(answers) == 9 and len(set(answers)) > 1 and all(re.fullmatch(NUMBERS, a) for a in answers), answers
    best = complete(url, regex="[ab]{6}", best_of=3, temperature=2).json()["choices"]
    assert len(best) == 1 and re.fullmatch("[ab]{6}", best[0]["text"])


def test_logprobs_are_of_the_tokens_that_were_said(url: str) -> None:
    choice = ask(url, regex="[xyz]{5}", logprobs=True, top_logprobs=2)
    assert "".join(e["token"] for e in choice["logprobs"]["content"]) == choice["message"]["content"]
    logprobs = complete(url, regex="[xyz]{5}", logprobs=1).json()["choices"][0]["logprobs"]
    assert all(value is not None and value <= 0 for value in logprobs["token_logprobs"])


def test_an_answer_that_was_begun_counts_from_its_beginning(url: str) -> None:
    def asked(beginning: str) -> dict[str, Any]:
        last = {"role": "assistant", "content": beginning, "prefix": True}
        return body(regex="abc[xyz]{3}") | {"messages": [{"role": "user", "content": "count"}, last]}

    assert re.fullmatch("[xyz]{3}", post(url, asked("abc")).json()["choices"][0]["message"]["content"])
    assert_error(post(url, asked("xyz")), 400, "messages")


def test_what_asks_for_nothing_changes_nothing(url: str) -> None:
    said = LESSONS[1]["content"]
    for idle in (
        {"structured_outputs": None}, {"regex": None}, {"ebnf": None}, {"grammar": None}, {"grammar": ""},
    ):  # fmt: skip
        assert ask(url, **idle)["message"]["content"] == said, idle
    others = {"disable_any_whitespace": False, "disable_additional_properties": False, "whitespace_pattern": None}
    nulls = {"json": None, "json_object": False, "choice": None, "structural_tag": None, "grammar": None}
    tools = [{"type": "function", "function": {"name": "f"}}]
    asked = {"structured_outputs": {"regex": "[xyz]{5}"} | others | nulls, "response_format": {"type": "text"}}
    for more in ({}, {"tools": []}, {"tools": tools, "tool_choice": "none"}):
        assert re.fullmatch("[xyz]{5}", ask(url, **asked, **more)["message"]["content"])


def wrong() -> Iterator[tuple[dict[str, Any], str, str]]:
    """What is asked, the field that is named, and a part of the reason."""
    one = "structured_outputs needs exactly one"
    yield {"structured_outputs": {}}, "structured_outputs", one
    yield {"structured_outputs": {"json_object": False}}, "structured_outputs", one
    yield {"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs", one
    yield {"structured_outputs": {"json": {}, "json_object": True}}, "structured_outputs", one
    yield {"structured_outputs": "json"}, "structured_outputs", ""
    yield {"structured_outputs": {"regex": "a"}, "regex": "a"}, "regex", "does not go with structured_outputs"
    for key, value, reason in [
        ("regex", "", "at least 1"), ("regex", 5, "string"), ("regex", "(", "unclosed group"), ("regex", "a\\", "backslash"),
        ("regex", "(?=a)a", "look-around"), ("regex", r"(a)\1", "backreferences"), ("regex", "\ud800", "surrogate"),
        ("regex", "a" * (MAX_GRAMMAR + 1), "at most"), ("regex", "中" * (MAX_GRAMMAR // 2), "bytes"),
        ("grammar", "", "at least 1"), ("grammar", 'root ::= "a"', "Expected"), ("grammar", "start: x", "unknown name"),
        ("grammar", 'begin: "a"', "no start rule"), ("grammar", "start: start", "no text at all"),
        ("grammar", "\ud800", "surrogate"), ("grammar", "a" * (MAX_LARK + 1), "at most"), ("grammar", ["a"], "string"),
        ("choice", [], "at least 1"), ("choice", "a", "list"), ("choice", ["a"] * 4097, "at most"),
        ("json", 5, ""), ("json", "", "JSON schema"), ("json", "[1]", "JSON schema"), ("json", "{", "JSON schema"),
        ("json", {"type": "no such"}, ""), ("json", '{"type": "string", "pattern": "("}', ""),
        ("json_object", "yes", ""), ("whitespace_pattern", " ", "not supported"), ("structural_tag", "{}", "not supported"),
        ("disable_any_whitespace", True, "not supported"), ("disable_additional_properties", True, "not supported"),
        ("_backend", "xgrammar", "Unrecognized"),
    ]:  # fmt: skip
        extra = {} if key in ("regex", "grammar", "choice", "json") else {"regex": "a"}
        yield {"structured_outputs": {key: value} | extra}, f"structured_outputs.{key}", reason
    yield {"structured_outputs": {"choice": ["a", ""]}}, "structured_outputs.choice[1]", "at least 1"
    yield {"structured_outputs": {"choice": ["a", 5]}}, "structured_outputs.choice[1]", "string"
    yield {"regex": "("}, "regex", "unclosed group"
    yield {"ebnf": 'root ::= "a"'}, "ebnf", "structured_outputs"
    yield {"grammar": 'root ::= "a"'}, "grammar", "structured_outputs"


@pytest.mark.parametrize(("asked", "param", "reason"), list(wrong()))
def test_what_is_wrong_is_named_with_its_reason(url: str, asked: dict[str, Any], param: str, reason: str) -> None:
    sent = {"content": json.dumps(body(**asked)), "headers": {"content-type": "application/json"}}
    error = assert_error(http().post(f"{url}/chat/completions", **sent), 400, param)
    assert reason in error["message"] and '"strict"' not in error["message"] and len(error["message"]) < 700
    sent["content"] = json.dumps({"prompt": "count", **asked})
    assert assert_error(http().post(f"{url}/completions", **sent), 400, param) == error


@pytest.mark.parametrize("asked", [{"regex": "a"}, {"structured_outputs": {"choice": ["a"]}}])
def test_one_form_only(url: str, asked: dict[str, Any]) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    for other in ({"response_format": {"type": "json_object"}}, {"tools": tools}):
        error = assert_error(post(url, body(**asked, **other)), 400, next(iter(asked)), "invalid_value")
        assert "does not go with" in error["message"]


@pytest.mark.parametrize("path", ["chat/completions", "completions"])
def test_too_many_at_once_are_told_to_come_back(url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any) -> Any:
        raise Busy("other grammars are being compiled")

    monkeypatch.setattr("firesteel.serve.guides.compiler.Compiler.compile", busy)
    asked = body(regex=f"not seen before in {path}") | {"prompt": "count"}
    del asked["prompt" if "chat" in path else "messages"]
    response = http().post(f"{url}/{path}", json=asked)
    assert_error(response, 503, None, "queue_full")
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("kindly", [True, False])
def test_a_guard_never_leaves_half_of_a_json_value(taught: Transformer, tokenizer: Tokenizer, kindly: bool) -> None:
    schema = {"const": {"note": "x" * 20, "sky": "rain"}}
    asked = body(structured_outputs={"json": schema}, reasoning_effort="none")
    with running(app_of(taught, tokenizer, guard=Hiding(kindly))) as url:
        whole = post(url, asked).json()["choices"][0]
        streamed = events(post(url, asked | {"stream": True}))
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in streamed)
    assert text == whole["message"]["content"] and "rain" not in text
    assert whole["finish_reason"] == streamed[-1]["choices"][0]["finish_reason"]
    assert json.loads(text)["sky"] == "****" if kindly else "{" not in text


@pytest.mark.parametrize("kind", ["byte level", "byte fallback", "metaspace"])
def test_a_text_that_goes_on_has_its_own_spaces(kind: str) -> None:
    tokenizer = imported(kind, thinks="tokens")
    grammar, yes = Guides(tokenizer).choice(["yes"]), ids_of(tokenizer, "yes")
    spaced = ids_of(tokenizer, " yes")
    assert walk(tokenizer, grammar.text(begun=True), yes) == "ends"
    assert walk(tokenizer, grammar.text(begun=True), spaced) == "", "the space would be said"
    begins = walk(tokenizer, grammar.text(begun=False), spaced)
    assert begins == ("" if kind == "byte level" else "ends"), "the space that begins a text is none"
    thought = grammar.text(begun=True).allowed()
    assert thought is not None and not thought[tokenizer.think_id]


LITERALS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=3).map(re.escape)
CLASSES = st.sampled_from(["[a-d]", "[^a-y]", r"\d", r"\w", r"[\\/]", "[\"']", "[一-三]", "é", "."])
REGEXES = st.recursive(
    LITERALS | CLASSES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,3}", "*?"])).map(lambda p: f"({p[0]}){p[1]}"),
    ),
    max_leaves=5,
)
BYTES = imported("byte level")
HELD = Guides(BYTES)


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(pattern=REGEXES, seed=st.integers(0, 99))
def test_whatever_a_regex_allows_it_matches(pattern: str, seed: int) -> None:
    text, ended = wander(BYTES, HELD.regex(pattern).guide(), seed, most=60)
    newer = any(
        unicodedata.category(c) == "Cn" for c in text
    )  # of a later Unicode than this Python's, such as new digits
    assert newer or not ended or re.fullmatch(pattern, text), (pattern, text)


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(options=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=4))
def test_every_choice_can_be_said_and_nothing_else(options: list[str]) -> None:
    grammar = HELD.choice(options)
    for option in options:
        assert walk(BYTES, grammar.guide(), ids_of(BYTES, option, random.Random(1))) in ("ends", "either"), option
    text, ended = wander(BYTES, grammar.guide(), 1)
    assert ended and text in options
