"""Several texts of one language laid end to end, and what the rules ask about them, each thing computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np

from firesteel.data.filters.grams import Grams, powers, prefix_sums
from firesteel.data.filters.words import Cut, Words
from firesteel.data.han import LATIN, SPACE, classes_of, codes_of
from firesteel.data.ngrams import words_at

UNSPACED = ("zh", "ja")  # languages whose words are not written apart
REPEAT = {True: 7, False: 14}  # characters: how much must repeat before n-grams of words are compared; for speed alone


class Block:
    """D texts in one language; arrays are over texts, [D], unless they say otherwise. `alive`: not dropped so far."""

    def __init__(self, texts: Sequence[str], language: str, words: Callable[[str], Words]) -> None:
        self.texts, self.language, self._words = list(texts), language, words
        self.alive = np.ones(len(texts), dtype=bool)
        self._counted: dict[Any, np.ndarray] = {}

    def speaking(self, language: str) -> Block:
        """The same block, now that its language is known; what was computed of the characters is kept."""
        self.language = language
        return self

    @property
    def by_character(self) -> bool:
        """Whether words are not written apart."""
        return self.language in UNSPACED

    @property
    def class_counts(self) -> np.ndarray:
        """Characters of each class, int64 [D, 8]."""
        owner = np.repeat(np.arange(len(self.texts)) * 8, self.chars + 1)
        return np.bincount(owner + self.classes, minlength=8 * len(self.texts)).reshape(-1, 8)

    def each(self, ask: Callable[[str], float], need: np.ndarray) -> np.ndarray:
        """`ask` of each text needed, float64 [D]; 0 for the others."""
        return self.over(need, lambda i: ask(self.texts[i]))

    def over(self, need: np.ndarray, ask: Callable[[int], float]) -> np.ndarray:
        """`ask` of the index of each text needed, float64 [D]; 0 for the others."""
        values = np.zeros(len(self.texts))
        for i in np.flatnonzero(need).tolist():
            values[i] = ask(i)
        return values

    def per_text(self, count: Callable[..., tuple[int, ...]], *how: Any) -> np.ndarray:
        """`count(text, *how)` of every text, int64 [numbers, D]; remembered."""
        if (count, how) not in self._counted:
            rows = [count(text, *how) for text in self.texts]
            self._counted[count, how] = np.array(rows, dtype=np.int64).T
        return self._counted[count, how]

    @cached_property
    def chars(self) -> np.ndarray:
        """Characters."""
        return np.fromiter(map(len, self.texts), np.int64, len(self.texts))

    @cached_property
    def codes(self) -> np.ndarray:
        """Code points of all texts, a line feed after each, uint32 [N]."""
        return codes_of("\n".join([*self.texts, ""]))

    @cached_property
    def classes(self) -> np.ndarray:
        """The class of each code point, uint8 [N]."""
        text = "\n".join([*self.texts, ""])
        if text.isascii():
            return np.frombuffer(text.encode("ascii").translate(_ascii()), dtype=np.uint8)
        return classes_of(self.codes)

    @cached_property
    def edges(self) -> np.ndarray:
        """Where the texts begin in `codes`, and their end, int64 [D + 1]."""
        return np.concatenate([[0], np.cumsum(self.chars + 1)])

    def count(self, mask: np.ndarray) -> np.ndarray:
        """How many code points of each text are marked (bool [N])."""
        return np.add.reduceat(mask, self.edges[:-1], dtype=np.int64)

    @cached_property
    def ink(self) -> np.ndarray:
        """Characters that are not white space, at least 1."""
        return np.asarray(np.maximum(1, self.count(self.inked)))

    @cached_property
    def letters(self) -> np.ndarray:
        """Letters of any script."""
        return self.count(self.classes >= LATIN)

    @cached_property
    def pieces(self) -> np.ndarray:
        """Where the pieces between white space begin in `codes`, int64 [P]."""
        ink = self.inked
        return np.flatnonzero(ink & ~np.concatenate([[False], ink[:-1]]))

    @cached_property
    def piece_count(self) -> np.ndarray:
        """Pieces between white space, at least 1; where words are not written apart, two characters count as one."""
        if self.by_character:
            return np.maximum(1.0, self.ink / 2)
        return np.maximum(1.0, np.diff(np.searchsorted(self.pieces, self.edges)).astype(np.float64))

    @cached_property
    def newlines(self) -> np.ndarray:
        """Line feeds."""
        return self.count(self.codes == 10) - 1

    @cached_property
    def _lines(self) -> list[list[str] | None]:
        return [None] * len(self.texts)

    def lines(self, i: int) -> list[str]:
        """The lines of text i that are not blank."""
        lines = self._lines[i]
        if lines is None:
            lines = self._lines[i] = [line for line in self.texts[i].split("\n") if line and not line.isspace()]
        return lines

    @cached_property
    def runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Runs of letters and digits: hashes uint64 [R], lengths int64 [R], and how many are each text's [D]."""
        lowered = [text.lower() for text in self.texts]
        hashes, lengths, begins = words_at("\n".join(lowered))
        edges = np.concatenate([[0], np.cumsum([len(text) + 1 for text in lowered])])
        return hashes, lengths, np.diff(np.searchsorted(begins, edges))

    @cached_property
    def grams(self) -> Grams:
        """n-grams of characters, white space left out, or of runs of letters and digits."""
        if not self.by_character:
            hashes, lengths, sizes = self.runs
            return Grams.of_units(hashes, sizes, np.concatenate([[0], np.cumsum(lengths)]))
        inside = self.codes > 32
        return Grams.of_units(self.codes[inside].astype(np.uint64), self.count(inside))

    @cached_property
    def words(self) -> Cut:
        """The words of all texts."""
        return self._words(self.language).cut(self.texts, self.codes, self.inked)

    def word_sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over each text of something known of each word [W]."""
        ends = np.cumsum(self.words.sizes)
        sums = np.concatenate([[0], np.cumsum(values)])
        return np.asarray(sums[ends] - sums[ends - self.words.sizes])

    @cached_property
    def inked(self) -> np.ndarray:
        """Which code points are not white space, bool [N]."""
        return np.asarray(self.classes != SPACE)

    @cached_property
    def word_places(self) -> np.ndarray:
        """Where the words begin, and the last ends, when what is not white space is counted, int64 [W + 1]."""
        return np.concatenate([[0], np.cumsum(self.words.lengths)])

    @cached_property
    def _ink_sums(self) -> np.ndarray:
        return prefix_sums(self.codes[self.inked].astype(np.uint64))

    @cached_property
    def word_grams(self) -> Grams:
        """n-grams of words as the text that they make when written without spaces."""
        places = self.word_places
        inverse = powers(len(self._ink_sums), inverse=True)[places[:-1]]
        grams = Grams(self._ink_sums[places], inverse, self.words.sizes, places)
        grams.filter(self._ink_sums, REPEAT[self.by_character])
        return grams

    @cached_property
    def word_hashes(self) -> np.ndarray:
        """`grams.text_hash` of each word, uint64 [W]."""
        sums = self.word_grams.sums
        return np.asarray((sums[1:] - sums[:-1]) * self.word_grams.inverse)

    @cached_property
    def spaced_grams(self) -> Grams:
        """n-grams of words with a space after each; lengths count the space."""
        units = self.word_hashes ^ (self.word_hashes >> np.uint64(31))
        return Grams.of_units(units, self.words.sizes, self.word_places + np.arange(len(units) + 1))


@cache
def _ascii() -> bytes:
    """The class of each byte that is an ASCII character."""
    return classes_of(np.arange(256, dtype=np.uint32)).tobytes()


def blocks(texts: Iterable[str], most: int) -> list[slice]:
    """Slices of neighbouring texts of about `most` characters together."""
    out, begin, size, end = [], 0, 0, 0
    for end, text in enumerate(texts, 1):
        size += len(text) + 1
        if size >= most:
            out.append(slice(begin, end))
            begin, size = end, 0
    return [*out, slice(begin, end)] if begin < end else out
