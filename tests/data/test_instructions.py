"""Instruction data: every shape to one form, every mistake with its line and field, nothing hostile gets through."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.errors import SourceError
from firesteel.data import instruction_files
from firesteel.data.instruction_misfit import Misfit
from firesteel.data.instructions import SHOWN, Conversation, Pair, parse, read_instructions

SUM = {"name": "sum", "description": "加", "parameters": {"type": "object", "properties": {}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "sum", "arguments": {"a": 1}}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def result(text: str, id: str) -> dict[str, Any]:
    return {"role": "tool", "content": text, "tool_call_id": id}


ASKED = [user("嗨"), says("你好")]
TOLD = {"role": "system", "content": "be brief"}
SHAPES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "openai": ({"messages": ASKED, "id": 7}, ASKED),
    "openai, parts of text": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "嗨"}, {"type": "text", "text": "!"}]}, says("a")]},
        [user("嗨!"), says("a")],
    ),
    "openai, developer and reasoning": (
        {"messages": [{"role": "developer", "content": "be brief"}, user("a"), says("b", reasoning="hm", weight=1)]},
        [TOLD, user("a"), says("b", reasoning_content="hm")],
    ),
    "openai, arguments as text": (
        {"messages": [user("a"), {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "sum", "arguments": '{"a": 1}'}},
        ]}, result("2", "c1"), says("2")], "tools": [{"type": "function", "function": SUM}]},
        [user("a"), says("", tool_calls=[CALL]), result("2", "c1"), says("2")],
    ),
    "openai, function_call of old": (
        {"messages": [user("a"), says("", function_call={"name": "sum", "arguments": ""}),
                      {"role": "function", "name": "sum", "content": "2"}, says("2")]},
        [user("a"), says("", tool_calls=[{"id": "call_0", "type": "function", "function": {"name": "sum", "arguments": {}}}]),
         result("2", "call_0"), says("2")],
    ),
    "alpaca": ({"instruction": "a", "input": "", "output": "b"}, [user("a"), says("b")]),
    "alpaca, input, system and history": (
        {"instruction": "a", "input": "x", "output": "b", "system": "be brief", "history": [["嗨", "你好"]]},
        [TOLD, *ASKED, user("a\nx"), says("b")],
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "嗨"}, {"from": "gpt", "value": "你好"}], "system": "be brief"},
        [TOLD, *ASKED],
    ),
    "sharegpt with tools": (
        {"conversations": [
            {"from": "human", "value": "a"}, {"from": "function_call", "value": '[{"name": "sum", "arguments": {"a": 1}}]'},
            {"from": "observation", "value": "2"}, {"from": "gpt", "value": "2"},
        ], "tools": json.dumps([SUM])},
        [user("a"), says("", tool_calls=[CALL | {"id": "call_0"}]), result("2", "call_0"), says("2")],
    ),
    "prompt and completion": ({"prompt": "嗨", "completion": "你好"}, ASKED),
    "prompt and completion as turns": ({"prompt": [TOLD, user("嗨")], "completion": [says("你好")]}, [TOLD, *ASKED]),
    "results out of order": (
        {"messages": [user("a"), says("", tool_calls=[CALL, CALL | {"id": "c2"}]), result("two", "c2"), result("one", "c1"),
                      says("b")]},
        [user("a"), says("", tool_calls=[CALL, CALL | {"id": "c2"}]), result("one", "c1"), result("two", "c2"), says("b")],
    ),
    "a last turn that calls": (
        {"messages": [user("a"), says("", tool_calls=[CALL])]}, [user("a"), says("", tool_calls=[CALL])],
    ),
    "openai, system beside": ({"messages": ASKED, "system": "be brief"}, [TOLD, *ASKED]),
    "openai, system beside and within": ({"messages": [TOLD, *ASKED], "system": "be brief"}, [TOLD, *ASKED]),
    "openai, functions": ({"messages": [user("a"), says("b")], "functions": [SUM]}, [user("a"), says("b")]),
    "openai, a repeated question": ({"prompt": "嗨", "messages": ASKED, "prompt_id": "x"}, ASKED),
    "what others say is not learnt": ({"messages": [{**user("嗨"), "train": False}, says("你好", train=True)]}, ASKED),
    "harmless notes": (
        {"prompt": "嗨", "completion": "你好", "label": True, "id": 1, "source": "x", "category": "y", "lang": "zh", "meta": {},
         "score": 0.0, "images": [], "messages": None},
        ASKED,
    ),
    "a label that is a topic": ({"messages": ASKED, "label": "greetings"}, ASKED),
    "input and output": ({"input": "嗨", "output": "你好", "system": "be brief"}, [TOLD, *ASKED]),
    "a greeting first": ({"messages": [says("hello"), *ASKED]}, [says("hello"), *ASKED]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_becomes_one_form(name: str) -> None:
    record, messages = SHAPES[name]
    tools = [{"type": "function", "function": SUM}] if "tools" in record or "functions" in record else []
    assert parse(record) == parse(json.dumps(record).encode()) == Conversation(messages, tools)


PAIRS: dict[str, dict[str, Any]] = {
    "texts": {"prompt": "嗨", "chosen": "你好", "rejected": "走开"},
    "turns": {"messages": [user("嗨")], "chosen": says("你好"), "rejected": [says("走开")]},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "嗨"}], "chosen": {"from": "gpt", "value": "你好"},
        "rejected": {"from": "gpt", "value": "走开"},
    },
    "whole conversations": {"chosen": ASKED, "rejected": [user("嗨"), says("走开")]},
    "prompt twice": {"prompt": "嗨", "chosen": ASKED, "rejected": [user("嗨"), says("走开")]},
    "alpaca": {"instruction": "嗨", "input": "", "chosen": "你好", "rejected": "走开"},
    "openai": {"input": {"messages": [user("嗨")]}, "preferred_output": [says("你好")], "non_preferred_output": [says("走开")]},
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_every_shape_of_a_pair_becomes_one_form(name: str) -> None:
    assert parse(PAIRS[name]) == Pair([user("嗨")], [says("你好")], [says("走开")], [])


def test_a_pair_may_share_turns_of_tools_and_differ_after_them() -> None:
    shared = [user("a"), says("", tool_calls=[CALL]), result("2", "c1")]
    pair = parse({"chosen": [*shared, says("2")], "rejected": [*shared, says("3")], "tools": [SUM]})
    assert isinstance(pair, Pair) and pair.prompt == shared and pair.chosen == [says("2")]
    assert pair.tools == [{"type": "function", "function": SUM}]


DEEP = json.loads('{"a":' * 40 + "1" + "}" * 40)
MISTAKES: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "line: JSON was expected"),
    "NaN": (b'{"messages": NaN}', "NaN is no JSON"),
    "no UTF-8": (b"\xff\xfe", "UTF-8 was expected"),
    "half a character": (b'{"prompt": "\\ud800", "completion": "x"}', "surrogate"),
    "deep": (b"[" * 100_000, "JSON was expected"),
    "no object": (b"[]", "a JSON object"),
    "no shape": ({"mesages": ASKED}, "did you mean 'messages'"),
    "nothing": ({}, "known shape"),
    "no turns": ({"messages": []}, "messages: a list of turns"),
    "a turn that is none": ({"messages": ["x"]}, r"messages\[0\]: a turn"),
    "unknown role": ({"messages": [{"role": "boss", "content": "x"}]}, r"messages\[0\].role: a known role"),
    "role of another type": ({"messages": [{"role": ["user"], "content": "x"}]}, r"messages\[0\].role: a known role"),
    "content of another type": ({"messages": [user("a"), {"role": "assistant", "content": 3}]}, r"messages\[1\].content: text"),
    "a picture": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, r"content\[0\]: a part"),
    "two questions": ({"messages": [user("a"), user("b"), says("c")]}, "assistant was expected after user"),
    "a late system turn": ({"messages": [user("a"), TOLD, says("c")]}, "assistant was expected after user"),
    "no answer": ({"messages": [user("a")]}, "the last turn must be the assistant's"),
    "empty question": ({"messages": [user(" \n"), says("a")]}, r"messages\[0\].content: text was expected, and it is empty"),
    "empty answer": ({"instruction": "a", "output": ""}, r"messages\[1\].content.*empty"),
    "thought alone": ({"messages": [user("a"), says("", reasoning_content="hm")]}, "empty"),
    "weight": ({"messages": [user("a"), says("b", weight=0)]}, r"messages\[1\].weight"),
    "calls of a user": ({"messages": [{**user("a"), "tool_calls": [CALL]}]}, "only the assistant calls"),
    "a call that is none": ({"messages": [user("a"), says("", tool_calls=[{"id": "1"}])]}, r"tool_calls\[0\].function"),
    "a call without name": ({"messages": [user("a"), says("", tool_calls=[{"function": {}}])]}, r"function.name: the name"),
    "arguments that are no JSON": (
        {"messages": [user("a"), says("", tool_calls=[{"function": {"name": "f", "arguments": "{a: 1"}}])]},
        r"messages\[1\].tool_calls\[0\].function.arguments: valid JSON",
    ),
    "arguments that are a list": (
        {"messages": [user("a"), says("", tool_calls=[{"function": {"name": "f", "arguments": "[1]"}}])]}, "a table of arguments",
    ),
    "an undeclared tool": (
        {"messages": [user("a"), says("", tool_calls=[CALL])], "tools": [SUM | {"name": "sums"}]}, "did you mean 'sums'",
    ),
    "an unknown id": (
        {"messages": [user("a"), says("", tool_calls=[CALL]), result("2", "c9"), says("b")]}, r"tool_call_id: .*\(c1\)",
    ),
    "a result twice": (
        {"messages": [user("a"), says("", tool_calls=[CALL]), result("2", "c1"), result("2", "c1"), says("b")]}, "no call waits",
    ),
    "a result without call": ({"messages": [user("a"), says("b"), result("2", "c1"), says("b")]}, "no call waits"),
    "a call without result": ({"messages": [user("a"), says("", tool_calls=[CALL]), user("b"), says("c")]}, "the result of a"),
    "two calls of one id": ({"messages": [user("a"), says("", tool_calls=[CALL, CALL])]}, "an id of its own"),
    "tools that are none": ({"messages": ASKED, "tools": [{"type": "function"}]}, r"tools\[0\].function.name"),
    "tools as broken text": ({"messages": ASKED, "tools": "["}, "tools: valid JSON"),
    "parameters that are none": ({"messages": ASKED, "tools": [{"name": "f", "parameters": 3}]}, "a JSON schema"),
    "deep arguments": (
        {"messages": [user("a"), says("", tool_calls=[{"function": {"name": "f", "arguments": DEEP}}])]},
        "at most 32 levels",
    ),
    "many turns": ({"messages": ASKED * 501}, "at most 1000 turns"),
    "history": ({"instruction": "a", "output": "b", "history": [["x"]]}, r"history\[0\]"),
    "the same answer twice": ({"prompt": "a", "chosen": "b", "rejected": "b"}, "rejected: an answer other"),
    "a pair without prompt": ({"chosen": "b", "rejected": "c"}, "prompt: a conversation that waits"),
    "another prompt": ({"prompt": "x", "chosen": ASKED, "rejected": [user("嗨"), says("c")]}, "begin with the same turns"),
    "an empty choice": ({"prompt": "a", "chosen": " ", "rejected": "c"}, r"prompt and chosen: messages\[1\].content"),
    "an answer not to be wished for": ({"prompt": "a", "completion": "b", "label": False}, "label: an example of how not"),
    "a label of 0": ({"messages": ASKED, "label": 0}, "label: an example of how not"),
    "a tag of KTO": ({"messages": ASKED, "kto_tag": "false"}, "kto_tag: an example of how not"),
    "a turn not to be trained": ({"messages": [user("a"), says("b", train=False)]}, r"messages\[1\].train: only train 1"),
    "a turn without loss": ({"messages": [user("a"), says("b", loss=False)]}, r"messages\[1\].loss"),
    "parts of a turn": ({"messages": [user("a"), says("b", train_detail=[{}])]}, r"messages\[1\].train_detail"),
    "a line not to be trained": ({"messages": ASKED, "train": False}, "train: only 1"),
    "half a weight": ({"messages": ASKED, "weight": 0.5}, "weight: only 1"),
    "two system texts": ({"messages": [TOLD, *ASKED], "system": "be long"}, "system: one system text"),
    "two keys of system texts": ({"messages": ASKED, "system": "a", "system_prompt": "b"}, "system_prompt: one system text"),
    "tools and functions": ({"messages": ASKED, "tools": [SUM], "functions": [SUM]}, "functions: tools or"),
    "tools within a turn": ({"messages": [TOLD | {"tools": "[]x"}, *ASKED]}, r"messages\[0\].tools: tools belong beside"),
    "pictures": ({"messages": [user("<image>a"), says("b")], "images": ["a.png"]}, "images: text alone"),
    "sound of a turn": ({"messages": [user("a"), says("b", audio={"id": "x"})]}, r"messages\[1\].audio: text alone"),
    "two shapes": ({"messages": ASKED, "prompt": "a", "completion": "b"}, "completion: one shape in a line.*has messages"),
    "two lists of turns": (
        {"messages": ASKED, "conversations": [{"from": "human", "value": "x"}]}, "conversations: one shape in a line",
    ),
    "a pair's half": ({"messages": ASKED, "rejected_response": "no"}, "rejected_response: one shape"),
    "context that is not read": ({"instruction": "a", "context": "x", "output": "b"}, "context: one shape.*instruction, output"),
    "from and content": ({"conversations": [{"from": "human", "content": "a"}]}, r"\[0\].value: value was expected.*content is"),
    "role and value": ({"messages": [{"role": "user", "value": "a"}]}, r"\[0\].content: content was expected.*value is"),
    "no shape, one key known": ({"prompt": "a", "response": "b"}, "a known shape were expected: .*prompt, completion.*, not"),
    "preference without messages": (
        {"input": {}, "preferred_output": [says("a")], "non_preferred_output": [says("b")]}, "input.messages",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_the_field_and_what_was_expected(name: str) -> None:
    value, message = MISTAKES[name]
    with pytest.raises(Misfit, match=message):
        parse(value)


@pytest.mark.parametrize(
    "keys", ["prompt response", "input", "instruction answer", "question answer", "output", "messages2"]
)
def test_a_key_that_is_there_is_never_proposed(keys: str) -> None:
    with pytest.raises(Misfit) as e:
        parse(dict.fromkeys(keys.split(), "x"))
    assert "prompt, completion" in str(e.value)
    proposed = str(e.value).partition("did you mean '")[2].partition("'")[0]
    assert proposed not in keys.split() and (proposed or keys != "messages2")


def test_a_pair_keeps_the_system_text_beside_it() -> None:
    for record in PAIRS.values():
        assert parse(record | {"system": "be brief"}) == Pair([TOLD, user("嗨")], [says("你好")], [says("走开")], [])


def lines(*records: Any) -> bytes:
    return b"".join(r if isinstance(r, bytes) else json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in records)


def test_files_of_every_kind_and_mixed_shapes(tmp_path: Path) -> None:
    records = [SHAPES["alpaca"][0], PAIRS["texts"], SHAPES["sharegpt"][0]]
    raw = lines(records[0], b"\n", *records[1:])
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + raw.rstrip(b"\n"))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "c.jsonl.zst").write_bytes(zstandard.compress(raw[:30]) + zstandard.compress(raw[30:]))
    (tmp_path / "d.json").write_text(json.dumps(records), encoding="utf-8")
    (tmp_path / "e.json.gz").write_bytes(gzip.compress(json.dumps(records).encode()))
    found = [list(read_instructions([str(file)])) for file in sorted(tmp_path.iterdir())]
    assert found[0] == [parse(r) for r in records] and all(f == found[0] for f in found) and len(found) == 5
    assert list(read_instructions([str(tmp_path / "a.jsonl"), str(tmp_path / "d.json")])) == found[0] * 2


def test_mistakes_of_a_file_are_shown_together_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    file.write_bytes(lines(SHAPES["alpaca"][0], {"messages": []}, SHAPES["openai"][0], b"{\n"))
    found = []
    with pytest.raises(SourceError) as e:
        found += list(read_instructions([str(file)]))
    text = str(e.value)
    assert "2 mistake(s)" in text and f"{file}:2: messages: a list" in text and f"{file}:4: line: JSON" in text
    file.write_bytes(lines(*[{"messages": []}] * 30))
    with pytest.raises(SourceError, match=f"{SHOWN} or more mistakes") as e:
        list(read_instructions([str(file)]))
    assert str(e.value).count("c.jsonl:") == SHOWN
    (tmp_path / "l.json").write_text(json.dumps([SHAPES["alpaca"][0], 3]))
    with pytest.raises(SourceError, match=r"l.json\[1\]: line: a JSON object"):
        list(read_instructions([str(tmp_path / "l.json")]))


@pytest.mark.parametrize(
    ("name", "raw"),
    [("a.jsonl.gz", b"\x1f\x8b\x08"), ("a.jsonl.gz", b"plain"), ("a.jsonl.zst", b"plain"), ("a.json", b"{"),
     ("none.jsonl", None)],
)  # fmt: skip
def test_files_that_cannot_be_read(tmp_path: Path, name: str, raw: bytes | None) -> None:
    if raw is not None:
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(SourceError, match="cannot be read"):
        list(read_instructions([str(tmp_path / name)]))


TALK = {
    "instruction": "请介绍一下公司的年假制度。",
    "output": "员工工作满一年以后，每年可以休五天年假，工作满十年的可以休十天。",
}


@pytest.mark.parametrize("codec", ["gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
@pytest.mark.parametrize("many", [1, 6, 9000])
def test_files_in_other_encodings(tmp_path: Path, codec: str, name: str, many: int) -> None:
    if many > 6 and name.endswith("gz"):
        return
    text = json.dumps(TALK, ensure_ascii=False)
    text = f"[{','.join([text] * many)}]" if name.endswith(".json") else f"{text}\n" * many
    (tmp_path / name).write_bytes((gzip.compress if name.endswith("gz") else bytes)(text.encode(codec)))
    found = list(read_instructions([str(tmp_path / name)]))
    assert len(found) == many and found[-1] == parse(TALK)


def test_broken_lines_of_a_utf8_file_are_told_and_not_guessed(tmp_path: Path) -> None:
    gbk = json.dumps(TALK, ensure_ascii=False).encode("gb18030") + b"\n"
    (tmp_path / "a.jsonl").write_bytes(gbk * 3 + lines(TALK))
    with pytest.raises(SourceError, match=r"a.jsonl:1: line: UTF-8 was expected.*save the file as UTF-8"):
        list(read_instructions([str(tmp_path / "a.jsonl")]))
    (tmp_path / "b.jsonl").write_bytes(
        gbk * 9000 + lines(TALK, TALK | {"output": "好"})
    )  # beyond what the encoding is told by
    with pytest.raises(SourceError, match="no one encoding.*\n.*gb18030"):
        list(read_instructions([str(tmp_path / "b.jsonl")]))


HINTS = {
    "lines named .json": ("a.json", lines(TALK, TALK), "rename it to .jsonl"),
    "a list named .jsonl": ("a.jsonl", json.dumps([TALK], indent=1).encode(), "rename it to .json"),
    "a list in one line": ("a.jsonl", json.dumps([TALK]).encode(), r"one list of them is named .json\)"),
    "parquet": ("a.parquet", b"PAR1", "lines of JSON .*pandas"),
    "csv": ("a.csv.gz", b"a,b", "lines of JSON .*pandas"),
    "zip": ("a.zip", b"PK", "lines of JSON"),
}


@pytest.mark.parametrize("name", HINTS)
def test_files_of_other_kinds_are_told_with_the_way_out(tmp_path: Path, name: str) -> None:
    file, raw, hint = HINTS[name]
    (tmp_path / file).write_bytes(raw)
    with pytest.raises(SourceError, match=hint):
        list(read_instructions([str(tmp_path / file)]))


def test_lines_and_files_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(lines(SHAPES["alpaca"][0]) + b" " * (3 << 20)))
    monkeypatch.setattr(instruction_files, "MAX_LINE", 1 << 20)
    with pytest.raises(SourceError, match=r"too large: .*a.jsonl.gz:2"):
        list(read_instructions([str(file)]))
    monkeypatch.setattr(instruction_files, "MAX_LINE", 1 << 30)
    monkeypatch.setattr(instruction_files, "MAX_FILE", 1 << 20)
    with pytest.raises(SourceError, match="too large"):
        list(read_instructions([str(file)]))
    monkeypatch.setattr(instruction_files, "MAX_JSON", 10)
    (tmp_path / "b.json").write_text(json.dumps([SHAPES["alpaca"][0]]))
    with pytest.raises(SourceError, match=r"too large: .*b.json"):
        list(read_instructions([str(tmp_path / "b.json")]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["user", "assistant", "tool", "gpt"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["messages", "role", "content", "conversations", "from", "value", "tool_calls", "function", "name", "arguments", "tools",
         "prompt", "chosen", "rejected", "completion", "instruction", "output", "input", "history", "system", "weight", "id",
         "label", "train", "functions", "images", "content"]
    ), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_no_json_does_more_than_misfit(value: Any) -> None:
    try:
        assert isinstance(parse(value), Conversation | Pair)
    except Misfit:
        pass


@given(st.binary(max_size=80))
def test_no_bytes_do_more_than_misfit(raw: bytes) -> None:
    with pytest.raises(Misfit):
        parse(raw)
