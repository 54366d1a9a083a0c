"""What is compared when texts are compared, many texts at a time.

A text's *key* is its letters and digits, lower case and simplified, with the signs of arithmetic beside digits (1.5 is not
15, 12 + 30 is not 12 - 30): so punctuation, spacing, width and script do not hide a copy. Exact duplicates agree in all
that is no white space. `codes` are code points, uint32 [M], of all texts in a row; `ends` int64 [N] says where each
text's end; so no text costs an array operation of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import xxhash

from firesteel.data.clean.simplify import to_simplified
from firesteel.data.han import DIGIT, SPACE, classes_of, codes_of
from firesteel.data.ngrams import ngram_hashes

CHARACTERS, WORDS = 5, 3  # units of a shingle: five Chinese characters say about as much as three English words
EAST = 0x2E80  # code points from here on are written without spaces between words
EASTERN = 0.3  # share of such letters from which a text's shingles are of characters
OPERATORS = "+-*/=<>%^.\u00d7\u00f7\u2212\u00b1\u2264\u2265\u2260\u2248"
_TAG = re.compile(r"(\[[^\[\]:\n]{1,12}):[0-9a-f]{4,12}\]")  # of a placeholder; two keys give two tags
_BASE = np.uint64(0x9E3779B97F4A7C15)
HAN_BLOCKS = [chr(c) for c in range(0x3400, 0xA000)]
OPERATOR, TRADITIONAL, ASTRAL = 1 << 29, 1 << 30, 1 << 31  # marks above every code point
CODE = np.uint32((1 << 29) - 1)


@cache
def _table(strict: bool) -> np.ndarray:
    """Code point -> the code point that stands for it, 0 for what is not compared, with marks; uint32 [65536].

    Marked are operators, characters that simplified text writes otherwise, and halves of characters beyond U+FFFF.
    `strict` compares all but white space.
    """
    from opencc import OpenCC

    codes = np.arange(1 << 16, dtype=np.uint32)
    classes = classes_of(codes)
    table = np.where(classes != SPACE if strict else classes >= DIGIT, codes, 0).astype(np.uint32)
    for code in np.flatnonzero(classes >= DIGIT).tolist():
        lower = chr(code).lower()
        if len(lower) == 1:
            table[code] = ord(lower)
    for code in range(0xFF10, 0xFF5B):  # full-width digits and letters
        if classes[code] >= DIGIT:
            table[code] = ord(chr(code - 0xFEE0).lower())
    for a, b in zip(HAN_BLOCKS, str(OpenCC("t2s").convert("\n".join(HAN_BLOCKS))).split("\n"), strict=True):
        if a != b:
            table[ord(a)] = TRADITIONAL | (ord(b) if len(b) == 1 and b <= "\uffff" else ord(a))
    if not strict:
        for sign in OPERATORS:
            table[ord(sign)] = OPERATOR | ord(sign)
    table[0xD800:0xE000] = ASTRAL
    return table


@dataclass(frozen=True)
class Keys:
    """The keys of N texts (see above)."""

    texts: Sequence[str]
    codes: np.ndarray  # uint32 [M]
    ends: np.ndarray  # int64 [N]

    @property
    def starts(self) -> np.ndarray:
        """Where each text's codes begin, int64 [N]."""
        return np.concatenate([[0], self.ends])[:-1].astype(np.int64)

    def of(self, i: int) -> np.ndarray:
        """The codes of one text."""
        return self.codes[int(self.starts[i]) : int(self.ends[i])]


def _translated(texts: Sequence[str], strict: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Of all texts in a row: the code point that stands for each character or 0, and where each text ends."""
    units = np.frombuffer("".join(texts).encode("utf-16-le", "surrogatepass"), dtype=np.uint16)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    codes = _table(strict)[units]
    marks = int(np.bitwise_or.reduce(codes)) if len(codes) else 0
    if marks & ASTRAL:  # a unit is not a character here: the long way
        codes = _by_code_point(texts, strict)
    if marks & TRADITIONAL:  # characters one by one would not make 计划 of 計畫
        texts = list(texts)
        for i in np.unique(np.searchsorted(ends, np.flatnonzero(codes & TRADITIONAL), side="right")).tolist():
            texts[i] = to_simplified(texts[i])[0]
        codes, ends = _by_code_point(texts, strict), np.cumsum([len(text) for text in texts], dtype=np.int64)
    if marks & OPERATOR:
        codes = _beside_digits(codes)
    return codes & CODE if marks >= OPERATOR else codes, ends


def _by_code_point(texts: Sequence[str], strict: bool) -> np.ndarray:
    raw = codes_of("".join(texts))
    codes = _table(strict)[np.minimum(raw, 0xFFFF)]
    if len(raw) and int(raw.max()) > 0xFFFF:
        codes = np.where(raw > 0xFFFF, np.where(strict | (classes_of(raw) >= DIGIT), raw, 0), codes).astype(np.uint32)
    return np.asarray(codes)


def _beside_digits(codes: np.ndarray) -> np.ndarray:
    """Operators stay where a digit stands on either side, or one place further."""
    at = np.flatnonzero(codes & OPERATOR)
    padded = np.concatenate([[0, 0], codes, [0, 0]])
    near = np.zeros(len(at), dtype=bool)
    for step in (-2, -1, 1, 2):
        beside = padded[at + 2 + step]
        near |= (beside >= ord("0")) & (beside <= ord("9"))
    codes = codes.copy()
    codes[at[~near]] = 0
    return codes


def without_tags(text: str) -> str:
    """The text with the tags of placeholders taken out."""
    return _TAG.sub(r"\1]", text) if "[" in text else text


def keys_of(texts: Sequence[str]) -> Keys:
    """The keys of texts that hold no lone surrogates."""
    if not texts:
        return Keys(texts, np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64))
    codes, ends = _translated([without_tags(text) for text in texts])
    kept = codes > 0
    return Keys(texts, codes[kept], np.concatenate([[0], np.cumsum(kept)])[ends].astype(np.int64))


def whole_hashes(texts: Sequence[str]) -> np.ndarray:
    """A 128-bit hash of each text, uint64 [N, 2]: equal for texts that agree in all but white space, case and script."""
    out = np.empty((len(texts), 2), dtype=np.uint64)
    codes, ends = _translated([without_tags(text) for text in texts], strict=True)
    kept = codes > 0
    ends = np.concatenate([[0], np.cumsum(kept)])[ends]
    raw = memoryview(np.append(codes[kept], np.uint32(0)).tobytes())  # never empty
    start = 0
    for i, end in enumerate(ends.tolist()):
        value, start = xxhash.xxh3_128_intdigest(raw[4 * start : 4 * end]), end
        out[i] = value >> 64, value & 0xFFFFFFFFFFFFFFFF
    return out


def words_of(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The words of all texts in a row as hashes, uint64 [W], and where each text's end, int64 [N].

    A word is a run of letters, digits and their operators, of one script; its hash does not depend on what it stands in.
    """
    codes, ends = _translated([without_tags(text) + "\n" for text in texts])
    inside, east = codes > 0, codes >= EAST
    before = np.concatenate([[False], inside[:-1]])
    first = np.flatnonzero(inside & (~before | (east != np.concatenate([[False], east[:-1]]))))
    if len(first) == 0:
        return np.empty(0, dtype=np.uint64), np.zeros(len(texts), dtype=np.int64)
    letters, kept = codes[inside].astype(np.uint64), np.concatenate([[0], np.cumsum(inside)])
    begin = kept[first]
    place = (np.arange(len(letters)) - np.repeat(begin, np.diff(np.append(begin, len(letters))))).astype(np.uint64)
    with np.errstate(over="ignore"):
        values = np.add.reduceat(ngram_hashes(letters * _BASE + place, 1), begin)
    return values, np.searchsorted(first, ends).astype(np.int64)


def shingles(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hashed shingles of all texts in a row, uint64 [S], and where each text's end, int64 [N].

    Runs of CHARACTERS letters of the key where EASTERN of them are of scripts without spaces between words, else runs of
    WORDS words: the text decides, for labels of language differ between copies.
    """
    keys = keys_of(texts)
    east = np.concatenate([[0], np.cumsum(keys.codes >= EAST)])
    lengths = keys.ends - keys.starts
    spaced = east[keys.ends] - east[keys.starts] < EASTERN * lengths
    pieces: list[np.ndarray] = [np.empty(0, dtype=np.uint64)] * len(texts)
    letters = ngram_hashes(keys.codes, CHARACTERS)
    for i in np.flatnonzero(~spaced).tolist():
        pieces[i] = letters[int(keys.starts[i]) : max(int(keys.starts[i]), int(keys.ends[i]) - CHARACTERS + 1)]
    chosen = np.flatnonzero(spaced).tolist()
    if chosen:
        words, ends = words_of([texts[i] for i in chosen])
        hashes, begin = ngram_hashes(words, WORDS), 0
        for i, end in zip(chosen, ends.tolist(), strict=True):
            pieces[i] = hashes[begin : max(begin, end - WORDS + 1)]
            begin = end
    sizes = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint64), sizes
