"""Keep test questions out of training: a document that shares a run of 20 letters with one is dropped.

Compared are key texts (letters and digits only), so that punctuation, spacing and script do not hide a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firesteel.data.han import codes_of
from firesteel.data.ngrams import key_text, ngram_hashes

GRAM = 20  # characters


class Contamination:
    """An index over the 20-grams of test questions; shorter questions cannot be told from ordinary text."""

    def __init__(self, questions: Sequence[str]) -> None:
        keys = [key_text(question) for question in questions]
        self.too_short = sum(1 for key in keys if len(key) < GRAM)
        hashes = [ngram_hashes(codes_of(key), GRAM) for key in keys if len(key) >= GRAM]
        self._grams = np.unique(np.concatenate(hashes)) if hashes else np.empty(0, dtype=np.uint64)

    def shared(self, key: str) -> str | None:
        """The first 20-gram of a key text that a question has too, or None."""
        if not len(self._grams) or len(key) < GRAM:
            return None
        hashes = ngram_hashes(codes_of(key), GRAM)
        places = np.minimum(np.searchsorted(self._grams, hashes), len(self._grams) - 1)
        hits = np.flatnonzero(self._grams[places] == hashes)
        return key[int(hits[0]) : int(hits[0]) + GRAM] if len(hits) else None
