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
from firesteel.data.vocab import AWKWARD, kind_of, train_tokenizer
from tests.data.corpus import chinese, english

TEXTS = [chinese(i) for i in range(40)] + [english(i) for i in range(40)]
CODE, HANGUL = "def f(x):\n    return {k: v[x] for k, v in g(x).items()}\n" * 5, "한국어는 한국의 언어이다."
HELDOUT = [*(chinese(i) for i in range(50, 53)), *(english(i) for i in range(50, 53)), CODE, HANGUL]
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


def test_two_trainings_give_the_same_bytes_and_facts_in_any_order(tmp_path: Path) -> None:
    shuffled = random.Random(1).sample(TEXTS, len(TEXTS))
    facts = [
        train_tokenizer(texts, SETTINGS, tmp_path / name, heldout=reversed(HELDOUT) if name == "c" else HELDOUT)
        for name, texts in (("a", TEXTS), ("b", TEXTS), ("c", shuffled))
    ]  # fmt: skip
    assert facts[0]["compression"] == facts[1]["compression"] == facts[2]["compression"]
    files = [(tmp_path / name / "tokenizer.json").read_bytes() for name in "abc"]
    assert files[0] == files[1] == files[2]


def test_compression_is_measured_on_held_out_text_by_language(tmp_path: Path) -> None:
    facts = train_tokenizer(iter(TEXTS), SETTINGS, tmp_path, heldout=[*HELDOUT, *TEXTS, HELDOUT[0]])
    assert facts["vocab_size"] == 600 and facts["texts_seen"] == facts["texts_sampled"] == 80
    trained = Tokenizer.load(tmp_path)
    expected = {"zh": [*HELDOUT[:3], HELDOUT[0]], "en": HELDOUT[3:6], "code": [CODE], "other": [HANGUL]}
    for kind, texts in expected.items():
        size, tokens = sum(len(t.encode()) for t in texts), sum(len(trained.encode(t)) for t in texts)
        assert facts["compression"][kind] == {
            "bytes": size,
            "tokens": tokens,
            "bytes_per_token": round(size / tokens, 3),
        }
        assert facts["bytes_per_token"][kind] == facts["compression"][kind]["bytes_per_token"]
    assert set(facts["compression"]) == set(expected)
    assert {p.name for p in tmp_path.iterdir()} == {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}


def test_held_out_text_is_bounded_and_none_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_tokenizer(TEXTS, SETTINGS, tmp_path)["compression"] == {}
    monkeypatch.setattr(vocab, "MEASURED", 2000)
    facts = train_tokenizer(TEXTS, SETTINGS, tmp_path, heldout=(chinese(i) for i in range(100, 200)))
    assert facts["compression"]["zh"]["bytes"] <= 2000


def test_the_sample_is_bounded_and_fair(tmp_path: Path) -> None:
    size = sum(len(t.encode()) for t in TEXTS)
    facts = train_tokenizer(TEXTS, TokenizerSettings(vocab_size=600, sample_mb=size / 2e6), tmp_path)
    assert 0.3 * size < facts["sample_mb"] * 1e6 <= size / 2 + 1000
    assert facts["texts_seen"] == 80 > facts["texts_sampled"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("第一条 为了规范测试，制定本法。", "zh"), ("The law of the land is the law.", "en"), ("한국어입니다", "other"),
     ("", "other"),
     ("for (i = 0; i < n; i++) { a[i] = f(i); }", "code"), ("第一条 see (a)", "zh"), ("12 34", "other")],
)  # fmt: skip
def test_texts_are_sorted_by_language(text: str, kind: str) -> None:
    assert kind_of(text) == kind


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
