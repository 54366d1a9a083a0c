"""Tools in an evaluation: a model here and one behind a URL hold the same dialogue, within the same bounds."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.errors import SourceError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.tasks import Called, Problem
from firesteel.tasks.judging.answering import Answer, Asking, Local, Request
from firesteel.tasks.judging.dialogue import MOST, answers_to
from firesteel.tasks.judging.evaluate import evaluate, judged
from firesteel.tasks.judging.http import Limits, Refused, Server
from firesteel.tasks.judging.remote import Journal, Remote, answer_of
from firesteel.tasks.score import score
from firesteel.tasks.table import get_task
from firesteel.tasks.tools import TOOLS
from tests.tasks.fakes import completion, send, serving, status
from tests.train.rl.chatting import letters, said
from tests.train.rl.scripted import Done

SUM = Problem("48213*7729?", 372638277, "fits", "The answer is 372638277.", tools=("calculator",))
PLAIN = Problem("2+3?", 5, "2+3=5", "The answer is 5.")
ASKING = Asking(max_new_tokens=300, temperature=0.0, seed=3)
CALL = {"name": "calculator", "arguments": '{"expression": "48213*7729"}'}
TOLD = [CALL | {"result": "372638277"}]


@pytest.fixture(scope="module")
def tokenizer():
    return letters()


class Script:
    """A sampler that says what `how` makes of (question, what tools said so far), and notes how it was asked."""

    def __init__(self, tokenizer, how) -> None:
        self.tokenizer, self.how, self.asked = tokenizer, how, []

    def sample(self, prompts, **options):
        texts = [self.tokenizer.backend.decode(p, skip_special_tokens=False) for p in prompts]
        self.asked.append((texts, prompts, options))
        answers = [self.how(t.split("<|user|>")[1].split("<|")[0], re.findall(r"<\|tool\|>([^<]*)", t)) for t in texts]
        return [self._done(a, options) for a in answers]

    def _done(self, text, options):
        ids = said(self.tokenizer, text)[: options["max_new_tokens"]]
        return Done(ids, [0.0] * len(ids), "stop" if ids[-1] in options["stop_ids"] else "length")


def call(expression, name="calculator"):
    return f"<|tool_call|>{json.dumps({'name': name, 'arguments': {'expression': expression}})}"


def calls_once(question, heard):
    if question == PLAIN.question:
        return "<think>2+3=5</think>The answer is 5.<|eos|>"
    return f"The answer is {heard[-1]}.<|eos|>" if heard else f"<think>I call</think>{call(question[:-1])}<|eos|>"


def test_a_model_here_calls_and_answers_with_what_it_heard(tokenizer) -> None:
    script = Script(tokenizer, calls_once)
    first, plain = answers_to(Local(script, tokenizer), [SUM, PLAIN], ASKING)
    assert (first.reasoning, first.reply, first.stopped, first.calls) == ("I call", SUM.reply, True, TOLD)
    assert (plain.reasoning, plain.reply, plain.calls) == ("2+3=5", PLAIN.reply, [])
    assert score(SUM, first.reasoning, first.reply, stopped=True).correct
    (texts, prompts, options), (again, _, later) = script.asked
    assert "<|tools|>" in texts[0] and prompts[1] == tokenizer.prompt(PLAIN.prompt()), "no tools, no other prompt"
    assert (options["seed"], options["max_new_tokens"], len(prompts)) == (3, 300, 2)
    assert len(again) == 1 and again[0].startswith(texts[0]) and later["seed"] != 3
    assert again[0].endswith(f"<think>I call</think>{call('48213*7729')}<|eos|><|tool|>372638277<|assistant|>")
    assert later["max_new_tokens"] == 300 - len(said(tokenizer, again[0][len(texts[0]) :])), "tools' words count, too"


def test_answers_to_problems_without_tools_are_sampled_as_ever(tokenizer) -> None:
    script = Script(tokenizer, lambda question, heard: "<think>2+3=5</think>The answer is 5.<|eos|>")
    evaluate(script, tokenizer, ["arithmetic"], samples=5, seed=8, max_new_tokens=40)
    ((_, prompts, options),) = script.asked
    problems = get_task("arithmetic").distinct("test", 8, 5)
    assert prompts == [tokenizer.prompt(p.prompt()) for p in problems]
    assert options == {"max_new_tokens": 40, "temperature": 0.0, "seed": 8, "stop_ids": tokenizer.stop_ids}


def test_cases_hold_the_calls_and_one_turn_offers_no_tools(tokenizer) -> None:
    def how(question, heard):
        expression = "".join(re.findall(r"[-+*×()\d]", question))
        return f"The answer is {heard[0]}.<|eos|>" if heard else f"<think>It is large</think>{call(expression)}<|eos|>"

    found = evaluate(Script(tokenizer, how), tokenizer, ["calculator@1/en"], samples=6, seed=1, max_new_tokens=300)
    assert found["all"]["value"] == 1 and found["all"]["well_formed"] == 1
    assert all([c["name"] for c in case["calls"]] == ["calculator"] for case in found["cases"])
    assert all(case["calls"][0]["result"] == case["parsed"] for case in found["cases"])
    script = Script(tokenizer, how)
    alone = evaluate(script, tokenizer, ["calculator@1/en"], samples=6, seed=1, max_new_tokens=300, max_turns=1)
    assert alone["all"]["value"] == 0 and not any("calls" in case for case in alone["cases"])
    assert len(script.asked) == 1 and "<|tools|>" not in script.asked[0][0][0]


def test_whoever_only_calls_has_not_answered(tokenizer) -> None:
    script = Script(tokenizer, lambda question, heard: f"The answer is 372638277.{call('1+1')}<|eos|>")
    (answer,) = answers_to(Local(script, tokenizer), [SUM], Asking(2000, 0.0, 3, max_turns=3))
    assert len(script.asked) == 3 and len(answer.calls) == 2 and not answer.stopped
    assert score(SUM, "I call", answer.reply, stopped=answer.stopped).reason == "unfinished"


def test_all_turns_together_are_bounded(tokenizer) -> None:
    long = Script(tokenizer, lambda question, heard: f"{'so ' * 60}{call('1+1')}<|eos|>")
    (answer,) = answers_to(Local(long, tokenizer), [SUM], Asking(300, 0.0, 3, max_turns=9))
    assert len(long.asked) == 2 and answer.tokens < 300 and not answer.stopped and len(answer.calls) == 1
    assert sum(o["max_new_tokens"] < 300 for _, _, o in long.asked) == 1
    full = Script(tokenizer, lambda question, heard: f"{call('9**900')}<|eos|>")
    (answer,) = answers_to(Local(full, tokenizer), [SUM], Asking(300, 0.0, 3, max_turns=9))
    assert len(full.asked) == 1 and not answer.stopped, "what the tool said leaves no room to answer"
    small = Script(tokenizer, calls_once)
    small.context = len(tokenizer.prompt(SUM.prompt(), tools=[TOOLS["calculator"].schema()])) + 84
    (answer,) = answers_to(Local(small, tokenizer), [SUM], Asking(5000, 0.0, 3))
    assert len(small.asked) == 1 and not answer.stopped and answer.calls == TOLD, "the context is full"


def raw(arguments):
    return f'<|tool_call|>{{"name": "calculator", "arguments": {arguments}}}'


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (call("1/0"), "error: division by zero"), (call("x"), "error: unexpected 'x'"),
        (call("<|eos|>".replace("|", "")), "error: unexpected '<'"), (raw('{"a": "\\ud800"}'), "error: the arguments are"),
        (raw('{"a": ' * 40 + "1" + "}" * 40), "error: the arguments are"), (raw('{"\\udc00": 1e999}'), "error: the arg"),
    ],
)  # fmt: skip
def test_bad_calls_are_told_so_and_end_nothing(tokenizer, text, result) -> None:
    script = Script(tokenizer, lambda question, heard: "I give up.<|eos|>" if heard else f"{text}<|eos|>")
    (answer,) = answers_to(Local(script, tokenizer), [SUM], Asking(900, 0.0, 3))
    assert answer.calls[0]["result"].startswith(result) and answer.reply == "I give up." and answer.stopped


def test_many_calls_at_once_are_not_all_run(tokenizer) -> None:
    many = "".join(call(f"{i}+1") for i in range(6))
    script = Script(tokenizer, lambda question, heard: f"Last: {heard[-1]}<|eos|>" if heard else f"{many}<|eos|>")
    (answer,) = answers_to(Local(script, tokenizer), [SUM], Asking(900, 0.0, 3))
    assert [c["result"] for c in answer.calls] == ["1", "2", "3", "4"] + [f"error: at most {MOST} calls at once"] * 2
    assert answer.reply == f"Last: {answer.calls[-1]['result']}"


def test_a_model_whose_template_knows_no_tools_is_refused(tokenizer) -> None:
    plain = Tokenizer(letters().backend, chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(UserError, match="--max-turns 1"):
        answers_to(Local(Script(plain, calls_once), plain), [SUM], ASKING)


# --- behind a URL ----------------------------------------------------------------------------------------------------


def calling(*wanted: dict[str, Any], text: Any = None, finish: str = "tool_calls", **more: Any) -> dict[str, Any]:
    """A completion that calls tools."""
    listed = [{"index": i, "id": f"c{i}", "type": "function", "function": one} for i, one in enumerate(wanted)]
    return completion(text, finish, tool_calls=listed, **more)


def pupil(handler: Any, asked: dict[str, Any]) -> None:
    """A server whose model calls once for each question, and answers with what it heard."""
    heard = [m["content"] for m in asked["messages"] if m["role"] == "tool"]
    question = asked["messages"][0]["content"]
    if "tools" not in asked:
        body = completion("The answer is 5.", reasoning_content="2+3=5")
    elif heard:
        body = completion(f"The answer is {heard[-1]}.")
    else:
        body = calling({"name": "calculator", "arguments": json.dumps({"expression": question[:-1]})},
                       reasoning_content="I call")  # fmt: skip
    send(handler, 200, body)


def remote(url: str, **more: Any) -> Remote:
    return Remote(Server(url, limits=Limits(20, 6, lambda seconds: None)), "m", concurrency=3, **more)


def test_a_model_behind_a_url_is_offered_tools_and_told_what_they_say() -> None:
    problems = [SUM, PLAIN, Problem("12*12?", 144, tools=("calculator",))]
    with serving(then=pupil) as fake:
        found = answers_to(remote(fake.url), problems, ASKING)
        asked = fake.asked
    assert [(a.reasoning, a.reply, a.stopped, a.tokens) for a in found] == [
        ("I call", SUM.reply, True, 14), ("2+3=5", PLAIN.reply, True, 7), ("I call", "The answer is 144.", True, 14),
    ]  # fmt: skip
    assert found[0].calls == TOLD and [len(a.calls) for a in found] == [1, 0, 1]
    assert len(asked) == 5 and sum("tools" not in body for body in asked) == 1
    second = next(b for b in asked if len(b["messages"]) == 3 and b["messages"][0]["content"] == SUM.question)
    assert second["tools"][0]["function"]["name"] == "calculator" and second["max_tokens"] == 300 - 7
    assert second["messages"][1:] == [
        {"role": "assistant", "content": None, "reasoning_content": "I call",
         "tool_calls": [{"id": "c0", "type": "function", "function": CALL}]},
        {"role": "tool", "tool_call_id": "c0", "name": "calculator", "content": "372638277"},
    ]  # fmt: skip


def test_a_stopped_dialogue_goes_on_where_it_was(tmp_path: Path) -> None:
    file, down = tmp_path / "answers.jsonl", threading.Event()

    def mortal(handler: Any, asked: dict[str, Any]) -> None:
        heard = any(m["role"] == "tool" for m in asked["messages"])
        (status(500) if heard and not down.is_set() else pupil)(handler, asked)

    with serving(then=mortal) as fake:
        with pytest.raises(SourceError):
            answers_to(remote(fake.url, journal=Journal(file)), [SUM], ASKING)
        before = sum(len(b["messages"]) == 1 for b in fake.asked)
        down.set()
        (answer,) = answers_to(remote(fake.url, journal=Journal(file)), [SUM], ASKING)
        assert answer.reply == SUM.reply and answer.calls == TOLD
        assert sum(len(b["messages"]) == 1 for b in fake.asked) == before == 1, "the first turn was paid for once"


def test_a_server_that_only_calls_is_asked_so_often_and_no_oftener() -> None:
    def stubborn(handler: Any, asked: dict[str, Any]) -> None:
        send(handler, 200, calling(CALL, finish="stop"))

    with serving(then=stubborn) as fake:
        (answer,) = answers_to(remote(fake.url), [SUM], Asking(50, 0.0, 3, max_turns=3))
        assert len(fake.asked) == 3 and not answer.stopped and len(answer.calls) == 2
        (answer,) = answers_to(remote(fake.url), [SUM], Asking(10, 0.0, 3, max_turns=9))
        assert len(fake.asked) == 5 and not answer.stopped, "7 and 7 tokens are more than 10"


@pytest.mark.parametrize(
    "body",
    [
        calling(CALL, finish="length"), completion("5", "tool_calls", tool_calls=5), completion("5", tool_calls=[5, None]),
        completion("5", tool_calls=[{"function": {"arguments": "{}"}}]),
    ],
)  # fmt: skip
def test_what_is_no_whole_call_is_not_run(body: dict[str, Any]) -> None:
    assert answer_of(body).turn is None


def test_arguments_that_are_no_text_and_missing_ids_are_mended() -> None:
    odd = completion(
        None, "tool_calls", tool_calls=[{"function": {"name": "calculator", "arguments": {"expression": "1"}}}]
    )
    turn = answer_of(odd).turn
    assert turn is not None
    assert turn["tool_calls"] == [
        {"id": "call00000", "type": "function", "function": {"name": "calculator", "arguments": '{"expression": "1"}'}}
    ]


def test_arguments_that_are_no_table_are_kept_for_the_record_and_not_said_back() -> None:
    wrong = {"name": "calculator", "arguments": "{48213*7729"}

    def hasty(handler: Any, asked: dict[str, Any]) -> None:
        body = calling(wrong, reasoning_content="a", reasoning="a") if len(asked["messages"]) == 1 else completion("5")
        send(handler, 200, body)

    with serving(then=hasty) as fake:
        (answer,) = answers_to(remote(fake.url), [SUM], ASKING)
        turn = fake.asked[1]["messages"][1]
    assert answer.calls == [wrong | {"result": "error: the arguments are no table"}] and answer.reply == "5"
    assert turn["tool_calls"][0]["function"]["arguments"] == "{}"
    assert turn["reasoning_content"] == "a" and "reasoning" not in turn, "a thought goes back once"


def test_a_server_without_tools_says_so_and_how_to_go_on() -> None:
    with serving(then=status(400, "tools is not supported")) as fake, pytest.raises(Refused, match="--max-turns 1"):
        answers_to(remote(fake.url), [SUM], ASKING)


def test_a_later_turn_that_is_refused_is_a_refused_case() -> None:
    def picky(handler: Any, asked: dict[str, Any]) -> None:
        (status(400, "too long") if len(asked["messages"]) > 1 else pupil)(handler, asked)

    with serving(then=picky) as fake:
        found = judged(remote(fake.url), ("calculator@1/en",), Asking(300, 0.0, 1), samples=3, think=False)
    assert found["all"]["reasons"] == {"refused": 3} and all(len(c["calls"]) == 1 for c in found["cases"])


def test_a_request_without_tools_is_what_it_was() -> None:
    with serving(then=pupil) as fake:
        remote(fake.url).answer([PLAIN.prompt()], ASKING)
        (body,) = fake.asked
    assert set(body) == {"model", "messages", "temperature", "max_tokens", "seed"}
    assert remote("http://a/v1")._asked([], ASKING, 0) == remote("http://a/v1")._asked([], Asking(300, 0.0, 3, 9), 0)
    assert Answer(None, "", False).calls == [] and Request([], 0).tools == ()
    assert Called("a", {}, "").reasoning == ""


def test_a_model_from_elsewhere_calls_in_its_own_form() -> None:
    from tests.stages.test_tools import imported

    tokenizer = imported()

    class Hermes:
        asked: list[str] = []  # noqa: RUF012 - of this test alone

        def sample(self, prompts, **_):
            text = tokenizer.backend.decode(prompts[0], skip_special_tokens=False)
            self.asked.append(text)
            call = '\n<tool_call>\n{"name": "calculator", "arguments": {"expression": "48213*7729"}}\n</tool_call>'
            heard = re.findall(r"<tool_response>(\d+)", text)
            answer = f"The answer is {heard[0]}." if heard else f"<think>I call</think>{call}"
            return [Done([*said(tokenizer, answer), tokenizer.eos_id], [])]

    model = Hermes()
    (answer,) = answers_to(Local(model, tokenizer), [SUM], Asking(900, 0.0, 3))
    assert (answer.reasoning, answer.reply, answer.calls) == ("I call", SUM.reply, TOLD)
    assert "<think>I call</think>" in model.asked[1], "where the template has no place for thoughts, they stand as text"
