"""Answers of several turns: tools speak between them, ids stay as sampled, bounds hold, and tools' words are not learnt."""

from __future__ import annotations

import json

import pytest

from firesteel.core.config import GrpoSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.engine import Engine
from firesteel.train.batch import Share
from firesteel.train.rl.calling import Caller
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Question, Reply, Verdict
from firesteel.train.rl.turns import drafts, judged, sampled
from tests.train.objectives import small
from tests.train.rl.chatting import letters, said
from tests.train.rl.scripted import Done, Words, every_update

STOP, CALL = 2, 9


class Told:
    """A dialogue over ids: a turn with CALL in it is answered by its length, three times."""

    def __init__(self):
        self.heard = []

    def respond(self, turn):
        return Reply([40 + len(turn)] * 3, ("count",)) if CALL in turn else None

    def judge(self, turns, stopped):
        self.heard.append((turns, stopped))
        return Verdict(len(turns[-1]), stopped and turns[-1][0] == 7, True, ((1, True), (len(turns[-1]), False)))


class Script:
    """Says for each prompt that ends so what the test wrote down."""

    def __init__(self, lines):
        self.lines, self.asked = lines, []

    def sample(self, prompts, *, max_new_tokens, seed, **_):
        self.asked.append((prompts, max_new_tokens, seed))
        said = [self.lines[tuple(prompt)] for prompt in prompts]
        return [
            Done(s[:max_new_tokens], [-0.5] * len(s[:max_new_tokens]), "stop" if len(s) <= max_new_tokens else "length")
            for s in said
        ]


def given(lines, questions, **more):
    settings = GrpoSettings(**{"max_turns": 3, "max_new_tokens": 20} | more)
    script = Script(lines)
    done = drafts(script, questions, settings, seeds=lambda turn: 100 + turn, stop_ids=(STOP,), longest=100)
    return [sampled(d, judged(d)) for d in done], script


def single(ids, stopped):
    return Verdict(len(ids), False, True)


def question(number, dialogue):
    return Question([1, number], single, dialogue=dialogue, tools=("count",))


def test_tools_speak_between_turns_and_only_the_model_is_learnt():
    told = Told()
    lines = {
        (1, 5): [CALL, STOP], (1, 5, CALL, STOP, 42, 42, 42): [8, CALL, STOP],
        (1, 5, CALL, STOP, 42, 42, 42, 8, CALL, STOP, 43, 43, 43): [7, 6, STOP], (1, 6): [8, STOP],
    }  # fmt: skip
    (long, short), script = given(lines, [question(5, told), question(6, told)])
    assert long.ids == [CALL, STOP, 42, 42, 42, 8, CALL, STOP, 43, 43, 43, 7, 6, STOP]
    assert [i for i, own in zip(long.ids, long.said, strict=True) if not own] == [42] * 3 + [43] * 3
    assert [bool(x) for x in long.logprobs] == long.said and long.called == ("count", "count")
    assert told.heard == [([[CALL, STOP], [8, CALL, STOP], [7, 6, STOP]], True)]
    assert long.verdict.length == 14 and long.verdict.steps == ((12, True), (14, False)) and long.verdict.correct
    assert short.ids == [8, STOP] and short.said == [] and short.verdict.length == 2
    assert [len(prompts) for prompts, _, _ in script.asked] == [2, 1, 1]
    assert [seed for _, _, seed in script.asked] == [100, 101, 102]


@pytest.mark.parametrize("most", range(2, 12))
def test_no_answer_gets_longer_than_its_bound(most):
    told = Told()
    lines = {(1, 5): [CALL, STOP], (1, 5, CALL, STOP, 42, 42, 42): [7, 6, 6, 6, STOP], (1, 6): [6] * 30}
    (answer, endless), _ = given(lines, [question(5, told), question(6, told)], max_new_tokens=max(most, 4))
    most = max(most, 4)
    assert len(answer.ids) <= most and len(answer.ids) == len(answer.logprobs) == answer.verdict.length
    assert answer.stopped == (most >= 10) and not endless.stopped and len(endless.ids) == most
    assert answer.ids == ([CALL, STOP, 42, 42, 42, 7, 6, 6, 6, STOP][:most] if most > 5 else [CALL, STOP])


def test_a_turn_that_is_cut_to_what_an_answer_has_left_does_not_count_as_stopped():
    """Two answers in one call with different rests: the sampler is given the larger one."""
    told = Told()
    lines = {
        (1, 5): [8, 8, 8, CALL, STOP], (1, 6): [CALL, STOP],
        (1, 5, 8, 8, 8, CALL, STOP, 45, 45, 45): [7, 7, STOP], (1, 6, CALL, STOP, 42, 42, 42): [7, 7, STOP],
    }  # fmt: skip
    (tight, roomy), script = given(lines, [question(5, told), question(6, told)], max_new_tokens=10)
    assert script.asked[1][1] == 5 and (len(tight.ids), tight.stopped) == (10, False)
    assert (len(roomy.ids), roomy.stopped) == (8, True)


def test_one_turn_is_all_without_a_dialogue_or_when_no_more_are_allowed():
    lines = {(1, 5): [CALL, STOP]}
    (answer,), _ = given(lines, [Question([1, 5], single)])
    assert answer.ids == [CALL, STOP] and answer.said == []
    (answer,), _ = given(lines, [question(5, Told())], max_turns=1)
    assert answer.ids == [CALL, STOP] and answer.called == ()


class Chatty(Told):
    """Answers every turn that stopped."""

    def respond(self, turn):
        return Reply([50, 51], ("echo",))

    def judge(self, turns, stopped):
        return Verdict(0, sum(turns[-1]) % 2 == 0, True)


@pytest.mark.parametrize("replay", [False, True])
def test_the_trainer_agrees_with_the_sampler_on_answers_of_several_turns(replay):
    """A real engine: the gap would show a token that is out of its place, or a tool's word that is learnt."""
    model = small(num_hidden_layers=3, max_position_embeddings=128)
    settings = GrpoSettings(
        prompts=2, group_size=4, max_new_tokens=16, max_turns=3, credit="answer", routing_replay=replay, kl_weight=0.1
    )
    words = Words()
    words.stop_ids = tuple(range(2, 20))  # turns are short
    engine = Engine(model, words, max_sequences=16, cache_tokens=1024)

    def questions(start, count):
        return [Question([1, 20 + i], lambda ids, stopped: Verdict(len(ids), sum(ids) % 2 == 0, True), dialogue=Chatty())
                for i in range(start, start + count)]  # fmt: skip

    rollouts = Rollouts(model, words, engine, questions, settings, seed=3)
    groups, told = rollouts(0)
    answers = [a for group in groups for a in group]
    assert told["tools_called"] > 0.5 and told == told | {
        "sampled_tokens": sum(sum(a.said or [1] * len(a.ids)) for a in answers)
    }
    objective = Grpo(words, rollouts, settings)
    objective.begin([model])
    ((batch, metrics, _),) = every_update(model, objective)
    assert 0 < metrics["logprob_gap"] < 1e-5
    learnt = batch.tokens[batch.learn]
    assert int(batch.learn.sum()) == told["sampled_tokens"] and len(learnt) < sum(len(a.ids) for a in answers)
    if replay:
        for a in answers:
            assert a.routing.shape == (len(a.question.prompt) + len(a.ids) - 1, 2, model.config.num_experts_per_tok)
    assert next(objective.updates(0, Share()))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return letters()


TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "", "parameters": {"type": "object", "properties": {}}},
}


def test_a_call_is_read_run_and_answered_as_the_template_writes_it(tokenizer):
    ran = []

    def run(name, arguments):
        ran.append((name, arguments))
        return f"{sum(arguments.values())} <|eos|>"

    caller = Caller(tokenizer, [TOOL], run)
    call = '<|tool_call|>{"name": "add", "arguments": {"a": 2, "b": 3}}'
    turn = said(tokenizer, f"<think>hm</think>wait{call}{call}<|eos|>")
    reply = caller.respond(turn)
    assert ran == [("add", {"a": 2, "b": 3})] * 2 and reply.called == ("add", "add")
    text = tokenizer.backend.decode(reply.ids, skip_special_tokens=False)
    assert text == "<|tool|>5 <|eos|><|tool|>5 <|eos|><|assistant|>"
    assert not set(tokenizer.stop_ids) & set(reply.ids), "what a tool says never ends a turn"
    assert caller.calls(turn)[:2] == ("hm", "wait")
    messages = [{"role": "user", "content": "2+3?"}]
    shown = tokenizer.prompt(messages, tools=[TOOL])
    calls = [{"type": "function", "function": {"name": "add", "arguments": json.dumps({"a": 2, "b": 3})}}] * 2
    told = [{"role": "assistant", "reasoning_content": "hm", "content": "wait", "tool_calls": calls}]
    told += [{"role": "tool", "content": "5 <|eos|>"}] * 2
    assert shown + turn + reply.ids == tokenizer.prompt(messages + told, tools=[TOOL]), (
        "one text, however it came about"
    )


@pytest.mark.parametrize("text", [
    "no call at all<|eos|>", '<|tool_call|>{"name": "other", "arguments": {}}<|eos|>', "<|tool_call|>{broken<|eos|>",
    '<think><|tool_call|>{"name": "add", "arguments": {}}</think>5<|eos|>', "",
])  # fmt: skip
def test_what_is_no_call_ends_the_answer(tokenizer, text):
    caller = Caller(tokenizer, [TOOL], lambda name, arguments: pytest.fail("nothing is to be run"))
    assert caller.respond(said(tokenizer, text)) is None


@pytest.mark.parametrize("arguments", ['{"a": ' * 40 + "1" + "}" * 40, '{"a": "\\ud800"}', '{"\\udc00": 1e999}'])
def test_no_arguments_that_a_model_makes_up_end_the_run(tokenizer, arguments):
    caller = Caller(tokenizer, [TOOL], lambda name, given: "\ud800")
    reply = caller.respond(said(tokenizer, f'<|tool_call|>{{"name": "add", "arguments": {arguments}}}<|eos|>'))
    assert tokenizer.backend.decode(reply.ids, skip_special_tokens=False) == "<|tool|>?<|assistant|>"


def test_a_flood_of_calls_is_not_run(tokenizer):
    ran = []
    caller = Caller(tokenizer, [TOOL], lambda name, arguments: ran.append(name) or "")
    reply = caller.respond(said(tokenizer, '<|tool_call|>{"name": "add", "arguments": {}}' * 7 + "<|eos|>"))
    assert len(ran) == 4 == len(reply.called)
    assert tokenizer.decode(reply.ids).count("at most") == 3


def test_the_dialogue_of_a_model_without_tools_is_refused(tokenizer):
    from firesteel.core.errors import UserError

    plain = Tokenizer(tokenizer.backend, chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(UserError, match="call tools"):
        Caller(plain, [TOOL], lambda name, arguments: "")
