"""Duplicates over all sources: exact ones by hash, near ones by MinHash and then true Jaccard.

Of texts that are the same, the first in reading order stays. Near-duplicates are compared with texts that stay only,
so no text goes without a twin that stays, and chains of small changes do not swallow a whole collection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firesteel.data.dedup.minhash import PERMUTATIONS, Signer, band_keys, layout, signatures
from firesteel.data.ngrams import key_hash, key_text, shingles

SHINGLE = 5  # characters
BATCH = 256  # texts signed at once
MARGIN = 0.15  # four standard deviations of an estimate of 0.8 from 128 permutations


class ExactIndex:
    """Which texts have been seen: 16 bytes of memory for each, and its id."""

    def __init__(self) -> None:
        self._seen: dict[bytes, str] = {}

    def first(self, key: str, id: str) -> str | None:
        """The id of the first text with this key text, or None if this one is it."""
        first = self._seen.setdefault(key_hash(key), id)
        return None if first == id else first


@dataclass(frozen=True)
class Match:
    """The earlier text that a text repeats, and how similar they are."""

    kept: int
    similarity: float


class NearIndex:
    """Collects signatures as texts come, then finds the texts to drop. Memory: 512 bytes a text, and the band keys."""

    def __init__(self, sign: Signer = signatures) -> None:
        self._sign = sign
        self._waiting: list[np.ndarray] = []
        self._blocks: list[np.ndarray] = []
        self._empty: list[int] = []  # texts too short to have a shingle: never near anything
        self._count = 0

    def add(self, key: str) -> None:
        """Take the next text's key text."""
        hashes = shingles(key, SHINGLE)
        if len(hashes) == 0:
            self._empty.append(self._count)
        self._waiting.append(hashes)
        self._count += 1
        if len(self._waiting) == BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._blocks.append(self._sign(self._waiting))
            self._waiting = []

    def duplicates(self, text_of: Callable[[int], str], threshold: float) -> dict[int, Match]:
        """Text number -> the kept text that it repeats with at least `threshold` true Jaccard similarity."""
        self._flush()
        signed = np.concatenate(self._blocks) if self._blocks else np.empty((0, PERMUTATIONS), dtype=np.uint32)
        bands, rows = layout(threshold)
        buckets = _shared_buckets(band_keys(signed, bands, rows), set(self._empty))
        kept: dict[tuple[int, int], list[int]] = defaultdict(list)  # (band, key) -> kept texts
        dropped: dict[int, Match] = {}
        for i in sorted(buckets):
            candidates = sorted({j for bucket in buckets[i] for j in kept[bucket]})
            match = _verify(i, candidates, signed, text_of, threshold)
            if match:
                dropped[i] = match
            else:
                for bucket in buckets[i]:
                    kept[bucket].append(i)
        return dropped


def _shared_buckets(keys: np.ndarray, excluded: set[int]) -> dict[int, list[tuple[int, int]]]:
    """Text number -> the buckets (band, key) that it shares with another text; most texts share none."""
    shared: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for band in range(keys.shape[1]):
        _, inverse, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        for i in np.flatnonzero(counts[inverse] > 1):
            if int(i) not in excluded:
                shared[int(i)].append((band, int(inverse[i])))
    return shared


def _verify(
    i: int, candidates: list[int], signed: np.ndarray, text_of: Callable[[int], str], threshold: float
) -> Match | None:
    """The first candidate that is truly similar; estimates far below the threshold are not even read."""
    if not candidates:
        return None
    estimates = (signed[candidates] == signed[i]).mean(axis=1)
    own: frozenset[str] | None = None
    for j, estimate in zip(candidates, estimates, strict=True):
        if estimate >= threshold - MARGIN:
            own = own if own is not None else _shingle_set(text_of(i))
            similarity = jaccard(own, _shingle_set(text_of(j)))
            if similarity >= threshold:
                return Match(j, similarity)
    return None


def _shingle_set(text: str) -> frozenset[str]:
    key = key_text(text)
    return frozenset(key[k : k + SHINGLE] for k in range(len(key) - SHINGLE + 1))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Size of the intersection over size of the union; 0 if both are empty."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else 0.0
