"""Models behind a URL: what is understood, what is asked again, and what is refused; against a server that misbehaves."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.errors import SourceError, UserError
from firesteel.tasks.judging import http
from firesteel.tasks.judging.answering import Answer, Asking
from firesteel.tasks.judging.http import Limits, Refused, Server, checked_url, key_of, origin, pause_of
from firesteel.tasks.judging.remote import Journal, Remote, answer_of, parted
from tests.tasks.fakes import (
    completion,
    dripping,
    endless,
    fine,
    hang_up,
    raw,
    send,
    serving,
    status,
    truncated,
)

QUESTIONS = [[{"role": "user", "content": f"{i}+1?"}] for i in range(6)]
ASKING = Asking(max_new_tokens=50, temperature=0.5, seed=3)


class Sleeper:
    """Notes pauses instead of waiting."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


def server(url: str, sleeper: Sleeper | None = None, seconds: float = 20, attempts: int = 6, **more: Any) -> Server:
    return Server(url, limits=Limits(seconds, attempts, sleeper or Sleeper()), **more)


def remote(url: str, **more: Any) -> Remote:
    return Remote(server(url), "m", concurrency=3, **more)


def test_all_questions_are_asked_once_as_they_were_wanted() -> None:
    def echo(handler: Any, asked: dict[str, Any]) -> None:
        time.sleep(0.01 * (6 - int(asked["messages"][0]["content"][0])))  # later ones are quicker
        send(handler, 200, completion(asked["messages"][0]["content"]))

    with serving(then=echo) as fake:
        found = remote(fake.url).answer(QUESTIONS, ASKING)
        asked = fake.asked
    assert [a.reply for a in found] == [f"{i}+1?" for i in range(6)] and found[0].tokens == 7
    assert all((b["model"], b["max_tokens"], b["temperature"]) == ("m", 50, 0.5) for b in asked)
    assert len({b["seed"] for b in asked}) == 6 and not any("stream" in b for b in asked)


BUSY = {
    "500": status(500), "503": status(503), "429": status(429), "garbage": raw(b"<html>\x00\xff"), "empty": raw(b""),
    "hang up": hang_up, "truncated": truncated, "no completion": raw(b'{"error": {"message": "overloaded"}}'),
    "half a chunk": raw(b"5\r\nab", Transfer_Encoding="chunked"), "deep": raw(b"[" * 100_000), "list": raw(b"[]"),
    "no message": raw(b'{"choices": [{"message": null}]}'), "number": raw(b'{"choices": [{"message": {"content": 5}}]}'),
}  # fmt: skip


@pytest.mark.parametrize("kind", BUSY)
def test_what_may_get_better_is_asked_again(kind: str) -> None:
    with serving(fine, BUSY[kind], BUSY[kind]) as fake:
        sleeper = Sleeper()
        found = Remote(server(fake.url, sleeper), "m", concurrency=1).answer(QUESTIONS[:3], ASKING)
        assert [a.reply for a in found] == ["The answer is 5."] * 3 and len(fake.asked) == 5
    assert len(sleeper.pauses) == 2 and sleeper.pauses[1] > sleeper.pauses[0]


def test_a_server_says_how_long_to_wait() -> None:
    with serving(status(429, Retry_After="7"), status(503, Retry_After="soon"), fine) as fake:
        sleeper, heard = Sleeper(), []
        Remote(server(fake.url, sleeper, say=heard.append), "m").answer(QUESTIONS[:1], ASKING)
    assert sleeper.pauses == [7, 2] and "status 429: busy; asking again in 7 s" in heard
    with serving(then=status(429, Retry_After="86400")) as fake:
        with pytest.raises(SourceError, match="429"):
            remote(fake.url).answer(QUESTIONS, ASKING)
        assert len(fake.asked) == 1, "nobody waits for a day"


def test_a_server_that_does_not_get_well_is_given_up() -> None:
    with serving(then=status(500, "a\x1b[31mb\nc")) as fake:
        with pytest.raises(SourceError) as e:
            remote(fake.url).answer(QUESTIONS, ASKING)
        assert len(fake.asked) == 6
    assert "status 500: a [31mb c" in e.value.why and fake.url in str(e.value)


@pytest.mark.parametrize("slow", [dripping, endless])
def test_no_reply_takes_for_ever(slow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BIGGEST", 4 << 20)
    with serving(then=slow) as fake:
        began = time.monotonic()
        with pytest.raises(SourceError) as e:
            server(fake.url, seconds=0.5, attempts=2).ask("/chat/completions", {})
        assert time.monotonic() - began < 5
    assert ("within 0.5 s" if slow is dripping else "more than 4 MiB") in e.value.why


def test_a_server_that_says_nothing_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(SourceError, match=r"within 0\.3 s|timed out"):
            server(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.3, attempts=2).ask("/models")


def test_nobody_there_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SourceError, match="no server there"):
        server(f"http://127.0.0.1:{port}/v1").ask("/models")


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_no_redirect_is_followed(code: int) -> None:
    with serving() as other:
        with serving(then=status(code, Location=other.url)) as fake:
            with pytest.raises(SourceError, match="elsewhere"):
                Remote(server(fake.url, key="secret"), "m").answer(QUESTIONS, ASKING)
            assert len(fake.seen) == 1
        assert not other.seen


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_a_refusal_of_the_first_question_ends_it(code: int) -> None:
    with serving(then=status(code, "no such thing")) as fake:
        with pytest.raises(Refused, match=f"status {code}") as e:
            remote(fake.url).answer(QUESTIONS, ASKING)
        assert len(fake.asked) == 1 and e.value.why == "no such thing"
    assert ("--key-file" in e.value.hint) == (code in (401, 403))


def test_one_question_that_is_refused_is_a_case_of_its_own() -> None:
    def picky(handler: Any, asked: dict[str, Any]) -> None:
        bad = asked["messages"][0]["content"] == "3+1?"
        (status(400, "too long") if bad else fine)(handler, asked)

    with serving(then=picky) as fake:
        found = remote(fake.url).answer(QUESTIONS, ASKING)
    assert [bool(a.refused) for a in found] == [i == 3 for i in range(6)]
    assert found[3] == Answer(None, "", False, refused="status 400: too long")


def test_a_key_that_is_withdrawn_on_the_way_ends_it() -> None:
    with serving(fine, then=status(401)) as fake, pytest.raises(Refused, match="401"):
        remote(fake.url).answer(QUESTIONS, ASKING)


def test_servers_that_want_to_be_asked_otherwise() -> None:
    def modern(handler: Any, asked: dict[str, Any]) -> None:
        wrong = next((name for name in ("max_tokens", "seed") if name in asked), "")
        words = {"max_tokens": "use max_completion_tokens", "seed": "seed is not supported"}
        (status(400, words[wrong]) if wrong else fine)(handler, asked)

    heard: list[str] = []
    with serving(then=modern) as fake:
        found = remote(fake.url, say=heard.append).answer(QUESTIONS, ASKING)
        assert len(found) == 6 and len(fake.asked) == 8
        assert fake.asked[-1]["max_completion_tokens"] == 50
    assert heard == ["the server takes no seed: asked again, it may answer otherwise"]


def test_a_server_that_gives_less_is_asked_for_what_it_gives() -> None:
    def small(handler: Any, asked: dict[str, Any]) -> None:
        (status(400, "max_tokens is too large: 50") if "max_tokens" in asked else fine)(handler, asked)

    heard: list[str] = []
    with serving(then=small) as fake:
        assert len(remote(fake.url, shorten=True, say=heard.append).answer(QUESTIONS, ASKING)) == 6
        with pytest.raises(Refused, match="too large"):
            remote(fake.url).answer(QUESTIONS, ASKING)
    assert len(heard) == 1 and "too large: 50" in heard[0]


def test_the_only_model_is_asked_for_by_its_name() -> None:
    with serving() as fake:
        assert Remote(server(fake.url)).name == "only"
    for listed, why in (
        ({"data": [{"id": "a"}, {"id": "b"}]}, "a, b"),
        ({"data": []}, "none"),
        ([], "none"),
        ({"data": 5}, ""),
    ):
        with serving(raw(json.dumps(listed).encode())) as fake, pytest.raises(UserError, match="--model-name") as e:
            Remote(server(fake.url))
        assert why in e.value.why


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "answers.jsonl"
    with serving(*[fine] * 4, then=status(500)) as fake, pytest.raises(SourceError):
        Remote(server(fake.url), "m", concurrency=1, journal=Journal(file)).answer(QUESTIONS, ASKING)
    kept = file.read_text().count("\n")
    file.write_text(file.read_text() + '{"asked": "torn')
    with serving() as second:
        again = Remote(server(second.url), "m", journal=Journal(file))
        again.server.url = fake.url  # what was asked is told apart by whom it was asked of
        assert len([q for i, q in enumerate(QUESTIONS) if Journal(file).get(again._asked(q, ASKING, i))]) == kept == 4
        assert not Journal(file).get(again._asked(QUESTIONS[0], Asking(seed=4), 0))


@pytest.mark.parametrize(
    ("message", "finish", "answer"),
    [
        ({"text": "5"}, "stop", Answer(None, "5", True, 7)),
        ({"text": "5", "reasoning_content": "2+3"}, "stop", Answer("2+3", "5", True, 7)),
        ({"text": "5", "reasoning": "2+3"}, "stop", Answer("2+3", "5", True, 7)),
        ({"text": "5", "reasoning_content": None, "reasoning": ""}, None, Answer(None, "5", True, 7)),
        ({"text": "<think>\n2+3\n</think>\n\n5"}, "stop", Answer("2+3", "5", True, 7)),
        ({"text": "2+3\n</think>\n5"}, "stop", Answer("2+3", "5", True, 7)),
        ({"text": "<think>2+3"}, "length", Answer("2+3", "", False, 7)),
        ({"text": "It is 5. <think>"}, "stop", Answer(None, "It is 5. <think>", True, 7)),
        ({"text": None, "tool_calls": []}, "tool_calls", Answer(None, "", False, 7)),
        ({"text": "no"}, "content_filter", Answer(None, "no", False, 7)),
        ({"text": [{"type": "text", "text": "5"}, {"type": "image"}]}, "stop", Answer(None, "5", True, 7)),
    ],
)
def test_thoughts_and_ends_of_many_servers(message: dict[str, Any], finish: str | None, answer: Answer) -> None:
    assert answer_of(completion(finish=finish, **message)) == answer


def test_a_thought_is_parted_from_the_answer_once() -> None:
    assert parted("<think>a</think>b</think>c") == ("a", "b</think>c")
    assert parted("plain") == (None, "plain") and parted("") == (None, "")


@pytest.mark.parametrize(
    "url", ["ftp://a/v1", "http://", "http://a:99999", "http://me:secret@a/v1", "http://a/v1?key=secret", "http://a b/v1", "http://a:0"]
)  # fmt: skip
def test_urls_that_are_none_or_hold_secrets_are_refused(url: str) -> None:
    with pytest.raises(UserError) as e:
        checked_url(url)
    assert "secret" not in str(e.value)


def test_a_base_url_is_understood_and_says_who_is_asked() -> None:
    assert checked_url("http://a:1/v1/chat/completions") == checked_url("http://a:1/v1/") == "http://a:1/v1"
    assert origin("https://a/x") == origin("https://A:443/y") != origin("http://a/x")
    assert Server("http://a.example/v1").exposed and not Server("http://127.0.0.1:1/v1").exposed


def test_keys_come_from_a_file_or_the_environment_and_go_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(http.KEY_VARIABLE, raising=False)
    assert key_of(None) == ""
    monkeypatch.setenv(http.KEY_VARIABLE, " abc ")
    (tmp_path / "key").write_text("def\n")
    assert key_of(None) == "abc" and key_of(tmp_path / "key") == "def"
    for text in ("", "a b", "a\r\nHost: x", "é"):
        (tmp_path / "key").write_text(text)
        with pytest.raises(UserError):
            key_of(tmp_path / "key")
    with serving() as fake:
        asker = Server(fake.url, "s3cret")
        asker.ask("/chat/completions", {})
        assert fake.seen[0][2]["Authorization"] == "Bearer s3cret" and "s3cret" not in repr(asker)


def test_pauses_are_seconds_or_dates() -> None:
    assert pause_of("Wed, 21 Oct 2015 07:28:10 GMT", now=1445412480.0) == 10 and pause_of("1.5") == 1.5
    assert pause_of("Wed, 21 Oct 2015 07:28:10 GMT", now=1445412999.0) == 0
    assert [pause_of(text) for text in (None, "", "soon", "-3", "9" * 40)] == [None] * 5
