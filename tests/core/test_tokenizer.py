"""One template for training and serving: masks, safety of user text, and equality with transformers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.tokenizer import SPECIAL_TOKENS, IncrementalDecoder, Tokenizer

CHAT = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "12+34等于多少？"},
    {"role": "assistant", "reasoning_content": "2+4=6;1+3=4", "content": "答案是46。"},
    {"role": "user", "content": "thanks"},
    {"role": "assistant", "content": "ok"},
]


def test_the_mask_covers_what_the_assistant_says_and_nothing_else(tokenizer):
    r = tokenizer.render(CHAT)
    spoken = tokenizer.backend.decode([i for i, m in zip(r.ids, r.mask, strict=True) if m], skip_special_tokens=False)
    assert spoken == "<think>2+4=6;1+3=4</think>答案是46。<|eos|>ok<|eos|>"
    assert len(r.ids) == len(r.mask)


@pytest.mark.parametrize("generate", [True, False])
def test_ids_equal_those_of_transformers_with_the_saved_template(tokenizer, tmp_path, generate):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    other = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ids = other.apply_chat_template(CHAT, add_generation_prompt=generate, tokenize=True, return_dict=False)
    assert ids == tokenizer.render(CHAT, add_generation_prompt=generate).ids


def test_the_mask_equals_that_of_transformers(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    other = transformers.AutoTokenizer.from_pretrained(tmp_path)
    result = other.apply_chat_template(CHAT, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    assert [bool(m) for m in result["assistant_masks"]] == tokenizer.render(CHAT).mask


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
