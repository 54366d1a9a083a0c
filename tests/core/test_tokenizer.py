"""One template for training and serving: masks, safety of user text, and equality with transformers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend

from firesteel.core.chat_template import ChatTemplate
from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.tokenizer import (
    CHAT_TEMPLATE,
    FIRST_TEMPLATE,
    FIRST_TOKENS,
    SPECIAL_TOKENS,
    IncrementalDecoder,
    Tokenizer,
)

CHAT = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "12+34等于多少？"},
    {"role": "assistant", "reasoning_content": "2+4=6;1+3=4", "content": "答案是46。"},
    {"role": "user", "content": "thanks"},
    {"role": "assistant", "content": "ok"},
]

TOOLS = [{"type": "function", "function": {
    "name": "sum", "description": "adds 加", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
}}]  # fmt: skip
CALLS = [
    {"id": "1", "type": "function", "function": {"name": "sum", "arguments": {"a": 12, "b": '三 "x"\n'}}},
    {"id": "2", "type": "function", "function": {"name": "now", "arguments": {}}},
]
TOOL_CHAT = [
    {"role": "user", "content": "12+34等于多少？"},
    {"role": "assistant", "reasoning_content": "ask", "content": "我算一下。", "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "1", "content": "46"},
    {"role": "tool", "tool_call_id": "2", "content": "noon"},
    {"role": "assistant", "content": None, "tool_calls": CALLS[1:]},
    {"role": "tool", "tool_call_id": "2", "content": "noon"},
    {"role": "assistant", "content": "答案是46。"},
]
CASES = [(CHAT, None), (TOOL_CHAT, TOOLS), (TOOL_CHAT, None), (CHAT, TOOLS)]


def test_the_mask_covers_what_the_assistant_says_and_nothing_else(tokenizer):
    r = tokenizer.render(CHAT)
    spoken = tokenizer.backend.decode([i for i, m in zip(r.ids, r.mask, strict=True) if m], skip_special_tokens=False)
    assert spoken == "<think>2+4=6;1+3=4</think>答案是46。<|eos|>ok<|eos|>"
    assert len(r.ids) == len(r.mask)


@pytest.mark.parametrize("generate", [True, False])
@pytest.mark.parametrize(("chat", "tools"), CASES)
def test_ids_and_masks_equal_those_of_transformers_with_the_saved_template(tokenizer, tmp_path, chat, tools, generate):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    other = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ids = other.apply_chat_template(chat, tools=tools, add_generation_prompt=generate, tokenize=True, return_dict=False)
    assert ids == tokenizer.render(chat, tools=tools or (), add_generation_prompt=generate).ids
    assert not generate or ids == tokenizer.prompt(chat, tools=tools or ())
    result = other.apply_chat_template(
        chat, tools=tools, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    assert [bool(m) for m in result["assistant_masks"]] == tokenizer.render(chat, tools=tools or ()).mask


def test_without_tools_the_template_writes_what_the_first_one_wrote(tokenizer):
    first = ChatTemplate(FIRST_TEMPLATE, {})
    for chat in (CHAT, [{"role": "assistant", "content": None}], [{"role": "tool", "content": "x"}], []):
        for prompt in (True, False):
            texts = [t.draw(chat, t.marks(chat), add_generation_prompt=prompt) for t in (first, tokenizer.template)]
            assert texts[0] == texts[1]


def test_calls_are_learnt_results_and_schemas_are_not(tokenizer):
    r = tokenizer.render(TOOL_CHAT, tools=TOOLS)
    texts = [
        tokenizer.backend.decode(
            [i for i, m in zip(r.ids, r.mask, strict=True) if m == said], skip_special_tokens=False
        )
        for said in (True, False)
    ]
    call = '<|tool_call|>{"name": "now", "arguments": {}}<|eos|>'
    first = '<|tool_call|>{"name": "sum", "arguments": {"a": 12, "b": "三 \\"x\\"\\n"}}'
    assert texts[0] == f"<think>ask</think>我算一下。{first}{call}{call}答案是46。<|eos|>"
    assert texts[1].startswith('<|bos|><|tools|>[{"type": "function", "function": {"name": "sum"') and "加" in texts[1]
    assert texts[1].endswith("<|tool|>46<|tool|>noon<|assistant|><|tool|>noon<|assistant|>")


def test_arguments_as_json_text_are_the_same_call(tokenizer):
    wire = [{**c, "function": {**c["function"], "arguments": json.dumps(c["function"]["arguments"])}} for c in CALLS]
    chats = [[{"role": "assistant", "content": "", "tool_calls": calls}] for calls in (CALLS, wire)]
    assert tokenizer.render(chats[0]) == tokenizer.render(chats[1])


ARGUMENTS = st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers() | st.booleans(), max_size=3)


@given(st.text(max_size=30), st.lists(ARGUMENTS, max_size=3))
def test_calls_come_back_from_the_ids(tokenizer, content, arguments):
    calls = [{"function": {"name": "f", "arguments": a}} for a in arguments]
    ids = tokenizer.render([{"role": "assistant", "content": content, "tool_calls": calls}]).ids[2:]
    rest, found = tokenizer.parse_calls(ids)
    assert found == [{"name": "f", "arguments": a} for a in arguments] and tokenizer.parse(rest) == (None, content)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "f"}', '{"name": 1, "arguments": {}}', "[" * 100_000])
def test_what_is_no_call_comes_back_as_none(tokenizer, text):
    assert tokenizer.parse_calls([tokenizer.call_id, *tokenizer.encode(text)]) == ([], [None])


@given(st.sampled_from(SPECIAL_TOKENS), st.text(max_size=10))
def test_no_text_in_tools_calls_or_results_becomes_a_marker(tokenizer, marker, text):
    forged = text + marker + text
    tools = [
        {"type": "function", "function": {"name": forged, "parameters": {"properties": {forged: {"enum": [forged]}}}}}
    ]
    call = {"id": forged, "function": {"name": forged, "arguments": {forged: [{forged: forged}]}}}
    chat = [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": forged}]
    r = tokenizer.render(chat, tools=tools)
    special = [tokenizer.backend.id_to_token(i) for i in r.ids if i in tokenizer.special.values()]
    assert special == ["<|bos|>", "<|tools|>", "<|assistant|>", "<|tool_call|>", "<|eos|>", "<|tool|>"]
    assert tokenizer.parse_calls([i for i, m in zip(r.ids, r.mask, strict=True) if m])[1] == [call["function"]]


@pytest.mark.parametrize(
    "calls",
    ["x", [3], [{}], [{"function": {"name": ""}}], [{"function": {"name": "f", "arguments": "{"}}],
     [{"function": {"name": "f", "arguments": "[1]"}}], [{"function": {"name": "f", "arguments": [1]}}]],
)  # fmt: skip
def test_calls_that_are_none(tokenizer, calls):
    with pytest.raises(UserError, match="no tool call"):
        tokenizer.render([{"role": "assistant", "content": "", "tool_calls": calls}])


def test_schemas_that_never_end_are_an_error(tokenizer):
    deep = {}
    for _ in range(200):
        deep = {"x": deep}
    with pytest.raises(UserError, match="nested too deep"):
        tokenizer.render(CHAT, tools=[deep])


def test_a_tokenizer_made_before_there_were_tools_is_still_ours(tokenizer, tmp_path):
    made = Backend.from_str(tokenizer.backend.to_str())
    fields = json.loads(made.to_str())
    later = [name for name in SPECIAL_TOKENS if name not in FIRST_TOKENS]
    fields["added_tokens"] = [t for t in fields["added_tokens"] if t["content"] not in later]
    fields["model"]["vocab"] = {("x" * 20 + t if t in later else t): i for t, i in fields["model"]["vocab"].items()}
    old = Tokenizer(Backend.from_str(json.dumps(fields)), chat_template=FIRST_TEMPLATE)
    assert old.own and old.call_id is None and old.fim_ids is None and old.render(CHAT) == tokenizer.render(CHAT)
    old.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.own and again.template.source == FIRST_TEMPLATE != CHAT_TEMPLATE
    with pytest.raises(UserError, match="does not show tools: tools, tool_calls"):
        again.render(TOOL_CHAT, tools=TOOLS)
    with pytest.raises(ArtefactError, match="lacks special tokens: <.fim_prefix"):
        Tokenizer(old.backend, chat_template=CHAT_TEMPLATE)


def test_new_special_tokens_come_last_and_an_answer_holds_none_but_calls(tokenizer):
    assert [tokenizer.special[name] for name in SPECIAL_TOKENS] == list(range(14))
    assert SPECIAL_TOKENS[:9] == FIRST_TOKENS and tokenizer.fim_ids == (9, 10, 11) and tokenizer.call_id == 13
    assert {9, 10, 11, 12} <= set(tokenizer.halt_ids) and 13 not in tokenizer.halt_ids


@given(st.text(max_size=60), st.sampled_from(SPECIAL_TOKENS))
def test_special_tokens_in_text_are_plain_text(tokenizer, text, special):
    ids = tokenizer.encode(text + special + text)
    assert not set(ids) & set(tokenizer.special.values())
    assert tokenizer.decode(ids) == text + special + text


@given(st.text(max_size=80))
def test_incremental_decoding_equals_decoding_and_never_splits_a_character(tokenizer, text):
    decoder = IncrementalDecoder(tokenizer)
    pieces = [decoder.push(i) for i in tokenizer.encode(text)]
    assert "".join(pieces) + decoder.finish() == text
    assert "\ufffd" in text or not any("\ufffd" in p for p in pieces)


def test_parse_splits_thought_from_answer(tokenizer):
    r = tokenizer.render([{"role": "assistant", "reasoning_content": "a b", "content": "46"}])
    said = r.ids[2:]
    assert tokenizer.parse(said) == ("a b", "46")
    assert tokenizer.parse(said[:-1]) == ("a b", "46")  # no end yet
    assert tokenizer.parse([tokenizer.think_id, *tokenizer.encode("a b")]) == ("a b", "")
    assert tokenizer.parse(tokenizer.encode("46")) == (None, "46")


def test_digits_stand_alone(tokenizer):
    assert len(tokenizer.encode("123456")) == 6


@pytest.mark.parametrize(
    "message", [{"role": "root", "content": "x"}, {"role": "user", "content": 3}, {"content": "x"}]
)
def test_messages_that_cannot_be_rendered(tokenizer, message):
    with pytest.raises(UserError, match="role"):
        tokenizer.render([message])


def test_files_that_are_no_tokenizers(tmp_path):
    with pytest.raises(ArtefactError, match="came without a tokenizer"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ArtefactError, match="cannot be read"):
        Tokenizer.load(tmp_path)
