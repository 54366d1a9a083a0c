"""Near-duplicates: MinHash bands propose pairs, the true Jaccard similarity of the shingles decides.

A document goes if it is similar to an earlier one that stays: so no text goes without a twin that stays, and a chain of
small changes does not swallow a whole collection.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from firesteel.data.dedup.keys import shingles
from firesteel.data.dedup.minhash import PERMUTATIONS, Signer, band_keys, layout, signatures

WINDOW = 4  # a document is compared with the first of its bucket and with so many before it
CACHE = 4000  # sets of shingles held while pairs are verified


def bands_of(
    texts: Sequence[str], languages: Sequence[str], threshold: float, sign: Signer = signatures
) -> tuple[np.ndarray, np.ndarray]:
    """Band keys of texts, uint64 [K], and the text that each belongs to, int64 [K]; texts without a shingle have none."""
    bands, rows = layout(threshold)
    hashes, ends = shingles(texts, languages)
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
    """True Jaccard similarity of documents' shingles; `text_of` fetches (text, language) of a place."""

    def __init__(self, text_of: Callable[[int], tuple[str, str]]) -> None:
        self._text_of = text_of
        self._sets: OrderedDict[int, np.ndarray] = OrderedDict()

    def _set(self, place: int) -> np.ndarray:
        if place in self._sets:
            self._sets.move_to_end(place)
        else:
            text, language = self._text_of(place)
            self._sets[place] = np.unique(shingles([text], [language])[0])
            if len(self._sets) > CACHE:
                self._sets.popitem(last=False)
        return self._sets[place]

    def __call__(self, a: int, b: int) -> float:
        return jaccard(self._set(a), self._set(b))


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Size of the intersection over size of the union of sorted sets; 0 if both are empty."""
    if len(a) > len(b):
        a, b = b, a
    if len(b) == 0:
        return 0.0
    at = np.minimum(np.searchsorted(b, a), len(b) - 1)
    shared = int((b[at] == a).sum())
    return shared / (len(a) + len(b) - shared)
