"""What is compared when texts are compared, many texts at a time: letters and digits, lower case, simplified.

Punctuation, spacing, width and script do not hide a copy. `codes` are code points, uint32 [M], of all texts in a row;
`ends` int64 [N] says where each text's end; so no text costs an array operation of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import xxhash

from firesteel.data.clean.simplify import to_simplified
from firesteel.data.han import DIGIT, classes_of, codes_of
from firesteel.data.ngrams import ngram_hashes

CHARACTERS, WORDS = 5, 3  # units of a shingle: five Chinese characters say about as much as three English words
SPACED = frozenset(("en", "fr", "de", "es", "pt", "it", "ru", "other"))  # languages whose words are written apart
_TAG = re.compile(r"(\[[^\[\]:\n]{1,12}):[0-9a-f]{4,12}\]")  # of a placeholder; two keys give two tags
_BASE = np.uint64(0x9E3779B97F4A7C15)
HAN_BLOCKS = [chr(c) for c in range(0x3400, 0xA000)]
TRADITIONAL, ASTRAL = 1 << 30, 1 << 31  # marks above every code point
SHORT = 8  # a text with fewer letters is compared as it stands


@cache
def _table() -> np.ndarray:
    """Code point -> the code point that stands for it, 0 for what is not compared; uint32 [65536]."""
    from opencc import OpenCC

    codes = np.arange(1 << 16, dtype=np.uint32)
    table = np.where(classes_of(codes) >= DIGIT, codes, 0).astype(np.uint32)
    for code in np.flatnonzero(table).tolist():
        lower = chr(code).lower()
        if len(lower) == 1:
            table[code] = ord(lower)
    for code in range(0xFF10, 0xFF5B):  # full-width digits and letters
        if table[code]:
            table[code] = ord(chr(code - 0xFEE0).lower())
    for a, b in zip(HAN_BLOCKS, str(OpenCC("t2s").convert("\n".join(HAN_BLOCKS))).split("\n"), strict=True):
        if len(b) == 1 and b <= "\uffff":
            table[ord(a)] = ord(b)
    return table


@cache
def _marked() -> np.ndarray:
    """The table with marks: characters that simplified text writes otherwise, and halves of characters beyond U+FFFF."""
    table, codes = _table().copy(), np.arange(1 << 16, dtype=np.uint32)
    han = (codes >= ord(HAN_BLOCKS[0])) & (codes <= ord(HAN_BLOCKS[-1]))
    table[han & (table != codes) & (table > 0)] |= TRADITIONAL
    table[0xD800:0xE000] |= ASTRAL
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


def _translated(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of all texts in a row: the code point that stands for each character or 0, and where each text ends."""
    units = np.frombuffer("".join(texts).encode("utf-16-le", "surrogatepass"), dtype=np.uint16)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    codes = _marked()[units]
    marks = int(np.bitwise_or.reduce(codes)) if len(codes) else 0
    if marks & ASTRAL:  # a unit is not a character here: the long way
        codes = _by_code_point(texts)
    if not marks & TRADITIONAL:
        return codes, ends
    texts = list(texts)  # characters one by one would not make 计划 of 計畫
    for i in np.unique(np.searchsorted(ends, np.flatnonzero(codes & TRADITIONAL), side="right")).tolist():
        texts[i] = to_simplified(texts[i])[0]
    return _by_code_point(texts) & ~np.uint32(TRADITIONAL), np.cumsum([len(text) for text in texts], dtype=np.int64)


def _by_code_point(texts: Sequence[str]) -> np.ndarray:
    raw = codes_of("".join(texts))
    codes = _marked()[np.minimum(raw, 0xFFFF)]
    if len(raw) and int(raw.max()) > 0xFFFF:
        codes = np.where(raw > 0xFFFF, np.where(classes_of(raw) >= DIGIT, raw, 0), codes).astype(np.uint32)
    return np.asarray(codes)


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


def whole_hashes(keys: Keys) -> np.ndarray:
    """A 128-bit hash of each text, uint64 [N, 2]: equal for texts with equal keys."""
    out = np.empty((len(keys.texts), 2), dtype=np.uint64)
    codes = memoryview(np.append(keys.codes, np.uint32(0)).tobytes())  # never empty
    for i, (start, end) in enumerate(zip(keys.starts.tolist(), keys.ends.tolist(), strict=True)):
        raw = codes[4 * start : 4 * end] if end - start >= SHORT else keys.texts[i].encode("utf-8", "surrogatepass")
        value = xxhash.xxh3_128_intdigest(raw)
        out[i] = value >> 64, value & 0xFFFFFFFFFFFFFFFF
    return out


def words_of(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The words of all texts in a row as hashes, uint64 [W], and where each text's end, int64 [N].

    A word is a run of letters and digits; its hash does not depend on what it stands in.
    """
    codes, ends = _translated([without_tags(text) + "\n" for text in texts])
    inside = codes > 0
    first = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    if len(first) == 0:
        return np.empty(0, dtype=np.uint64), np.zeros(len(texts), dtype=np.int64)
    letters, kept = codes[inside].astype(np.uint64), np.concatenate([[0], np.cumsum(inside)])
    begin = kept[first]
    place = (np.arange(len(letters)) - np.repeat(begin, np.diff(np.append(begin, len(letters))))).astype(np.uint64)
    with np.errstate(over="ignore"):
        values = np.add.reduceat(ngram_hashes(letters * _BASE + place, 1), begin)
    return values, np.searchsorted(first, ends).astype(np.int64)


def shingles(texts: Sequence[str], languages: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The hashed shingles of all texts in a row, uint64 [S], and where each text's end, int64 [N].

    Runs of CHARACTERS letters of the key, or of WORDS words in languages that write words apart. A shingle of words never
    equals one of characters by design, only by chance.
    """
    spaced = np.array([language in SPACED for language in languages], dtype=bool)
    pieces: list[np.ndarray] = [np.empty(0, dtype=np.uint64)] * len(texts)
    for apart in (False, True):
        chosen = np.flatnonzero(spaced == apart).tolist()
        if not chosen:
            continue
        some = [texts[i] for i in chosen]
        if apart:
            units, ends = words_of(some)
        else:
            keys = keys_of(some)
            units, ends = keys.codes, keys.ends
        n = WORDS if apart else CHARACTERS
        hashes = ngram_hashes(units, n)
        begin = 0
        for i, end in zip(chosen, ends.tolist(), strict=True):
            pieces[i] = hashes[begin : max(begin, end - n + 1)]
            begin = end
    lengths = [len(piece) for piece in pieces]
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint64), np.cumsum(lengths, dtype=np.int64)
