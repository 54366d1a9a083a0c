"""n-grams as numbers: one 64-bit hash for every run of n units, without a Python object for each.

`units` are code points or word numbers, uint64 [N]. Two different n-grams share a hash about once in 2^64 pairs.
"""

from __future__ import annotations

import numpy as np

from firesteel.data.han import DIGIT, classes_of, codes_of

_BASE = 0x9E3779B97F4A7C15  # odd; 2^64 / golden ratio
_MASK = (1 << 64) - 1


def words_of(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The words of a text, lower case, as hashes (uint64 [N]) and lengths in characters (int64 [N]).

    A word is a run of letters, digits, apostrophes and hyphens.
    """
    hashes, lengths, _ = words_at(text.lower())
    return hashes, lengths


def words_at(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of a text in lower case, and where each word begins, int64 [N]."""
    codes = codes_of(text)
    inside = (classes_of(codes) >= DIGIT) | (codes == 0x27) | (codes == 0x2019) | (codes == 0x2D)
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    begins, lengths = edges[::2], edges[1::2] - edges[::2]
    if len(lengths) == 0:
        return np.empty(0, dtype=np.uint64), lengths, begins
    first = np.cumsum(lengths) - lengths
    letters = codes[inside].astype(np.uint64)
    place = np.arange(len(letters), dtype=np.int64) - np.repeat(first, lengths)
    with np.errstate(over="ignore"):
        values = _mix(letters * np.uint64(_BASE) + place.astype(np.uint64) + np.uint64(1))
        return np.add.reduceat(values, first), lengths, begins


def ngram_hashes(units: np.ndarray, n: int) -> np.ndarray:
    """The hash of each run of n units, uint64 [N - n + 1]; empty if there are fewer than n."""
    if len(units) < n:
        return np.empty(0, dtype=np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what we want
        out = _mix(_powers(units.astype(np.uint64), n))
    return out


def _powers(units: np.ndarray, n: int) -> np.ndarray:
    """Polynomial in _BASE over each run of n units, by doubling: log2(n) array operations."""
    if n == 1:
        return units + np.uint64(1)
    half = n // 2
    part = _powers(units, half)
    out = (
        part[: len(units) - 2 * half + 1] * np.uint64(pow(_BASE, half, _MASK + 1)) + part[half : len(units) - half + 1]
    )
    if n % 2:
        out = out[: len(units) - n + 1] * np.uint64(_BASE) + units[n - 1 :] + np.uint64(1)
    return np.asarray(out)


def _mix(h: np.ndarray) -> np.ndarray:
    """Stafford's finaliser (variant 13 of MurmurHash3's): spreads the polynomial over all bits."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(h ^ (h >> np.uint64(31)))


def _grouped(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions by hash and then by place, int64 [M]; where a hash equals its predecessor's, bool [M - 1].

    One sort of plain integers, the position in the low bits, is several times faster than a stable argsort. What is
    left of the hash has 44 bits or more for the texts that we see.
    """
    bits = np.uint64(max(1, len(hashes).bit_length()))
    packed = np.sort((hashes >> bits << bits) | np.arange(len(hashes), dtype=np.uint64))
    heads = packed >> bits
    return (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64), heads[1:] == heads[:-1]


def repeated_share(units: np.ndarray, lengths: np.ndarray, n: int) -> float:
    """Share of the text's length that lies in n-grams seen earlier in it; `lengths` [N] are the units' lengths."""
    hashes = ngram_hashes(units, n)
    if len(hashes) == 0:
        return 0.0
    positions, same = _grouped(hashes)
    starts = positions[1:][same]  # every occurrence but the first
    if len(starts) == 0:
        return 0.0
    edges = np.bincount(starts, minlength=len(units) + 1) - np.bincount(starts + n, minlength=len(units) + 1)
    return float(lengths[np.cumsum(edges[:-1]) > 0].sum() / lengths.sum())


def top_share(units: np.ndarray, lengths: np.ndarray, n: int) -> float:
    """Share of the text's length in the most frequent n-gram, the first if several; 0 if none comes twice."""
    hashes = ngram_hashes(units, n)
    if len(hashes) == 0:
        return 0.0
    positions, same = _grouped(hashes)
    if not same.any():
        return 0.0
    firsts = np.flatnonzero(np.concatenate([[True], ~same]))
    counts = np.diff(np.append(firsts, len(positions)))
    most = int(counts.max())
    at = int(positions[firsts[counts == most]].min())
    return min(1.0, float(most * lengths[at : at + n].sum() / lengths.sum()))
