"""Tokenizers of GGUF files: the ids of the tokenizers that they were made from, and control tokens that text never becomes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.errors import ArtefactError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.gguf.file import GGUF
from firesteel.model.gguf.sentencepiece import merges_of
from firesteel.model.gguf.split import SPLITS, name_of
from firesteel.model.gguf.tokenizer import read_tokenizer, tokenizer_keys

TEXTS = (
    "Hello world, it's 2024! 12345 67.89", "中华人民共和国 法律第一条，12。", "  def f(x):\n\treturn x**2\n\n\n  # ok   ",
    "naïve café — “quotes” 😀🎉", "a\r\n\r\nb   c\t\td  ", "100000 3.14e-10 x1y2 don't WE'LL HelloWorld", "ПРИВЕТ мир हिन्दी",
    " ", "", "한국어 ひらがな カタカナ", "https://example.org/a?b=c&d=[1,2]{3}",
)  # fmt: skip
CORPUS = [*TEXTS, "the law of the land is the law of the people 12 34 56", "return x + y; def g(a, b):"] * 8


def trained(split: pre_tokenizers.PreTokenizer) -> Backend:
    """A byte-level tokenizer that splits as told."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = split
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    return backend


def file_of(keys: dict[str, Any]) -> GGUF:
    """An open file with nothing but a tokenizer's keys."""
    return GGUF(Path("x.gguf"), {f"tokenizer.{key}": value for key, value in keys.items()}, {}, 0)


def byte_level(backend: Backend, pre: str | None = "qwen2", **more: Any) -> dict[str, Any]:
    """The keys that a conversion writes for it."""
    model = json.loads(backend.to_str())["model"]
    tokens = [backend.id_to_token(id) for id in range(backend.get_vocab_size())]
    special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
    keys = {
        "ggml.model": "gpt2", "ggml.pre": pre, "ggml.tokens": tokens,
        "ggml.token_type": [3 if token in special else 1 for token in tokens],
        "ggml.merges": [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]],
        "ggml.eos_token_id": 0,
    } | more  # fmt: skip
    return {name: value for name, value in keys.items() if value is not None}


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


@pytest.mark.parametrize("name", SPLITS)
def test_every_way_of_splitting_keeps_all_text_and_comes_back_by_its_name(name: str) -> None:
    backend = trained(SPLITS[name].pre_tokenizer())
    tokenizer = read_tokenizer(file_of(byte_level(backend, name)))
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert ids == backend.encode(text, add_special_tokens=False).ids or SPLITS[name].whole
        assert tokenizer.decode(ids) == text
    back = tokenizer_keys(tokenizer, tokenizer.vocab_size)
    assert SPLITS[back["pre"]].patterns == SPLITS[name].patterns and SPLITS[back["pre"]].whole == SPLITS[name].whole
    assert back["tokens"] == byte_level(backend)["ggml.tokens"] and back["merges"] == byte_level(backend)["ggml.merges"]


SPLIT_AS = {  # a text that tells ways apart -> its pieces
    "qwen2": ("it's 1234 ab\n\n c", ["it", "'s", "Ġ", "1", "2", "3", "4", "Ġab", "ĊĊ", "Ġc"]),
    "llama-bpe": ("it's 1234 ab\n\n c", ["it", "'s", "Ġ", "123", "4", "Ġab", "ĊĊ", "Ġc"]),
    "gpt-2": ("it's 1234 ab", ["it", "'s", "Ġ1234", "Ġab"]),
    "smollm": ("x 123", ["x", "Ġ", "1", "2", "3"]),
    "deepseek-v3": ("ab 1234中国x", ["ab", "Ġ", "123", "4", "ä¸ŃåĽ½", "x"]),
    "deepseek-llm": ("ab 12中国x\n", ["ab", "Ġ", "1", "2", "ä¸ŃåĽ½", "x", "Ċ"]),
    "deepseek-coder": ("a_b 12\n", ["a", "_", "b", "Ġ", "1", "2", "Ċ"]),
    "kimi-k2": ("中国ab don't 1234", ["ä¸ŃåĽ½", "ab", "Ġdon't", "Ġ", "123", "4"]),
    "tekken": ("HelloWorld 12", ["Hello", "World", "Ġ", "1", "2"]),
    "gpt-4o": ("HelloWorld's 1234", ["Hello", "World's", "Ġ", "123", "4"]),
    "qwen35": ("नमस्ते 1", ["à¤¨à¤®à¤¸à¥įà¤¤à¥ĩ", "Ġ", "1"]),
    "default": ("ab, 1234", ["ab", ",", "Ġ", "123", "4"]),
}


@pytest.mark.parametrize("name", SPLIT_AS)
def test_text_is_split_as_the_name_says(name: str) -> None:
    text, pieces = SPLIT_AS[name]
    assert [piece for piece, _ in SPLITS[name].pre_tokenizer().pre_tokenize_str(text)] == pieces


def test_the_same_splitting_is_known_in_hugging_faces_words() -> None:
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2])
    regex = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLITS["qwen2"].patterns[0]), "isolated"), BYTES])
    for split, name in ((digits, "smollm"), (GPT2, "gpt-2"), (regex, "qwen2"), (pre_tokenizers.Whitespace(), None)):
        backend = Backend(models.BPE())
        backend.pre_tokenizer = split
        assert name_of(json.loads(backend.to_str())["pre_tokenizer"], whole=False) == name
    assert name_of(None, whole=False) is None


def test_control_tokens_are_special_and_text_never_becomes_one() -> None:
    backend = trained(BYTES)
    backend.add_special_tokens([AddedToken("<|user|>", special=True, normalized=False)])
    backend.add_tokens([AddedToken("   ", normalized=False), AddedToken("<tool>", normalized=False)])
    keys = byte_level(backend, "gpt-2")
    keys["ggml.token_type"][-2:] = [4, 4]
    tokenizer = read_tokenizer(file_of(keys | {"chat_template": "{{ messages[0]['content'] }}<|user|>"}))
    user, tool = (backend.token_to_id(token) for token in ("<|user|>", "<tool>"))
    assert set(tokenizer.special) == {"<|end|>", "<|user|>"} and user not in tokenizer.encode("<|user|> hello")
    assert tokenizer.encode("a<tool>b")[1] == tool, "user-defined tokens are found in any text"
    assert tokenizer.prompt([{"role": "user", "content": "<|user|>"}])[-1] == user
    kinds = tokenizer_keys(tokenizer, 700)["token_type"]
    assert (kinds[user], kinds[tool], kinds[5], kinds[-1]) == (3, 4, 1, 5)


@pytest.mark.parametrize(
    ("pre", "keys", "prefix"),
    [
        ("llama-bpe", {}, [0]), ("llama-bpe", {"ggml.add_bos_token": False}, []), ("qwen2", {}, []),
        ("qwen2", {"ggml.add_bos_token": True}, [0]),
    ],
)  # fmt: skip
def test_text_begins_as_the_file_or_else_the_kind_of_tokenizer_says(pre: str, keys: Any, prefix: list[int]) -> None:
    tokenizer = read_tokenizer(file_of(byte_level(trained(GPT2), pre, **{"ggml.bos_token_id": 0}, **keys)))
    assert tokenizer.prefix == prefix


def test_all_ends_of_a_turn_are_known() -> None:
    ids = {"ggml.eos_token_id": 0, "ggml.eot_token_id": 7, "ggml.eom_token_id": 9, "ggml.padding_token_id": 5}
    tokenizer = read_tokenizer(file_of(byte_level(trained(GPT2), **ids)))
    assert tokenizer.stop_ids == (0, 7, 9) and (tokenizer.eos_id, tokenizer.pad_id) == (0, 5)


def test_rows_without_a_token_are_left_out_at_the_end_and_kept_between() -> None:
    keys = byte_level(trained(GPT2))
    size = len(keys["ggml.tokens"])
    keys["ggml.tokens"] = [*keys["ggml.tokens"], "[PAD1]", "", "x1", "[PAD2]", "[PAD3]"]
    keys["ggml.token_type"] += [5, 5, 1, 5, 5]
    tokenizer = read_tokenizer(file_of(keys))
    assert tokenizer.vocab_size == size + 3 and tokenizer.backend.token_to_id("[PAD1]") == size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ggml.model": "bert"}, "another kind of tokenizer: bert[\\s\\S]*gpt2, llama"),
        ({"ggml.pre": "qwen3"}, "not known here: qwen3[\\s\\S]*did you mean 'qwen35'|qwen2"),
        ({"ggml.tokens": None}, "lacks a key: tokenizer.ggml.tokens"),
        ({"ggml.tokens": [1, 2]}, "no list of tokens"),
        ({"ggml.token_type": [1]}, "a token lacks its type"),
        ({"ggml.merges": ["a b", "nothing"]}, "does not fit together"),
        ({"ggml.merges": ["zzz qqq"]}, "does not fit together"),
        ({"ggml.tokens": ["a"] * 600, "ggml.token_type": [1] * 600}, "two ids have this token"),
    ],
)  # fmt: skip
def test_tokenizers_that_cannot_be_read_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        read_tokenizer(file_of(byte_level(trained(GPT2), **change)))


def pieces() -> tuple[list[str], list[float], list[int]]:
    """A SentencePiece vocabulary: unknown, two control tokens, bytes, and words whose pieces are there too."""
    words = [
        "▁the",
        "▁law",
        "▁land",
        "ing",
        "▁a",
        "th",
        "la",
        "an",
        "nd",
        "▁l",
        "▁t",
        "he",
        "in",
        "ng",
        "▁▁",
        "s>",
        "<s",
    ]
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz<>/"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *words, *letters]
    scores = [0.0] * 259 + [-float(i) for i in range(len(words) + len(letters))]
    return tokens, scores, [2, 3, 3] + [6] * 256 + [1] * (len(words) + len(letters))


def scored(**more: Any) -> GGUF:
    tokens, scores, types = pieces()
    return file_of({"ggml.model": "llama", "ggml.tokens": tokens, "ggml.scores": scores, "ggml.token_type": types,
                    "ggml.bos_token_id": 1, "ggml.eos_token_id": 2, "ggml.unknown_token_id": 0} | more)  # fmt: skip


def best_first(text: str) -> list[int]:
    """SentencePiece's own rule, slowly: join the neighbours whose union scores best, the leftmost of equals; then bytes."""
    tokens, scores, types = pieces()
    ids = {token: id for id, (token, kind) in enumerate(zip(tokens, types, strict=True)) if kind == 1}
    symbols = list("▁" + text.replace(" ", "▁")) if text else []
    while True:
        joins = [(scores[ids[a + b]], -i) for i, (a, b) in enumerate(itertools.pairwise(symbols)) if a + b in ids]
        if not joins:
            break
        at = -max(joins)[1]
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    return [id for s in symbols for id in ([ids[s]] if s in ids else [3 + b for b in s.encode()])]


def test_scores_become_merges_that_join_best_first() -> None:
    tokenizer = read_tokenizer(scored())
    for text in (
        "the land",
        "  the law",
        "laing the",
        "thing a land",
        "日本 the",
        "a\nb",
        "</s> law",
        "lllandand",
        "A the",
    ):
        assert tokenizer.encode(text) == best_first(text), text
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.prefix == [1], "such text begins with the beginning-of-text token unless the file says otherwise"
    assert read_tokenizer(scored(**{"ggml.add_bos_token": False})).prefix == []


def test_a_scored_vocabulary_never_joins_text_to_a_control_token() -> None:
    tokenizer = read_tokenizer(scored())
    assert "<s" in tokenizer.backend.get_vocab() and 1 not in tokenizer.encode("<s> and <s>")
    tokens, scores, types = pieces()
    joined = {
        left + right for left, right in merges_of(tokens, scores, {tokens[i] for i, t in enumerate(types) if t != 1})
    }
    assert "the" not in joined and "▁the" in joined and not joined & {"<s>", "</s>", "<unk>"}


def test_the_space_before_text_can_be_off() -> None:
    tokenizer = read_tokenizer(scored(**{"ggml.add_space_prefix": False}))
    ids = tokenizer.encode("the law")
    assert tokenizer.backend.id_to_token(ids[0]) == "th" and tokenizer.decode(ids) == "the law"


def test_the_same_ids_as_transformers_makes_of_a_scored_vocabulary() -> None:
    pytest.importorskip("transformers")
    from transformers.integrations.gguf import convert_gguf_tokenizer

    tokens, scores, types = pieces()
    table = {"tokenizer_type": "llama", "tokens": tokens, "scores": scores, "token_type": types}
    backend, _ = convert_gguf_tokenizer("llama", table)
    tokenizer = read_tokenizer(scored())
    for text in ("the land", "laing the", "thing a land", "日本 the", "a\nb"):
        assert tokenizer.encode(text) == backend.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: setattr(b, "normalizer", normalizers.Lowercase()), "cannot be written to a GGUF file"),
        (lambda b: setattr(b, "pre_tokenizer", pre_tokenizers.Whitespace()), "cannot be written to a GGUF file"),
    ],
)
def test_tokenizers_that_llama_cpp_would_split_differently_are_refused(change: Any, message: str) -> None:
    backend = trained(GPT2)
    change(backend)
    with pytest.raises(ArtefactError, match=message):
        tokenizer_keys(Tokenizer(backend, eos_token="<|end|>"), 600)


def test_composition_of_accents_is_left_to_the_user_as_llama_cpps_own_conversion_does() -> None:
    backend = trained(GPT2)
    backend.normalizer = normalizers.NFC()
    assert tokenizer_keys(Tokenizer(backend, eos_token="<|end|>"), 600)["pre"] == "gpt-2"
