"""Guides: what they allow, token by token, with tokenizers of every kind, after thoughts, and in calls."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.guides.guides import Guides
from firesteel.serve.guides.matcher import MAX_NUMBER
from firesteel.serve.plain import plain_sample
from firesteel.serve.sequence import Sampling, Sequence
from tests.serve.guiding import ids_of, imported, said, walk, wander

PERSON = {
    "type": "object", "required": ["name", "age"], "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "maxItems": 3, "items": {"enum": ["a", "b", 3, None]}},
    },
}  # fmt: skip
PAIR = {"type": "array", "items": {"enum": [1, "b", None]}, "minItems": 2, "maxItems": 2}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object", "required": ["city", "days"], "additionalProperties": False,
            "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"$ref": "#/$defs/days"}},
            "$defs": {"days": {"type": "integer", "minimum": 1, "maximum": 9}},
        },
    },
}  # fmt: skip
CLOCK = {"type": "function", "function": {"name": "clöck \"2\""}}  # fmt: skip


@pytest.fixture(scope="module")
def guides(tokenizer: Tokenizer) -> Guides:
    return Guides(tokenizer)


def test_json_is_allowed_in_its_usual_spacings_and_ends_at_the_first_complete_value(
    tokenizer: Tokenizer, guides: Guides
) -> None:
    grammar = guides.json_schema(PERSON)
    person = {"name": "Ä \"b\"", "age": 150, "tags": ["a", None, 3]}  # fmt: skip
    for options in ({}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}):
        assert said(tokenizer, grammar, json.dumps(person, ensure_ascii=False, **options)) == "ends", options
    for text in ('{"name": "x", "age": 7', '{"name": "x", "age": 15'):
        assert said(tokenizer, grammar, text) == "goes on"
    assert said(tokenizer, grammar, '{"name": "x", "age": 151}') == '{"name": "x", "age": 15'
    assert said(tokenizer, grammar, '{"name":  "x"}') == '{"name": ', "blanks must not run on"
    assert said(tokenizer, grammar, '{\n\n"name"') == "{\n"
    assert said(tokenizer, grammar, ' {"name"') == "" and said(tokenizer, grammar, '{"nome"') == '{"n'
    assert said(tokenizer, guides.json_object(), "{} ") == "{}" and said(tokenizer, guides.json_object(), "[") == ""


def test_numbers_of_an_open_schema_cannot_run_on(tokenizer: Tokenizer, guides: Guides) -> None:
    grammar, digits = guides.json_schema({}), "1" * MAX_NUMBER
    assert said(tokenizer, grammar, f"[{digits}]") == "ends"
    assert said(tokenizer, grammar, f"[{digits}1]") == f"[{digits}" == said(tokenizer, grammar, f"[{digits}e1]")
    assert said(tokenizer, grammar, digits + "1") == digits, "a number on its own"
    assert said(tokenizer, grammar, f'["{digits}{digits}", "\\"{digits}1"]') == "ends", "in strings they are no numbers"
    assert said(tokenizer, grammar, f"[{digits[:-1]}.5]") == "ends", "what is begun may be finished"


@pytest.mark.parametrize("kind", ["byte level", "byte fallback", "metaspace"])
def test_any_cut_into_tokens_will_do(kind: str) -> None:
    tokenizer = imported(kind)
    guides, rng = Guides(tokenizer), random.Random(0)
    text = json.dumps({"name": "Zoë" if kind != "metaspace" else "Zoe", "age": 3}, ensure_ascii=False)
    for _ in range(20):
        ids = ids_of(tokenizer, text.replace("\n", ""), rng)
        assert walk(tokenizer, guides.json_schema(PERSON).guide(), ids) == "ends", ids
    for lead in ("", " ") if kind != "byte level" else ("",):  # the space that such a tokenizer writes first is no text
        for options in (["yes", "no"], ["yes"]):
            assert said(tokenizer, guides.choice(options), f"{lead}yes") == "ends"
        assert said(tokenizer, guides.json_schema(PERSON), f"{lead}{text}") == "ends"
    space = tokenizer.backend.token_to_id("▁")
    if space is not None:
        ids = [space, *ids_of(tokenizer, "yes")]
        assert walk(tokenizer, guides.choice(["yes"]).guide(), ids) == "ends", "the space may be a token of its own"
        assert walk(tokenizer, guides.choice(["yes"]).guide(), [space, *ids]) == "", "but only one is dropped"
    if kind == "byte level":
        assert said(tokenizer, guides.choice(["yes"]), " yes") == ""


def test_choices_expressions_and_grammars(tokenizer: Tokenizer, guides: Guides) -> None:
    odd = 'a"b\\c\nd\te/ü€😀'
    choice = guides.choice(["yes", "yes, sir", odd])
    assert said(tokenizer, choice, "yes") == "either" and said(tokenizer, choice, "yes, sir") == "ends"
    assert said(tokenizer, choice, odd) == "ends" and said(tokenizer, choice, "no") == ""
    regex = guides.regex(r'\d{3}/[a-c"]+\n?')
    assert said(tokenizer, regex, '123/a"') == "either" and said(tokenizer, regex, "12/") == "12"
    lark = guides.grammar('start: sum\nsum: NUMBER | sum "+" NUMBER\nNUMBER: /[0-9]+/  // a comment')
    assert said(tokenizer, lark, "1+22+3") == "either" and said(tokenizer, lark, "1+") == "goes on"


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_allowed_fits_the_schema(tokenizer: Tokenizer, guides: Guides, seed: int) -> None:
    schemas = [PERSON, {"type": "object"}, {"anyOf": [{"type": "number", "minimum": 5}, {"type": "array"}]}]
    for schema in schemas:
        text, ended = wander(tokenizer, guides.json_schema(schema).guide(), seed)
        if ended:
            jsonschema.validate(json.loads(text), schema)
        else:
            assert schema is not PERSON, f"it has no way to go on for ever: {text!r}"


def call(name: str, arguments: dict[str, Any]) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def test_our_own_tool_calls(tokenizer: Tokenizer, guides: Guides) -> None:
    token, tools = "<|tool_call|>", [WEATHER, CLOCK]
    weather, clock = token + call("weather", {"city": "Bonn", "days": 3}), token + call('clöck "2"', {})
    required, single = guides.tool_calls(tools), guides.tool_calls(tools, parallel=False)
    assert said(tokenizer, required, weather) == "either" and said(tokenizer, required, clock + weather) == "either"
    assert said(tokenizer, single, weather) == "ends" and said(tokenizer, required, "Hello") == ""
    assert said(tokenizer, single, token + '{"name": "weather", "arguments": {"city": "Bonn", "days": 0').endswith(
        'days": '
    )
    assert said(tokenizer, single, token + '{"name":"weather"').endswith('"name":'), "spacing is that of the template"
    head = '{"name": "weather", "arguments": {'
    for tight, stop in (
        ('"city":"Bonn"', '"city":'),
        ('"city":  "Bonn"', '"city": '),
        (' "city"', ""),
        ('"city": "a","', '"city": "a",'),
    ):
        assert said(tokenizer, single, token + head + tight) == head + stop
    assert said(tokenizer, guides.tool_calls([CLOCK]), weather) == '{"name": "'
    auto = guides.tool_calls(tools, mode="auto")
    assert said(tokenizer, auto, 'Hello. {"name": 3') == "either"
    assert said(tokenizer, auto, f"Hello. {clock}{weather}") == "either"
    assert said(tokenizer, auto, f"Hello. {clock}more") == f"Hello. {clock.removeprefix(token)}"
    assert said(tokenizer, guides.tool_calls(tools, mode="auto", parallel=False), f"Hi {clock}") == "ends"
    parts = tokenizer.parse_calls(ids_of(tokenizer, weather + clock))[1]
    assert [part and part["name"] for part in parts] == ["weather", 'clöck "2"'], "and it can be read back"


@pytest.mark.parametrize("tags", ["tokens", "text"])
def test_tool_calls_between_tags(tags: str) -> None:
    tokenizer = imported("byte level", hermes=tags)
    guides = Guides(tokenizer)
    clock = f"<tool_call>\n{call('clock', {})}\n</tool_call>"
    tools = [WEATHER, {"function": {"name": "clock"}}]
    both = f"{clock}\n<tool_call>\n{call('weather', {'city': 'Rom', 'days': 1})}\n</tool_call>"
    for mode in ("required", "auto"):
        many = guides.tool_calls(tools, mode=mode)  # type: ignore[arg-type]
        one = guides.tool_calls(tools, mode=mode, parallel=False)  # type: ignore[arg-type]
        assert said(tokenizer, many, both) == "either" and said(tokenizer, one, clock) == "ends"
        assert said(tokenizer, one, both) in (clock, clock[:-1])
    auto = guides.tool_calls(tools, mode="auto")
    assert said(tokenizer, auto, f"Well <tool then.\n{both}") == "either"
    assert said(tokenizer, auto, "Well <tool then.") == "either"
    refused = said(tokenizer, auto, 'Well\n<tool_call>\n{"name": "x')
    assert refused.endswith('{"name": "')
    with pytest.raises(UserError, match="tool calls cannot be held"):
        Guides(imported("byte level")).tool_calls(tools)


def test_the_grammar_begins_after_the_thought_of_our_own_models(tokenizer: Tokenizer, guides: Guides) -> None:
    grammar = guides.choice(["yes", "no"])
    assert said(tokenizer, grammar, "yes") == "ends" and said(tokenizer, grammar, "so") == ""
    assert said(tokenizer, grammar, "<think>so it is</think>yes") == "ends"
    assert said(tokenizer, grammar, "<think>so") == "goes on", "a turn cannot end in the thought"
    assert said(tokenizer, grammar, "<think></think>\nyes") == "", "they were trained to write no line break there"
    assert said(tokenizer, grammar, "so it is</think>no", opened=True) == "ends"
    auto = guides.tool_calls([CLOCK], mode="auto")
    text = "<think>I call <|tool_call|>.</think>Hi<|tool_call|>" + call('clöck "2"', {})
    assert said(tokenizer, auto, text) == "either"


@pytest.mark.parametrize("tags", ["tokens", "text"])
@pytest.mark.parametrize("opened", [False, True])
def test_the_grammar_begins_after_the_thought_of_imported_models(tags: str, opened: bool) -> None:
    tokenizer = imported("byte level", thinks=tags, opened=opened)
    assert tokenizer.manner.opened is opened
    grammar, start = Guides(tokenizer).choice(["yes", "<thin>"]), "" if opened else "<think>"
    for answer in ("yes", "<thin>"):
        text = f"{start}so <th </th it is</think>\n\n{answer}"
        assert said(tokenizer, grammar, text) == "ends"
        assert tokenizer.parse(ids_of(tokenizer, text)) == ("so <th </th it is", answer), "as the reply is taken apart"
        assert said(tokenizer, grammar, f"{start}so</think>{answer}") == "ends"
        if not opened:
            assert said(tokenizer, grammar, answer) == "ends", "it may think, and need not"
    assert said(tokenizer, grammar, f"{start}so</think>\n\n\n\n\n\n\n\n\n\n\n\nyes").endswith("\n"), "not for ever"
    assert said(tokenizer, grammar, f"{start}so</think>\nno").endswith("\n")
    assert said(tokenizer, grammar, f"{start}so") == "goes on"
    if tags == "text":  # the token "k>{" would close the thought and say what nobody checked
        rng = next(
            r
            for r in map(random.Random, range(99))
            if tokenizer.backend.token_to_id("k>{") in ids_of(tokenizer, "k>{", r)
        )
        guide = grammar.guide()
        assert walk(tokenizer, guide, ids_of(tokenizer, f"{start}so</thin")) == "goes on"
        allowed = guide.allowed()
        assert (
            allowed is not None and not allowed[ids_of(tokenizer, "k>{", rng)[0]] and allowed[ids_of(tokenizer, "k")[0]]
        )


def test_answers_of_the_engine_follow_the_grammar(model: Transformer, tokenizer: Tokenizer, guides: Guides) -> None:
    """A random model under a grammar: as the plain sampler says, complete, and no neighbour is disturbed."""
    grammar = guides.json_schema(PAIR)
    engine = Engine(model, tokenizer, max_sequences=8, cache_tokens=4096)
    asked = [Sampling(40, 1.0, 1.0, seed, tokenizer.stop_ids, top_k=40, top_logprobs=2) for seed in range(4)]
    sequences = [Sequence(str(i), [20 + i], s, grammar.guide(opened=False)) for i, s in enumerate(asked)]
    free = Sequence("free", [9], Sampling(30, 1.0, 1.0, 5))
    for sequence in (*sequences, free):
        engine.submit(sequence)
    while engine.busy:
        engine.step()
    for sequence in sequences:
        expected = plain_sample(model, sequence.prompt, sequence.sampling, grammar.guide(opened=False))
        assert (sequence.ids, sequence.finish_reason) == (expected.ids, expected.finish_reason)
        answer = tokenizer.parse(sequence.ids)[1]
        if sequence.finish_reason == "stop":
            jsonschema.validate(json.loads(answer), PAIR)
    assert any(s.finish_reason == "stop" for s in sequences)
    assert free.ids == plain_sample(model, free.prompt, free.sampling).ids
