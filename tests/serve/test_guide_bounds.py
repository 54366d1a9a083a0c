"""Guides and what strangers send: refused with a reason or compiled in time; and what happens when one fails half-way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.compiler import MAX_DEPTH, MAX_GRAMMAR
from firesteel.serve.guides.guides import Grammar, Guides
from tests.serve.guiding import ids_of, walk, wander


@pytest.fixture(scope="module")
def guides(tokenizer: Tokenizer) -> Guides:
    return Guides(tokenizer)


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def chain(length: int, link: Callable[[int], Any]) -> dict[str, Any]:
    return {"$defs": {f"a{i}": link(i + 1) for i in range(length)} | {f"a{length}": {}}, "$ref": "#/$defs/a0"}


HOSTILE: dict[str, Callable[[Guides], object]] = {
    "deep": lambda g: g.json_schema(nested(5000)),
    "long": lambda g: g.json_schema({"enum": ["x" * 100 + str(i) for i in range(1000)]}),
    "no schema": lambda g: g.json_schema("x"),  # type: ignore[arg-type]
    "nothing fits": lambda g: g.json_schema(False),
    "not supported": lambda g: g.json_schema({"not": {"type": "string"}}),
    "remote": lambda g: g.json_schema({"$ref": "https://example.com/schema.json"}),
    "a file": lambda g: g.json_schema({"$ref": "file:///etc/passwd"}),
    "no end of unions": lambda g: g.json_schema(
        {"allOf": [{"anyOf": [{"properties": {f"{c}{i}": {"type": "string"}}} for c in "ab"]} for i in range(24)]}
    ),
    "surrogate": lambda g: g.json_schema({"const": "\ud800"}),
    "look-around": lambda g: g.regex("(?=a)b"),
    "nested groups": lambda g: g.regex("(" * 20_000 + ")" * 20_000),
    "empty class": lambda g: g.regex(r"[^\s\S]"),
    "doubling rules": lambda g: g.grammar("\n".join([*(f"R{i}: R{i + 1} R{i + 1}" for i in range(60)), 'R60: "a"', "start: R0"])),
    "deep groups": lambda g: g.grammar("start: " + "(" * 5000 + '"a"' + ")" * 5000),
    "no rule": lambda g: g.grammar("begin: 'a'"),
    "long grammar": lambda g: g.grammar("start: R0\n" + "\n".join(f"R{i}: R{i + 1}" for i in range(5000)) + '\nR5000: "a"'),
    "no choice": lambda g: g.choice([]),
    "no tool": lambda g: g.tool_calls([]),
    "odd parameters": lambda g: g.tool_calls([{"function": {"name": "f", "parameters": {"type": "array"}}}]),
}  # fmt: skip
HEAVY: dict[str, Callable[[Guides], object]] = {  # these may be compiled or refused, but soon, and in one piece
    "references": lambda g: g.json_schema(chain(1000, lambda i: {"properties": {"x": {"$ref": f"#/$defs/a{i}"}}})),
    "exponential": lambda g: g.json_schema(chain(40, lambda i: {"allOf": [{"$ref": f"#/$defs/a{i}"}] * 2})),
    "repetition": lambda g: g.regex("((((((a{10}){10}){10}){10}){10}){10}){10}"),
    "rules": lambda g: g.grammar("start: r0\n" + "\n".join(f"r{i}: r{i + 1}" for i in range(1000)) + '\nr1000: "a"'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_done_is_refused_with_a_reason(guides: Guides, name: str) -> None:
    with pytest.raises(UserError) as refused:
        HOSTILE[name](guides)
    error = refused.value
    assert (error.why or error.value is not None or name == "no tool") and len(str(error)) < 700, str(error)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HEAVY)
def test_heavy_grammars_do_not_hang_or_crash(guides: Guides, name: str) -> None:
    start = time.monotonic()
    try:
        HEAVY[name](guides)
    except UserError as e:
        assert e.why
    assert time.monotonic() - start < 12


def test_a_schema_may_be_held_to_in_part_if_that_is_said(guides: Guides) -> None:
    schema = {"type": "object", "not": {"required": ["x"]}}
    assert guides.json_schema(schema, strict=False).warnings == ['Unimplemented keys: ["not"]']
    loose = {"function": {"name": "f", "parameters": schema}}
    assert guides.tool_calls([loose]).warnings
    with pytest.raises(UserError, match="not"):
        guides.tool_calls([{"function": {**loose["function"], "strict": True}}])


def test_a_guide_that_fails_ends_its_answer_and_nobody_elses(
    tokenizer: Tokenizer, guides: Guides, caplog: pytest.LogCaptureFixture
) -> None:
    grammar = guides.json_object()
    broken, healthy = grammar.guide(opened=False), grammar.guide(opened=False)
    broken.push(ids_of(tokenizer, "x")[0])  # the sampler would not do that
    allowed = broken.allowed()
    assert allowed is not None and np.flatnonzero(allowed).tolist() == list(tokenizer.stop_ids)
    assert "could not go on" in caplog.text
    broken.push(tokenizer.stop_ids[0])
    assert walk(tokenizer, healthy, ids_of(tokenizer, "{}")) == "ends"


def test_a_grammar_whose_lexer_is_spent_is_compiled_anew(tokenizer: Tokenizer) -> None:
    guides = Guides(tokenizer)
    guides._compiler._limits = type(guides._compiler._limits)(max_lexer_states=300)
    pattern = ".*a.{30}"
    grammar = guides.regex(pattern)
    assert guides.regex(pattern) is grammar, "kept"
    text, _ = wander(tokenizer, grammar.guide(opened=False), seed=1, most=3000)
    assert not grammar.sound, len(text)
    assert guides.regex(pattern) is not grammar and guides.regex(pattern).sound


def test_threads_may_compile_at_once(guides: Guides) -> None:
    made: list[Grammar] = []
    threads = [threading.Thread(target=lambda i=i: made.append(guides.choice([f"a{i}"]))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(made) == 8 and len(guides._kept) <= 16


def test_limits_are_what_the_messages_say(guides: Guides) -> None:
    assert guides.json_schema(nested(MAX_DEPTH // 2 - 2))
    with pytest.raises(UserError, match=f"deeper than {MAX_DEPTH}"):
        guides.json_schema(nested(MAX_DEPTH // 2 + 1))
    with pytest.raises(UserError, match=f"{MAX_GRAMMAR:,}"):
        guides.regex("a" * (MAX_GRAMMAR + 1))


def test_a_model_whose_turn_nothing_ends_is_refused() -> None:
    backend = Backend(models.BPE({"a": 0}, []))
    backend.decoder = decoders.ByteLevel()
    with pytest.raises(UserError, match="cannot follow a grammar"):
        Guides(Tokenizer(backend)).json_object()
