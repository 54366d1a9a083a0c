"""Answers that go on with the last message: DeepSeek's prefix, and continue_final_message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.reply import REFUSAL, Form, Reply
from firesteel.serve.sequence import Event
from tests.core.imported import llama2, qwen
from tests.serve.api import LESSONS, NAME, WordGuard, assert_error, events, http, post

PREFIX = {"prefix": True}


def asked(user: str, last: dict[str, Any], **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": user}, {"role": "assistant", **last}]
    return {"model": NAME, "messages": messages, "temperature": 0, **options}


def answer(url: str, body: dict[str, Any]) -> dict[str, Any]:
    response = post(url, body)
    assert response.status_code == 200, response.text
    return dict(response.json()["choices"][0])


@pytest.mark.parametrize("said", ["one two", "one two ", "one tw", "one two three four five six seven eight nine"])
def test_the_answer_is_the_new_text_alone(url: str, tokenizer: Tokenizer, said: str) -> None:
    choice = answer(url, asked("count", {"content": said, **PREFIX}))
    again = answer(url, asked("count", {"content": said}, continue_final_message=True, add_generation_prompt=False))
    assert choice == again
    if said == "one two":
        assert said + choice["message"]["content"] == LESSONS[1]["content"] and choice["finish_reason"] == "stop"


def test_the_prompt_is_counted_with_what_was_said(url: str, tokenizer: Tokenizer) -> None:
    body = asked("count", {"content": "one two", **PREFIX}, max_tokens=3)
    messages = [{"role": "user", "content": "count"}, {"role": "assistant", "content": "one two"}]
    ids = tokenizer.prefilled(messages).ids
    assert ids == tokenizer.render(messages).ids[:-1]
    assert post(url, body).json()["usage"]["prompt_tokens"] == len(ids)
    told = http().post(f"{url}/tokenize", json={"messages": body["messages"]}).json()
    assert told["tokens"] == ids


@pytest.mark.parametrize("stream", [False, True])
def test_a_thought_goes_on_as_a_thought(url: str, stream: bool) -> None:
    lesson = LESSONS[4]
    whole = lesson["reasoning_content"]
    body = asked(lesson["user"], {"content": "", "reasoning_content": whole[:7], **PREFIX}, stream=stream)
    if stream:
        deltas = [c["choices"][0]["delta"] for c in events(post(url, body)) if c["choices"]]
        message = {k: "".join(d.get(k) or "" for d in deltas) for k in ("content", "reasoning_content")}
    else:
        message = answer(url, body)["message"]
    assert (whole[:7] + message["reasoning_content"], message["content"]) == (whole, lesson["content"])


def test_behind_a_whole_thought_the_answer_goes_on(url: str) -> None:
    lesson = LESSONS[0]
    last = {"content": lesson["content"][:3], "reasoning_content": lesson["reasoning_content"], **PREFIX}
    message = answer(url, asked(lesson["user"], last))["message"]
    assert lesson["content"][:3] + message["content"] == lesson["content"]
    assert "reasoning_content" not in message


SCHEMA = {
    "type": "object", "properties": {"n": {"const": 42}, "m": {"const": 7}}, "required": ["n", "m"],
    "additionalProperties": False,
}  # fmt: skip


def test_a_grammar_holds_for_the_whole_answer(url: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    said = '{"n": 4'
    choice = answer(url, asked("count", {"content": said, **PREFIX}, response_format=form))
    assert json.loads(said + choice["message"]["content"]) == {"n": 42, "m": 7}
    assert_error(post(url, asked("count", {"content": "[", **PREFIX}, response_format=form)), 400, "messages")
    thought = answer(url, asked("count", {"reasoning_content": "hm", **PREFIX}, response_format=form, max_tokens=99))
    if thought["finish_reason"] == "stop":
        assert json.loads(thought["message"]["content"]) == {"n": 42, "m": 7}


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_guard_sees_what_was_said_with_what_follows(tokenizer: Tokenizer, opened: bool, streamed: bool) -> None:
    def go_on(said: str, more: str) -> tuple[str, str | None]:
        form = Form(opened=opened, said=said)
        reply = Reply(tokenizer, guard=WordGuard(), form=form, streamed=streamed)
        ids, text = tokenizer.encode(more), ""
        for i, id in enumerate(ids):
            delta = reply.push(Event("s", id, -1.0, [], "length" if i + 1 == len(ids) else None))
            text += delta.reasoning + delta.answer
            if reply.finish_reason:
                break
        return text, reply.finish_reason

    assert go_on("Call 13800138", "000 now") == (REFUSAL, "content_filter"), "the number's beginning is out already"
    assert go_on("He gave FORB", "IDDEN advice") == (REFUSAL, "content_filter")
    assert go_on("x" * 300, "\n fine " * 40) == ("\n fine " * 40, "length")
    assert go_on("Call ", "13800138000 now") == ("[PHONE] now", "length")


def test_a_guard_refuses_what_was_said_as_any_message(guarded: str) -> None:
    choice = answer(guarded, asked("count", {"content": "FORBIDDEN", **PREFIX}))
    assert choice["finish_reason"] == "content_filter"
    body = asked("count", {"content": "call 13800138000", **PREFIX}, max_tokens=1)
    hidden = asked("count", {"content": "call [PHONE]", **PREFIX}, max_tokens=1)
    used = [post(guarded, one).json()["usage"]["prompt_tokens"] for one in (body, hidden)]
    assert used[0] == used[1]


def test_text_that_goes_on_keeps_its_blanks(tmp_path: Path) -> None:
    """A text's first token loses the space that its tokenizer put there; a later one does not."""
    tokenizer = Tokenizer.load(llama2(tmp_path / "model"))
    id = next(i for i, piece in enumerate(tokenizer.token_bytes) if piece == b" the")
    said = [
        Reply(tokenizer, form=Form(said=before)).push(Event("s", id, -1.0, [], "length")).answer for before in ("", "a")
    ]
    assert said == ["the", " the"]
    thought = qwen(tmp_path / "qwen")
    line = Tokenizer.load(thought).encode("\n")[0]
    for before, kept in (("", ""), ("step 1", "\n")):
        reply = Reply(Tokenizer.load(thought), form=Form(opened=True, said=before))
        out = reply.push(Event("s", line, -1.0, [], None)).reasoning
        out += reply.push(Event("s", Tokenizer.load(thought).encode("a")[0], -1.0, [], "length")).reasoning
        assert out == kept + "a"


@pytest.mark.parametrize(
    "change,param",
    [
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        ({"continue_final_message": True, "add_generation_prompt": True}, "add_generation_prompt"),
        ({"continue_final_message": True, "messages": [{"role": "user", "content": "x"}]}, "continue_final_message"),
        ({"messages": [{"role": "user", "content": "x", "prefix": True}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "content": "x", "prefix": True}, {"role": "user", "content": "x"}]},
         "messages[0].prefix"),
        ({"messages": [{"role": "assistant", "content": "", "prefix": True}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "prefix": "yes"}]}, "messages[0].prefix"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(url: str, change: dict[str, Any], param: str) -> None:
    assert_error(post(url, asked("count", {"content": "one"}) | change), 400, param)


def test_a_call_is_not_gone_on_with(url: str) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    body = asked("count", {"content": "one", "tool_calls": calls}, continue_final_message=True)
    assert_error(post(url, body), 400, "messages[1].tool_calls")


def test_tokenize_refuses_the_same(url: str) -> None:
    messages = [{"role": "user", "content": "x"}]
    for more, param in (
        ({"messages": messages}, "continue_final_message"),
        ({"prompt": "x"}, "continue_final_message"),
    ):
        body = {"continue_final_message": True, **more}
        assert_error(http().post(f"{url}/tokenize", json=body), 400, param)
