"""Keep test questions out of training: a document that holds a stretch of one is dropped, and the task is told.

A stretch is 20 letters of a question in Chinese (or another language without word spaces), 13 words of one in English
(Brown et al. 2020, app. C); a shorter question counts as a whole from 10 letters or 6 words. Compared are key texts, so
punctuation, spacing, width and script do not hide a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np

from firesteel.data.dedup.keys import keys_of, words_of
from firesteel.data.ngrams import ngram_hashes

WHOLE, LEAST = (20, 13), (10, 6)  # letters, words
MANY = 2000  # places of a document that are looked at more closely


@dataclass
class _Index:
    """Stretches in one unit: the first LEAST units of each as an anchor, and each stretch by length and hash."""

    stretches: dict[tuple[int, int], str] = field(default_factory=dict)  # (units, hash) -> task
    anchors: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    lengths: tuple[int, ...] = ()


class Contamination:
    """An index over the test questions of several tasks."""

    def __init__(self, tasks: Mapping[str, Sequence[str]]) -> None:
        self.questions = {task: len(questions) for task, questions in tasks.items()}
        self.too_short = dict.fromkeys(tasks, 0)
        self._letters, self._words = _Index(), _Index()
        anchors: tuple[list[int], list[int]] = ([], [])
        for task, questions in tasks.items():
            for question in questions:
                self._add(task, question, anchors)
        for index, found in zip((self._letters, self._words), anchors, strict=True):
            index.anchors = np.unique(np.array(found, dtype=np.uint64))
            index.lengths = tuple(sorted({length for length, _ in index.stretches}, reverse=True))

    def _add(self, task: str, question: str, anchors: tuple[list[int], list[int]]) -> None:
        by_words = _spaced(question)
        units = words_of([question])[0] if by_words else keys_of([question]).codes
        whole, least = WHOLE[by_words], LEAST[by_words]
        if len(units) < least:
            self.too_short[task] += 1
            return
        index, length = (self._letters, self._words)[by_words], min(whole, len(units))
        stretches = ngram_hashes(units, length)
        anchors[by_words].extend(ngram_hashes(units, least)[: len(stretches)].tolist())
        for value in stretches.tolist():
            index.stretches.setdefault((length, value), task)

    def find(self, texts: Sequence[str]) -> list[tuple[str, str] | None]:
        """Of each text: (task, the stretch as its key text or its number of words) of the first question found, or None."""
        out: list[tuple[str, str] | None] = [None] * len(texts)
        if len(self._words.anchors):
            words, ends = words_of(texts)
            for i, _, length, task in _hits(self._words, words, ends, LEAST[1]):
                out[i] = task, f"{length} words"
        if len(self._letters.anchors):
            keys = keys_of(texts)
            for i, at, length, task in _hits(self._letters, keys.codes, keys.ends, LEAST[0]):
                out[i] = task, keys.codes[at : at + length].tobytes().decode("utf-32-le")
        return out

    def facts(self) -> dict[str, dict[str, int]]:
        """Questions of each task, and how many were too short to look for."""
        return {task: {"questions": n, "too_short": self.too_short[task]} for task, n in self.questions.items()}


def _spaced(text: str) -> bool:
    """Whether most of a question's letters are written in words."""
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and sum(c < "\u2e80" for c in letters) > len(letters) / 2


def _hits(index: _Index, units: np.ndarray, ends: np.ndarray, least: int) -> Iterator[tuple[int, int, int, str]]:
    """(text, place, units, task) of the first stretch of the index in each text; `units` are those of all texts in a row."""
    hashes = ngram_hashes(units, least)
    if len(hashes) == 0:
        return
    near = np.minimum(np.searchsorted(index.anchors, hashes), len(index.anchors) - 1)
    places = np.flatnonzero(index.anchors[near] == hashes)
    owners = np.searchsorted(ends, places, side="right")
    for i, mine in groupby(zip(owners.tolist(), places.tolist(), strict=True), key=itemgetter(0)):
        found = _first(index, units, int(ends[i]), [at for _, at in mine][:MANY])
        if found:
            yield i, *found


def _first(index: _Index, units: np.ndarray, end: int, places: list[int]) -> tuple[int, int, str] | None:
    """(place, units, task) of the first stretch that begins at one of the places and ends within its text."""
    for at in places:
        for length in index.lengths:
            if at + length <= end:
                task = index.stretches.get((length, int(ngram_hashes(units[at : at + length], length)[0])))
                if task is not None:
                    return at, length, task
    return None
