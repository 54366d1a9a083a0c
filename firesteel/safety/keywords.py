"""The keyword guard: two passes of an Aho-Corasick automaton over a disguise-free text, then the sentence rules."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ahocorasick

from firesteel.core.artefact import digest
from firesteel.safety.lexicon import MAX_WORD, OWN, Entry, load_library
from firesteel.safety.rules import Finding, Hit, judge
from firesteel.safety.text import Folding, Reading, View, fold, read, sentence_ends, squeeze, words


class Keywords:
    """A word library, ready to be looked for in texts."""

    def __init__(self, entries: Iterable[Entry], folding: Folding | None = None) -> None:
        self.entries = tuple(entries)
        self.folding = folding if folding is not None else Folding()
        self._chinese, self._latin = ahocorasick.Automaton(), ahocorasick.Automaton()
        for entry in self.entries:
            self._add(entry)
        for automaton in (self._chinese, self._latin):
            automaton.make_automaton()

    @classmethod
    def load(cls, files: Iterable[str | Path] = ()) -> Keywords:
        """The built-in sample and the operator's own words in `files`. Raises SourceError."""
        return cls(load_library(files))

    @property
    def id(self) -> str:
        """sha256 of the library's content."""
        return digest(sorted([e.word, e.role, e.category] for e in self.entries))

    def find(self, text: str | Reading) -> list[Finding]:
        """Why `text` is to be stopped, one finding per own word, or per sentence and category; [] if it may pass."""
        reading = read(text, self.folding) if isinstance(text, str) else text
        by_sentence: dict[int, list[Hit]] = defaultdict(list)
        for hit in self._hits(reading):
            by_sentence[hit.sentence].append(hit)
        found = []
        for number, hits in sorted(by_sentence.items()):
            found += [Finding(h.entry.category, (h.entry.word,)) for h in hits if h.entry.role == OWN]
            found += judge([h for h in hits if h.entry.role != OWN], by_sentence.get(number - 1, []))
        return found

    def _add(self, entry: Entry) -> None:
        folded = fold(entry.word, self.folding)
        if folded.text.isascii():  # Latin words match whole words only
            key = " " + " ".join(words(folded).text.split()) + ("" if entry.word.endswith("*") else " ")
            automaton = self._latin
        else:
            key, automaton = "".join(squeeze(folded).text.split()), self._chinese
        automaton.add_word(key, (*automaton.get(key, ()), (entry, len(key))))

    def _hits(self, reading: Reading) -> list[Hit]:
        """What is found, in order; words inside a benign one are left out."""
        views = [(self._chinese, reading.squeezed), *((self._latin, view) for view in reading.latin)]
        ends = sentence_ends(reading.text)
        hits = {hit for automaton, view in views for hit in _scan(automaton, view, ends)}
        benign = sorted((h.start, h.end) for h in hits if h.entry.role == "benign")
        kept = [h for h in hits if h.entry.role == OWN or not _inside(h, benign)]
        return sorted(kept, key=lambda h: (h.start, h.end, h.entry.role, h.entry.word))


def _scan(automaton: Any, view: View, ends: list[int]) -> Iterator[Hit]:
    if not len(automaton) or not view.text:
        return
    for last, found in automaton.iter(view.text):
        for entry, length in found:
            first = last - length + 1
            first += view.text[first] == " "
            end = last - (view.text[last] == " ")
            start = view.origin[first]
            yield Hit(entry, start, view.origin[end] + 1, bisect.bisect_left(ends, start))


def _inside(hit: Hit, spans: list[tuple[int, int]]) -> bool:
    """Whether one of the sorted spans holds the hit."""
    low, high = bisect.bisect_left(spans, (hit.start - MAX_WORD, 0)), bisect.bisect_left(spans, (hit.start + 1, 0))
    return any(hit.end <= end for _, end in spans[low:high])
