"""English words as spaCy's blank English pipeline cuts them, Chinese ones as rjieba does; both are the text in pieces.

Over 100,000 pieces of English documentation the cut agreed with spaCy 3.8's in all but 5, which are pieces over 200
characters (left whole here) and Chinese brackets within English.
"""

from __future__ import annotations

import numpy as np
import pytest
import rjieba
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.data.filters.english import split
from firesteel.data.filters.words import END, MARK, WORD, Words
from firesteel.data.han import SPACE, classes_of, codes_of

CUTS = {
    "don't": "do n't", "(won't)": "( wo n't )", "she'd've": "she 'd 've", "cats'": "cats '", "dog's.": "dog 's .",
    "Mr.": "Mr.", "end.": "end .", "U.S.A.": "U.S.A.", "e.g.,": "e.g. ,", "10km.": "10 km .", "5pm": "5 pm", "$20,": "$ 20 ,",
    "well-known": "well - known", "a/b": "a / b", "and/or": "and/or", "3-4": "3 - 4", "x=1": "x=1",
    "Hello.World": "Hello . World",
    "www.example.org/a?b=c": "www.example.org/a?b=c", "wait...": "wait ...", "“quoted”": "“ quoted ”", "cannot": "can not",
    "Dr.T.": "Dr. T.", "f(x):": "f(x ):", "IS'',": "IS '' ,",
    ":-)": ":-)", "1,000.5": "1,000.5", "C++": "C++", "I’m": "I ’m", "its": "its", "--": "--",
}  # fmt: skip


@pytest.mark.parametrize("piece", CUTS)
def test_pieces_are_cut_as_spacy_cuts_them(piece: str) -> None:
    assert list(split(piece)) == CUTS[piece].split()


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="abtnsdemIUSk.,'’-–:/()!?\"$%0159é中。…😀", min_size=1, max_size=30))
def test_words_are_the_piece_in_parts(piece: str) -> None:
    assert "".join(split(piece)) == piece and all(split(piece))


@pytest.mark.parametrize(
    "piece", ["." * 199 + "x", "!" * 199, "a.b" * 60, "'" * 199, "-" * 1_000_000, "a@" * 99, "x://" * 49]
)
def test_hostile_pieces_are_cut_at_once(piece: str) -> None:
    assert "".join(split(piece)) == piece


def cut(texts: list[str], language: str) -> tuple[list[list[str]], np.ndarray]:
    """The words of texts as strings, and their kinds."""
    codes = codes_of("\n".join([*texts, ""]))
    found = Words(language).cut(texts, codes, classes_of(codes) != SPACE)
    ends = np.cumsum(found.lengths).tolist()
    ink = "".join("".join(text.split()) for text in texts)
    words = [ink[end - size : end] for end, size in zip(ends, found.lengths.tolist(), strict=True)]
    edges = np.cumsum(found.sizes).tolist()
    return [words[end - size : end] for end, size in zip(edges, found.sizes.tolist(), strict=True)], found.kinds


def test_chinese_is_cut_by_rjieba_without_white_space() -> None:
    texts = ["中华人民共和国专利法\n第一条 为了保护专利权人的合法权益，", "", " \n", "AI 模型 v2.0 发布。"]
    assert cut(texts, "zh")[0] == [[word for word in rjieba.cut(text) if word.strip()] for text in texts]


@settings(deadline=None)
@given(
    st.lists(st.text(alphabet="中国人的，。 \n\u3000ab1'😀\U00020000", max_size=20), min_size=1, max_size=4),
    st.sampled_from(["zh", "en"]),
)
def test_words_are_the_text_without_white_space(texts: list[str], language: str) -> None:
    words, _ = cut(texts, language)
    assert ["".join(found) for found in words] == ["".join(text.split()) for text in texts]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_kinds_of_words(language: str) -> None:
    assert cut(["好 , 。 a $ !"], language)[1].tolist() == [WORD, MARK, END, WORD, WORD, END]


def test_a_memory_that_is_full_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firesteel.data.filters.words.MOST", 3)
    words = Words("en")
    words.memory.cut(["a b c d e"])
    words.tidy()
    assert not words.memory.numbers and words.memory.cut(["d e"]).sizes.tolist() == [2]
