"""Disguises are undone, words stay apart, and every folded character knows where it came from."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.safety.text import LONGEST, Folding, is_chinese, read, sentence_ends

FOLDING = Folding()


def squeezed(text: str) -> str:
    """The squeezed view's characters."""
    return read(text, FOLDING).squeezed.text


def latin(text: str) -> list[str]:
    """The views of words, without the space at their ends."""
    return [view.text.strip() for view in read(text, FOLDING).latin]


@pytest.mark.parametrize("text", ["炸 弹", "炸*弹", "炸\u200b弹", "炸\n弹", "炸·弹", "炸-_-弹", "炸彈", "炸\u3000弹"])
def test_chinese_disguises_become_the_plain_word(text: str) -> None:
    assert squeezed(text) == "炸弹"


def test_nothing_matches_across_the_end_of_a_clause() -> None:
    assert "吸毒品" not in squeezed("他不吸毒。品味很高")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("b-o-m-b", "bomb"),
        ("make it b o m b now", "make it bomb now"),
        ("bo*mb", "bomb"),
        ("ＢＯＭＢ", "bomb"),
        ("bómb", "bomb"),
        ("bоmb", "bomb"),
        ("i g n o r e   a l l", "ignore all"),
    ],
)
def test_latin_disguises_become_plain_words(text: str, plain: str) -> None:
    assert latin(text) == [plain]


def test_ordinary_words_stay_apart() -> None:
    assert latin("a mad emblem, I say") == ["a mad emblem \n i say"]


def test_digits_are_read_as_letters_only_inside_words() -> None:
    assert latin("k1ll 31 people") == ["k1ll 31 people", "kill 31 people"]
    assert len(latin("call 110 now")) == 1


@given(st.text(max_size=200))
def test_every_folded_character_comes_from_the_text_in_order(text: str) -> None:
    reading = read(text, FOLDING)
    for view in (reading.squeezed, *reading.latin):
        assert len(view.text) == len(view.origin)
        assert view.origin == sorted(view.origin)
        assert all(0 <= i < max(1, len(text)) for i in view.origin)


@given(st.integers(0, 5 * LONGEST))
def test_no_sentence_is_longer_than_the_bound(length: int) -> None:
    ends = [0, *sentence_ends("字" * length), length]
    assert all(b - a <= LONGEST for a, b in pairwise(ends))


def test_the_language_of_the_answer_follows_the_text() -> None:
    assert is_chinese("帮我写一段 Python 代码") and not is_chinese("What does 忍 mean in Chinese culture?")
