"""The tokenizer that is trained: fixed special ids, exact round trips, the same file every time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.config import TokenizerSettings
from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import SPECIAL_TOKENS, Tokenizer
from firesteel.data import vocab
from firesteel.data.vocab import AWKWARD, train_tokenizer
from tests.data.corpus import chinese, english

TEXTS = [chinese(i) for i in range(40)] + [english(i) for i in range(40)]
SETTINGS = TokenizerSettings(vocab_size=600)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A small tokenizer."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, SETTINGS, folder)
    return Tokenizer.load(folder)


def test_special_tokens_come_first_and_every_byte_has_a_token(trained: Tokenizer) -> None:
    assert [trained.special[name] for name in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    assert trained.vocab_size == 600
    assert {b for b in trained.token_bytes if len(b) == 1} == {bytes([b]) for b in range(256)}


def test_two_trainings_give_the_same_bytes_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocab, "CHECKED", 10)
    shuffled = random.Random(1).sample(TEXTS, len(TEXTS))
    for name, texts in (("a", TEXTS), ("b", TEXTS), ("c", shuffled)):
        train_tokenizer(texts, SETTINGS, tmp_path / name)
    facts = [train_tokenizer(texts, SETTINGS, tmp_path / "facts")["bytes_per_token"] for texts in (TEXTS, shuffled)]
    assert facts[0] == facts[1]
    files = [(tmp_path / name / "tokenizer.json").read_bytes() for name in "abc"]
    assert files[0] == files[1] == files[2]


def test_facts_are_reported(tmp_path: Path) -> None:
    facts = train_tokenizer(iter(TEXTS), SETTINGS, tmp_path)
    assert facts["vocab_size"] == 600 and facts["texts_seen"] == facts["texts_sampled"] == 80
    assert set(facts["bytes_per_token"]) == {"zh", "en"} and all(v > 1 for v in facts["bytes_per_token"].values())
    assert {p.name for p in tmp_path.iterdir()} == {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}


def test_the_sample_is_bounded_and_fair(tmp_path: Path) -> None:
    size = sum(len(t.encode()) for t in TEXTS)
    facts = train_tokenizer(TEXTS, TokenizerSettings(vocab_size=600, sample_mb=size / 2e6), tmp_path)
    assert 0.3 * size < facts["sample_mb"] * 1e6 <= size / 2 + 1000
    assert facts["texts_seen"] == 80 > facts["texts_sampled"] and len(facts["bytes_per_token"]) == 2


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_is_an_error(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(SourceError, match="no text"):
        train_tokenizer(texts, SETTINGS, tmp_path)


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_come_back(trained: Tokenizer, text: str) -> None:
    assert trained.decode(trained.encode(text)) == text
    assert not set(trained.encode(text)) & set(trained.special.values())


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_comes_back(trained: Tokenizer, text: str) -> None:
    assert trained.decode(trained.encode(text)) == text


def test_digits_stand_alone(trained: Tokenizer) -> None:
    assert len(trained.encode("2024")) == 4
