"""Near-duplicates: MinHash bands propose pairs, the true Jaccard similarity of the shingles decides.

A document goes if it is similar to an earlier one that stays: so no text goes without a twin that stays, and a chain of
small changes does not swallow a whole collection.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np

from firesteel.data.dedup.keys import shingles
from firesteel.data.dedup.minhash import PERMUTATIONS, Signer, band_keys, layout, signatures

WINDOW = 4  # a document is compared with the first of its bucket and with so many before it
CACHE = 8 << 20  # shingles held while pairs are verified
ENOUGH = 8  # similar earlier documents that are noted for one; of the first of them one nearly always stays


def bands_of(texts: Sequence[str], threshold: float, sign: Signer = signatures) -> tuple[np.ndarray, np.ndarray]:
    """Band keys of texts, uint64 [K], and the text that each belongs to, int64 [K]; texts without a shingle have none."""
    bands, rows = layout(threshold)
    hashes, ends = shingles(texts)
    long_enough = np.flatnonzero(np.diff(ends, prepend=0) > 0)
    signed = sign(hashes, ends[long_enough]) if len(long_enough) else np.empty((0, PERMUTATIONS), dtype=np.uint32)
    return band_keys(signed, bands, rows).ravel(), np.repeat(long_enough, bands)


def pairs(keys: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Candidate pairs (later, earlier) among entries, uint64 [P, 2], sorted, each once."""
    order = np.lexsort((places, keys))
    keys, places = keys[order], places[order]
    if len(keys) < 2:
        return np.empty((0, 2), dtype=np.uint64)
    new = np.concatenate([[True], keys[1:] != keys[:-1]])
    first = np.flatnonzero(new)[np.cumsum(new) - 1]  # of each entry's bucket
    at = np.arange(len(keys))
    found = []
    for back in range(1, WINDOW + 1):
        later = at[back:][first[back:] <= at[:-back]]
        found.append(np.stack([places[later], places[later - back]], axis=1))
    later = at[at - first > WINDOW]
    found.append(np.stack([places[later], places[first[later]]], axis=1))
    both = np.concatenate(found)
    return unique_pairs(both[both[:, 0] != both[:, 1]])


def unique_pairs(both: np.ndarray) -> np.ndarray:
    """Pairs sorted by both members, each once."""
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    if len(both):
        both = both[np.concatenate([[True], (both[1:] != both[:-1]).any(axis=1)])]
    return both


class Similarity:
    """True Jaccard similarity of documents' shingles; `text_of` fetches the text of a place."""

    def __init__(self, text_of: Callable[[int], str]) -> None:
        self._text_of, self._held = text_of, 0
        self._sets: OrderedDict[int, np.ndarray] = OrderedDict()

    def _set(self, place: int) -> np.ndarray:
        if place in self._sets:
            self._sets.move_to_end(place)
        else:
            self._sets[place] = found = np.unique(shingles([self._text_of(place)])[0])
            self._held += len(found)
            while self._held > CACHE and len(self._sets) > 2:
                self._held -= len(self._sets.popitem(last=False)[1])
        return self._sets[place]

    def __call__(self, a: int, b: int) -> float:
        return jaccard(self._set(a), self._set(b))

    def similar(self, both: np.ndarray, threshold: float) -> Iterator[tuple[int, int, float]]:
        """(later, earlier, similarity) of the sorted pairs that are similar enough, at most ENOUGH for one document."""
        for later, group in groupby(both.tolist(), key=itemgetter(0)):
            found = 0
            for _, earlier in group:
                if (value := self(later, earlier)) >= threshold:
                    yield later, earlier, value
                    found += 1
                    if found == ENOUGH:
                        break


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Size of the intersection over size of the union of sorted sets; 0 if both are empty."""
    if len(a) > len(b):
        a, b = b, a
    if len(b) == 0:
        return 0.0
    at = np.minimum(np.searchsorted(b, a), len(b) - 1)
    shared = int((b[at] == a).sum())
    return shared / (len(a) + len(b) - shared)
