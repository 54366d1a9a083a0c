"""What leaves the server: stop strings, the guard, and one reply put together from tokens."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.endings import Ending
from firesteel.serve.openai.reply import REFUSAL, Reply
from firesteel.serve.openai.text import HOLD, WINDOW, GuardedText, StopMatcher
from firesteel.serve.sequence import Event
from tests.serve.api import HELPLINE, Judgement, WordGuard


def pieces(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(c % (len(text) + 1) for c in cuts), len(text)]
    return [text[a:b] for a, b in zip(edges, edges[1:], strict=False)]


def cut_at_first(text: str, stops: tuple[str, ...]) -> str:
    ends = [(text.find(s) + len(s), text.find(s)) for s in stops if s in text]
    return text[: min(ends)[1]] if ends else text


@settings(max_examples=300, deadline=None)
@given(
    st.text("abc", max_size=40),
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=4),
    st.lists(st.integers(0, 99)),
)
def test_stop_strings_cut_the_same_place_however_the_text_arrives(text: str, stops: list[str], cuts: list[int]) -> None:
    matcher = StopMatcher(tuple(stops))
    out = "".join(matcher.push(p) for p in pieces(text, cuts)) + matcher.finish()
    assert out == cut_at_first(text, tuple(stops))
    assert matcher.matched == any(s in text for s in stops)


def test_text_that_may_become_a_stop_string_waits() -> None:
    matcher = StopMatcher(("END", "\n\n"))
    assert [matcher.push(c) for c in "xE"] == ["x", ""]
    assert matcher.push("NE") == "EN"
    assert matcher.push("ND after") == "" and matcher.matched


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["word ", "13800138000", "FORBIDDEN", "字", "x" * 50, "1380013"]), max_size=30),
    st.lists(st.integers(0, 2000)),
)
def test_nothing_forbidden_leaves_however_the_text_arrives(words: list[str], cuts: list[int]) -> None:
    text, guard = "".join(words), WordGuard()
    guarded = GuardedText(guard.check_output)
    parts = pieces(text, cuts)
    out = "".join(guarded.push(p) for p in parts) + guarded.push("", last=True)
    assert "FORBIDDEN" not in out and "13800138000" not in out
    if "FORBIDDEN" in text:
        assert guarded.blocked == "test" and guard.check_output(text.replace("FORBIDDEN", "x")).text.startswith(out)
    elif guarded.blocked is None:
        assert out == guard.check_output(text).text
        assert guarded.altered == (out != text)


def test_a_tail_is_held_back_until_the_end() -> None:
    guarded = GuardedText(WordGuard().check_output)
    text = "a" * 100
    assert guarded.push(text) == "a" * (100 - HOLD)
    assert guarded.push("b") == "", "the guard is not asked for every character"
    assert guarded.push("b" * 15) == "a" * 16
    assert guarded.push("", last=True) == "a" * (HOLD - 16) + "b" * 16


def test_long_texts_are_looked_at_in_a_window_of_bounded_size() -> None:
    seen: list[int] = []

    def check(text: str) -> Judgement:
        seen.append(len(text))
        return WordGuard().check_output(text)

    guarded = GuardedText(check)
    text = ("some words and 13800138000 then more of it. " * 600)[:20_000]
    out = "".join(guarded.push(text[i : i + 10]) for i in range(0, len(text), 10)) + guarded.push("", last=True)
    assert out == WordGuard().check_output(text).text
    assert max(seen) <= 2 * WINDOW + 100  # a redaction at the cut delays it a little


def test_a_redaction_of_what_has_already_left_ends_the_text() -> None:
    def late(text: str) -> Judgement:
        return Judgement(True, "[HIDDEN]" if len(text) > 60 else text, category="privacy")

    guarded = GuardedText(late)
    assert guarded.push("x" * 50) == "x" * 18
    assert guarded.push("x" * 50) == "" and guarded.blocked == "privacy"


def say(tokenizer: Tokenizer, ids: list[int], end: str = "stop", **options: Any) -> tuple[str, str, list[Any], Reply]:
    """Push ids through a reply; (reasoning, answer, logprob entries, reply)."""
    reply = Reply(tokenizer, **options)
    reasoning = answer = ""
    entries: list[Any] = []
    for i, id in enumerate(ids):
        delta = reply.push(Event("s", id, -0.5, [], end if i == len(ids) - 1 else None))
        reasoning, answer = reasoning + delta.reasoning, answer + delta.answer
        entries += delta.logprobs
        if reply.finish_reason:
            break
    return reasoning, answer, entries, reply


def thinking(tokenizer: Tokenizer, reasoning: str, answer: str) -> list[int]:
    return [
        tokenizer.think_id, *tokenizer.encode(reasoning), tokenizer.end_think_id, *tokenizer.encode(answer), tokenizer.eos_id,
    ]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 329), min_size=1, max_size=60))
def test_a_reply_says_what_the_tokenizer_would_parse(tokenizer: Tokenizer, ids: list[int]) -> None:
    ids = [i for i in ids if i != tokenizer.eos_id] + [tokenizer.eos_id]
    reasoning, answer, _, reply = say(tokenizer, ids)
    expected = tokenizer.parse(ids)
    assert (reasoning if reply.thought else None, answer) == expected
    assert reply.tokens == len(ids) and reply.finish_reason == "stop"


def test_reasoning_is_counted_and_kept_apart(tokenizer: Tokenizer) -> None:
    ids = thinking(tokenizer, "先算六乘七", "答案是 42。")
    reasoning, answer, _, reply = say(tokenizer, ids)
    assert (reasoning, answer) == ("先算六乘七", "答案是 42。")
    assert reply.reasoning_tokens == ids.index(tokenizer.end_think_id) + 1


def test_a_thought_without_end_is_all_reasoning(tokenizer: Tokenizer) -> None:
    ids = [tokenizer.think_id, *tokenizer.encode("没有想完")]
    reasoning, answer, _, reply = say(tokenizer, ids, end="length")
    assert (reasoning, answer, reply.finish_reason) == ("没有想完", "", "length")
    assert reply.reasoning_tokens == len(ids)


def test_stop_strings_are_looked_for_in_the_answer_only(tokenizer: Tokenizer) -> None:
    ids = thinking(tokenizer, "one STOP two", "three four STOP five")
    reasoning, answer, _, reply = say(tokenizer, ids, ending=Ending(("STOP",)))
    assert (reasoning, answer, reply.finish_reason) == ("one STOP two", "three four ", "stop")


def test_logprobs_belong_to_the_answers_tokens_that_left(tokenizer: Tokenizer) -> None:
    ids = thinking(tokenizer, "hm", "one two 三 three")
    _, answer, entries, _ = say(tokenizer, ids, logprobs=True)
    assert b"".join(bytes(e["bytes"]) for e in entries).decode() == answer
    _, answer, entries, _ = say(tokenizer, ids, logprobs=True, ending=Ending(("two",)))
    assert answer == "one "
    assert b"".join(bytes(e["bytes"]) for e in entries).decode().startswith("one ")
    assert "three" not in b"".join(bytes(e["bytes"]) for e in entries).decode()


def test_a_guard_stops_a_reply_and_its_logprobs(tokenizer: Tokenizer) -> None:
    harmless = "It starts harmless and goes on for a while like this, "
    ids = [*tokenizer.encode(harmless + "then FORBIDDEN things follow"), tokenizer.eos_id]
    _, answer, entries, reply = say(tokenizer, ids, guard=WordGuard(), logprobs=True)
    assert reply.finish_reason == "content_filter" and reply.blocked == "test"
    told, refusal = answer.split("\n\n", 1)
    assert harmless.startswith(told) and refusal == REFUSAL
    assert harmless.startswith(b"".join(bytes(e["bytes"]) for e in entries).decode())


def test_a_guard_may_refuse_in_its_own_words(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("FORBIDDEN thought: HELP me")
    _, answer, _, _ = say(tokenizer, ids, guard=WordGuard(), end="length")
    assert answer == REFUSAL, "it was stopped before the guard could know better"
    _, answer, _, reply = say(tokenizer, tokenizer.encode("HELP, a FORBIDDEN one"), guard=WordGuard())
    assert answer == reply.refusal == HELPLINE


def test_a_guard_stops_reasoning_too(tokenizer: Tokenizer) -> None:
    reasoning, answer, _, reply = say(tokenizer, thinking(tokenizer, "a FORBIDDEN thought", "Fine."), guard=WordGuard())
    assert (reasoning, answer, reply.finish_reason) == ("", REFUSAL, "content_filter")


def test_logprobs_do_not_tell_what_was_redacted(tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("Call 13800138000 now, before the office closes this evening."), tokenizer.eos_id]
    _, answer, entries, reply = say(tokenizer, ids, guard=WordGuard(), logprobs=True)
    assert answer.startswith("Call [PHONE] now") and reply.finish_reason == "stop"
    assert "8001" not in "".join(e["token"] for e in entries)
