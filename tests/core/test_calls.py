"""Tool calls in replies: every format, however the text is cut, whatever a model writes."""

from __future__ import annotations

import json
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.call_formats import DEEPSEEK, FORMATS, LLAMA, MISTRAL, OWN, PAIRS, TAGGED, CallFormat
from firesteel.core.calls import CallParser, format_of, marks_of
from firesteel.core.speech import Speech
from firesteel.core.tokenizer import Tokenizer

SCHEMAS: dict[str, Any] = {
    "sum": {"type": "object", "properties": {"a": {"type": "integer"}, "note": {"type": "string"}}},
    "now": {},
}
Parsed = tuple[str, list[tuple[str, str]]]


def parse(format: CallFormat, pieces: list[str], *, eager: bool = False, marks: dict[str, str] | None = None) -> Parsed:
    """Text and calls. Holds what every stream must hold: ids and names once, at the beginning, indices in order."""
    numbers = count()
    parser = CallParser(format, SCHEMAS, lambda: f"call_{next(numbers)}", marks=marks, eager=eager)
    said, calls = "", []
    for text, deltas in [*(parser.push(p) for p in pieces), parser.finish()]:
        said += text
        for delta in deltas:
            if delta.id:
                assert delta.index == len(calls) and delta.id == f"call_{delta.index}" and delta.name
                calls.append([delta.name, delta.arguments])
            else:
                assert delta.index == len(calls) - 1 and not delta.name
                calls[-1][1] += delta.arguments
    assert parser.begun == len(calls) and parser.clear
    return said, [(name, arguments) for name, arguments in calls]


def cut(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(c % (len(text) + 1) for c in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


SUM = '{"name": "sum", "arguments": {"a": 1, "note": "}{\\" é"}}'
ARGUMENTS = '{"a": 1, "note": "}{\\" é"}'
TWO = [("sum", ARGUMENTS), ("now", "{}")]
WRITTEN: list[tuple[CallFormat, str, Parsed]] = [
    (OWN, f'Well. <|tool_call|>{SUM}<|tool_call|>{{"name": "now", "arguments": {{}}}}', ("Well. ", TWO)),
    (TAGGED, f'Well.\n<tool_call>\n{SUM}\n</tool_call>\n<tool_call>\n{{"name": "now"}}\n</tool_call>', ("Well.", TWO)),
    (TAGGED, f"<tool_call>{SUM}</tool_call> \n then", ("then", TWO[:1])),
    (TAGGED, f"<tool_call>{SUM}", ("", TWO[:1])),
    (
        PAIRS,
        "<tool_call>\n<function=sum>\n<parameter=a>\n12\n</parameter>\n"
        "<parameter=note>\n7 \n8\n</parameter>\n</function>\n</tool_call>",
        ("", [("sum", '{"a": 12, "note": "7 \\n8"}')]),
    ),
    (
        PAIRS,
        "<tool_call>sum\n<arg_key>a</arg_key>\n<arg_value>12</arg_value>\n<arg_key>note</arg_key>\n<arg_value>x</arg_value>\n</tool_call>",
        ("", [("sum", '{"a": 12, "note": "x"}')]),
    ),
    (
        DEEPSEEK,
        f"Well.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>sum\n```json\n{ARGUMENTS}\n```<｜tool▁call▁end｜>\n"
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ("Well.", TWO),
    ),
    (
        DEEPSEEK,
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>sum<｜tool▁sep｜>{ARGUMENTS}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now"
        "<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ("", TWO),
    ),
    (MISTRAL, f'[TOOL_CALLS][{SUM}, {{"name": "now", "arguments": {{}}, "id": "x"}}]', ("", TWO)),
    (MISTRAL, f"[TOOL_CALLS]sum[CALL_ID]abc[ARGS]{ARGUMENTS}[TOOL_CALLS]now[ARGS]{{}}", ("", TWO)),
    (LLAMA, SUM.replace("arguments", "parameters"), ("", TWO[:1])),
    (LLAMA, f'<|python_tag|>{SUM}; {{"name": "now", "parameters": {{}}}}', ("", TWO)),
]


@pytest.mark.parametrize(("format", "text", "wanted"), WRITTEN)
def test_each_format_is_read_whole_and_character_by_character(format: CallFormat, text: str, wanted: Parsed) -> None:
    for eager in (False, True):
        for pieces in ([text], list(text)):
            said, calls = parse(format, pieces, eager=eager)
            assert said == wanted[0] and [c[0] for c in calls] == [c[0] for c in wanted[1]]
            assert [json.loads(c[1]) for c in calls] == [json.loads(c[1]) for c in wanted[1]]


def test_arguments_leave_as_they_were_written() -> None:
    text = '{"name": "sum", "arguments": {"a":1,  "note":"\\u00e9"}}'
    assert parse(OWN, [f"<|tool_call|>{text}"])[1] == [("sum", '{"a":1,  "note":"\\u00e9"}')]


def test_under_a_grammar_arguments_leave_while_they_come() -> None:
    parser = CallParser(OWN, SCHEMAS, lambda: "id", eager=True)
    seen = [parser.push(c)[1] for c in f"<|tool_call|>{SUM}"]
    first = next(i for i, deltas in enumerate(seen) if deltas)
    assert seen[first][0].name == "sum" and sum(map(bool, seen[first:])) > len(ARGUMENTS) - 2
    lazy = CallParser(OWN, SCHEMAS, lambda: "id")
    assert not any(lazy.push(c)[1] for c in f"<|tool_call|>{SUM}") and len(lazy.finish()[1]) == 1


@pytest.mark.parametrize(
    "body",
    [
        "", "hello", "{", '{"name": "sum"', '{"name": "sum", "arguments": {"a": 1', '{"name": "sum", "arguments": [1]}',
        '{"name": "nobody", "arguments": {}}', '{"name": 5, "arguments": {}}', "null", "[" * 3000, '{"a":' * 3000,
        '{"name": "sum", "arguments": {"a": NaN}}', '{"name": "sum", "arguments": {}} and so on', "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_call_comes_out_as_text(body: str) -> None:
    for format, text in ((OWN, f"<|tool_call|>{body}"), (TAGGED, f"<tool_call>{body}</tool_call>")):
        said, calls = parse(format, list(text))
        assert calls == [] and said == body


def test_a_broken_call_does_not_take_the_next_one_with_it() -> None:
    for text in (
        f"<tool_call>oops<tool_call>{SUM}</tool_call>",
        f"<tool_call>oops</tool_call><tool_call>{SUM}</tool_call>",
    ):
        assert parse(TAGGED, list(text)) == ("oops", TWO[:1])


WORDS = [
    "hello ", " ", "\n", SUM, SUM[:30], SUM[30:], '{"name": "now"}', '{"name": "nobody", "arguments": {}}', "{", "}", '"', ";",
    "é", "<function=sum>", "</function>", "<parameter=a>1</parameter>", "sum", "<tool", "<|", "[", "[TOOL", "]", "\\", "function",
    "<arg_key>a</arg_key>", "<arg_value>2</arg_value>", "\n```json\n", "\n```", "null", ARGUMENTS,
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_reply_gives_the_same_however_it_is_cut_and_leaks_no_markup(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from(FORMATS))
    words = data.draw(st.lists(st.sampled_from([*format.markers * 6, *WORDS]), max_size=12))
    eager = data.draw(st.booleans())
    text = "".join(words)
    marks = {m: chr(0xDC00 + i) for i, m in enumerate(format.markers)} if data.draw(st.booleans()) else {}
    for marker, mark in marks.items():
        text = text.replace(marker, mark)
    whole = parse(format, [text], eager=eager, marks=marks)
    assert parse(format, list(text), eager=eager, marks=marks) == whole
    assert (
        parse(format, cut(text, data.draw(st.lists(st.integers(0, 999), max_size=9))), eager=eager, marks=marks)
        == whole
    )
    said, calls = whole
    assert not any("\ud800" <= c <= "\udfff" for c in said + "".join(a for _, a in calls))
    assert all(name in SCHEMAS for name, _ in calls)
    if not eager:
        assert all(isinstance(json.loads(arguments), dict) for _, arguments in calls)
    if marks and not calls:  # nothing is lost but markup, and blanks that stood around it
        bare = "".join(c for c in text if not "\ud800" <= c <= "\udfff")
        assert said == bare


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([("sum", {"a": 3, "note": '}] é\n"\\'}), ("now", {}), ("sum", {"note": "<think>"})]), max_size=4
    )
)
@example([("now", {})])
def test_what_a_grammar_lets_through_is_the_same_eager_or_not(calls: list[tuple[str, dict[str, Any]]]) -> None:
    text = "Well." + "".join(f"<|tool_call|>{json.dumps({'name': n, 'arguments': a})}" for n, a in calls)
    eager, lazy = parse(OWN, list(text), eager=True), parse(OWN, list(text))
    assert eager == lazy == ("Well.", [(n, json.dumps(a)) for n, a in calls])


HEAD = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}"
    "{% for c in m.tool_calls or [] %}{% set f = c.function %}"
)
TAIL = "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
JSON = "{{ {'name': f.name, 'KEY': f.arguments} | tojson }}"
TEMPLATES = [  # what stands for a call, in templates of the families' kinds; the last one cannot be read back
    ("\n<tool_call>\n" + JSON.replace("KEY", "arguments") + "\n</tool_call>", TAGGED),
    (
        "\n<tool_call>\n<function={{ f.name }}>\n{% for k, v in f.arguments.items() %}"
        "<parameter={{ k }}>\n{{ v }}\n</parameter>\n"
        "{% endfor %}</function>\n</tool_call>",
        PAIRS,
    ),
    (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{{ f.name + '\n```json\n' + f.arguments + '\n```' }}"
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        DEEPSEEK,
    ),
    ("<｜tool▁call▁begin｜>{{ f.name + '<｜tool▁sep｜>' + f.arguments }}<｜tool▁call▁end｜>", DEEPSEEK),
    ("[TOOL_CALLS][" + JSON.replace("KEY", "arguments") + "]", MISTRAL),
    ("[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}", MISTRAL),
    (JSON.replace("KEY", "parameters"), LLAMA),
    ("<|python_tag|>" + JSON.replace("KEY", "parameters"), LLAMA),
    ("call {{ f.name }} with {{ f.arguments }}", None),
]


@pytest.mark.parametrize(("drawn", "format"), TEMPLATES)
def test_a_template_tells_its_format(drawn: str, format: CallFormat | None) -> None:
    model = tokenizer_of(HEAD + drawn + TAIL, ["<tool_call>", "</tool_call>"])
    assert format_of(model) is format
    call = {"id": "123456789", "type": "function", "function": {"name": "sum", "arguments": '{"a": 1}'}}
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    assert "sum" in model.decode(model.prompt(chat)), "arguments as text or as a table, whatever the template takes"


def tokenizer_of(template: str, added: list[str]) -> Tokenizer:
    """Bytes as tokens, and a template."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        special_tokens=[], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator([], trainer)
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<|im_start|>", "<|im_end|>")])
    backend.add_tokens([AddedToken(t, special=False, normalized=False) for t in added])
    return Tokenizer(backend, chat_template=template, eos_token="<|im_end|>")


def test_a_marker_that_is_a_token_is_no_text() -> None:
    """A model may speak about the markup: only the token itself begins a call."""
    model = tokenizer_of(HEAD + TEMPLATES[0][0] + TAIL, ["<tool_call>", "</tool_call>"])
    ids = marks_of(TAGGED, model)
    assert len(ids) == 2
    marks = {model.backend.id_to_token(id): mark for id, mark in ids.items()}

    def said(tokens: list[int]) -> Parsed:
        speech = Speech(model.pieces, model.manner, ids)
        texts = ["".join(speech.push(id)) for id in tokens] + ["".join(speech.finish())]
        return parse(TAGGED, texts, marks=marks)

    spelled = [model.backend.token_to_id(c) for c in "<tool_call>"]
    opening, closing = (model.backend.token_to_id(t) for t in ("<tool_call>", "</tool_call>"))
    body = model.encode('{"name": "now"}')
    assert said([*spelled, *body]) == ('<tool_call>{"name": "now"}', [])
    assert said([opening, *body, closing]) == ("", [("now", "{}")])
