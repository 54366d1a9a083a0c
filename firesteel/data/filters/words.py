"""The words of texts: where they end, and what rules ask about their characters.

White space apart, words are the text cut in pieces, so that a word is known by how many characters it takes. Chinese is
cut by rjieba; other languages by english.py, once for each different piece between white space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, islice

import numpy as np

from firesteel.data.filters import english, signs

MOST = 1 << 19  # different words that are remembered; then all are forgotten
WORD, MARK, END = range(3)  # kinds of words: with something other than punctuation; punctuation; the end of a sentence


@dataclass
class Cut:
    """N words of D texts: how many are each text's [D], and their lengths in characters [N]."""

    sizes: np.ndarray
    lengths: np.ndarray
    ask: Callable[[str], np.ndarray]  # one of the properties below, by name

    @cached_property
    def lettered(self) -> np.ndarray:
        """Which hold a letter, bool [N]."""
        return self.ask("lettered")

    @cached_property
    def symbols(self) -> np.ndarray:
        """Which are nothing but punctuation, as published rules see it, bool [N]."""
        return self.ask("symbols")

    @cached_property
    def kinds(self) -> np.ndarray:
        """WORD, MARK or END, uint8 [N]."""
        return self.ask("kinds")


class Words:
    """Cuts texts of one language; remembers the words of languages that write them apart."""

    def __init__(self, language: str) -> None:
        self.chinese = language == "zh"
        self.memory = _Memory(english.split)

    def tidy(self) -> None:
        """Forget all words if there are too many."""
        if len(self.memory.numbers) > MOST:
            self.memory = _Memory(english.split)

    def cut(self, texts: Sequence[str], codes: np.ndarray, ink: np.ndarray) -> Cut:
        """The words of texts; `codes` [N] are their characters with one sign after each text, `ink` [N] what is no space."""
        return _chinese(texts, codes, ink) if self.chinese else self.memory.cut(texts)


def _chinese(texts: Sequence[str], codes: np.ndarray, ink: np.ndarray) -> Cut:
    import rjieba

    cut = [rjieba.cut(text) for text in texts]
    counts = np.fromiter(map(len, cut), np.int64, len(cut)) + 1  # the sign after the text counts as a word at first
    widths = (np.fromiter(map(len, (*words, "\n")), np.int64, len(words) + 1) for words in cut)
    wide = np.concatenate([np.empty(0, dtype=np.int64), *widths])
    ends = np.cumsum(wide)
    inked = np.concatenate([[0], np.cumsum(ink, dtype=np.int64)])
    lengths = inked[ends] - inked[ends - wide]
    kept = lengths > 0
    word_ends = np.cumsum(counts)
    words = np.concatenate([[0], np.cumsum(kept)])
    begins, long = (ends - wide)[kept], wide[kept]

    def ask(what: str) -> np.ndarray:
        if what == "lettered":
            return ~_all(~_listed("alpha", codes), begins, long)
        if what == "symbols":
            return _all(_listed("symbol", codes) | ~ink, begins, long)
        ended = (lengths[kept] == 1) & _listed("terminal", codes)[begins]
        marks = _all(_listed("P", codes) | ~ink, begins, long)
        return np.where(ended, END, np.where(marks, MARK, WORD)).astype(np.uint8)

    return Cut(words[word_ends] - words[word_ends - counts], lengths[kept], ask)


def _all(holds: np.ndarray, begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Whether something (bool [N]) holds of every character of each word."""
    sums = np.concatenate([[0], np.cumsum(~holds, dtype=np.int64)])
    return np.asarray(sums[begins + lengths] == sums[begins])


def _listed(kind: str, codes: np.ndarray) -> np.ndarray:
    """Whether each code point is of a kind of `_table`."""
    table = _table(kind)
    return np.asarray(
        table[codes] if int(codes.max(initial=0)) < len(table) else table[np.minimum(codes, len(table) - 1)]
    )


@cache
def _table(kind: str) -> np.ndarray:
    """Which code points are letters, punctuation (category P), published symbols, or ends of sentences."""
    symbols, ends = signs.symbols(), frozenset(signs.terminal())
    tests: dict[str, Callable[[str], bool]] = {
        "alpha": str.isalpha,
        "P": lambda char: unicodedata.category(char)[0] == "P",
        "symbol": symbols.__contains__,
        "terminal": ends.__contains__,
    }
    return np.array([tests[kind](chr(code)) for code in range(0x323B0)])


class _Numbers(dict[str, int]):
    """A word's index; a new one gets the next."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


class _Pieces(dict[str, tuple[int, ...]]):
    """The indices of the words of one piece between white space."""

    def __init__(self, numbers: _Numbers, split: Callable[[str], Iterable[str]]) -> None:
        self.numbers, self.split = numbers, split

    def __missing__(self, piece: str) -> tuple[int, ...]:
        found = tuple(self.numbers[word] for word in self.split(piece))
        if len(self) < MOST and len(piece) <= english.LONGEST:
            self[piece] = found
        return found


class _Memory:
    """The different words seen, and what is known of each: a text costs one look-up for each of its pieces."""

    def __init__(self, split: Callable[[str], Iterable[str]]) -> None:
        self.numbers = _Numbers()
        self.pieces = _Pieces(self.numbers, split)
        self.lengths = np.empty(0, dtype=np.int64)
        self.lettered = self.symbols = np.empty(0, dtype=bool)
        self.kinds = np.empty(0, dtype=np.uint8)

    def cut(self, texts: Iterable[str]) -> Cut:
        """The words of texts."""
        look = self.pieces.__getitem__
        found = [np.fromiter(chain.from_iterable(map(look, text.split())), np.int64) for text in texts]
        self._learn()
        ids = np.concatenate([np.empty(0, dtype=np.int64), *found])
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        tables = {"lettered": self.lettered, "symbols": self.symbols, "kinds": self.kinds}
        return Cut(sizes, self.lengths[ids], lambda what: tables[what][ids])

    def _learn(self) -> None:
        """Extend the tables by the words that are new."""
        fresh = list(islice(self.numbers, len(self.lengths), None))
        lettered = [word.isalpha() or any(map(str.isalpha, word)) for word in fresh]
        symbols = [signs.symbols().issuperset(word) for word in fresh]
        self.lengths = np.concatenate([self.lengths, np.fromiter(map(len, fresh), np.int64, len(fresh))])
        self.lettered = np.concatenate([self.lettered, np.array(lettered, dtype=bool)])
        self.symbols = np.concatenate([self.symbols, np.array(symbols, dtype=bool)])
        self.kinds = np.concatenate([self.kinds, np.fromiter(map(_kind, fresh), np.uint8, len(fresh))])


def _kind(word: str) -> int:
    if len(word) == 1 and word in signs.terminal():
        return END
    return MARK if all(unicodedata.category(char)[0] == "P" for char in word) else WORD
