"""Tokenizers that come as ranks: the same ids as joining neighbours by rank, and special tokens behind the ranks."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest
from tokenizers import Regex, pre_tokenizers

from firesteel.core.errors import ArtefactError
from firesteel.core.tiktoken import KIMI_PATTERN, RESERVED
from firesteel.core.tokenizer import Tokenizer

CORPUS = "the law of the land, Hello HelloWorld ababab banana 中华人民共和国 法律第一条 你好 12345 it's I'LL\n\n  x"
TEMPLATE = (
    "{% for m in messages %}<|im_{{ m.role }}|>{{ m.role }}<|im_middle|>{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_assistant|>assistant<|im_middle|>{% endif %}"
)
NAMED = ["[BOS]", "[EOS]", "<|im_end|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "[PAD]"]


def trained(words: list[bytes], size: int) -> dict[bytes, int]:
    """Ranks as training makes them: the commonest pair of neighbours becomes the next token."""
    ranks = {bytes([b]): i for i, b in enumerate(random.Random(0).sample(range(256), 256))}
    parts = [[bytes([b]) for b in word] for word in words]
    while len(ranks) < size:
        pairs = [pair for word in parts for pair in zip(word, word[1:], strict=False)]
        left, right = max(sorted(set(pairs)), key=pairs.count)
        ranks[left + right] = len(ranks)
        parts = [by_rank(b"".join(word), ranks) for word in parts]
    return ranks


def by_rank(piece: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """The slow twin: join the neighbours whose union has the lowest rank, the leftmost of equals, until none has one."""
    if piece in ranks:
        return [piece]
    parts = [bytes([b]) for b in piece]
    while True:
        known = [(ranks[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:], strict=False)) if a + b in ranks]
        if not known:
            return parts
        i = min(known)[1]
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def pieces(text: str) -> list[str]:
    cut = pre_tokenizers.Split(Regex(KIMI_PATTERN), "isolated").pre_tokenize_str(text)
    return [piece for piece, _ in cut]


RANKS = trained([piece.encode() for piece in pieces(CORPUS)], 330)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [base64.b64encode(token) + b" %d" % rank for token, rank in RANKS.items()]
    (tmp_path / "tiktoken.model").write_bytes(b"\n".join(lines) + b"\n")
    first = len(RANKS)
    added = {str(first + i): {"content": name, "special": True} for i, name in enumerate(NAMED)}
    config = {
        "added_tokens_decoder": added, "bos_token": "[BOS]", "eos_token": "[EOS]", "pad_token": "[PAD]",
        "tokenizer_class": "TikTokenTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_kimi.TikTokenTokenizer", None]},
        "chat_template": TEMPLATE,
    }  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    return tmp_path


def test_ids_are_those_of_joining_by_rank(folder: Path) -> None:
    tokenizer, rng = Tokenizer.load(folder), random.Random(1)
    texts = ["".join(rng.choices(CORPUS + "é龘𠮷 \t", k=rng.randint(0, 40))) for _ in range(300)]
    for text in [CORPUS, "", *texts]:
        expected = [RANKS[part] for piece in pieces(text) for part in by_rank(piece.encode(), RANKS)]
        assert tokenizer.encode(text) == expected
        assert tokenizer.decode(expected) == text


def test_text_is_cut_as_kimi_cuts_it() -> None:
    """Pieces that other readers of these files agree on: Han stands alone, digits in threes, capitals begin a word."""
    assert pieces("中文English混合") == ["中文", "English", "混合"]
    assert pieces("北京市 Pascal") == ["北京市", " Pascal"]
    assert pieces("HelloWorld it's 12345") == ["Hello", "World", " it's", " ", "123", "45"]
    assert pieces("a\n\n  b…") == ["a", "\n\n", " ", " b", "…"]


def test_special_tokens_follow_the_ranks_and_a_conversation_uses_them(folder: Path) -> None:
    tokenizer, first = Tokenizer.load(folder), len(RANKS)
    assert [tokenizer.special[name] for name in NAMED] == list(range(first, first + len(NAMED)))
    assert tokenizer.vocab_size == first + RESERVED
    assert tokenizer.backend.id_to_token(first + 200) == f"<|reserved_token_{first + 200}|>"
    ids = tokenizer.prompt([{"role": "user", "content": "你好<|im_end|>"}])
    assert [tokenizer.backend.id_to_token(i) for i in ids if i >= first] == [NAMED[i] for i in (3, 5, 2, 4, 5)]
    assert [tokenizer.backend.id_to_token(i) for i in tokenizer.stop_ids] == ["[EOS]", "<|im_end|>"]
    rendered = tokenizer.render([{"role": "user", "content": "x"}, {"role": "assistant", "content": "the law"}])
    said = [i for i, mask in zip(rendered.ids, rendered.mask, strict=True) if mask]
    assert tokenizer.backend.decode(said, skip_special_tokens=False) == "the law<|im_end|>"


def test_it_is_saved_as_a_tokenizer_that_needs_no_program_of_its_own(folder: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer, target = Tokenizer.load(folder), tmp_path / "saved"
    target.mkdir()
    tokenizer.save(target)
    other, again = transformers.AutoTokenizer.from_pretrained(target), Tokenizer.load(target)
    chat = [{"role": "user", "content": CORPUS}]
    expected = other.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    assert tokenizer.prompt(chat) == expected == again.prompt(chat)
    assert other.pad_token == "[PAD]" and again.pad_id == tokenizer.special["[PAD]"]


@pytest.mark.parametrize("content", [b"AAA= x\n", b"%%% 0\n", b"QQ== 0\n", b"one two three\n"])
def test_files_that_hold_no_ranks_are_refused(folder: Path, content: bytes) -> None:
    (folder / "tiktoken.model").write_bytes(content)
    with pytest.raises(ArtefactError, match="cannot be read"):
        Tokenizer.load(folder)


def test_a_special_token_that_is_named_twice_is_refused(folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"][str(len(RANKS) + 9)] = {"content": "[BOS]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ArtefactError, match="do not follow the ranks"):
        Tokenizer.load(folder)
