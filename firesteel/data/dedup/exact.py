"""Exact duplicates of documents, paragraphs and lines: of what is the same, the first in reading order stays.

Every block has sorted arrays of keys; a task takes one range of keys from all of them, so memory holds one range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xxhash

PARAGRAPH_BYTES, LINE_BYTES = 100, 30  # UTF-8; shorter ones may come again
LINE = 1 << 31  # set in the number of a line, clear in that of a paragraph


def repeats(entries: np.ndarray, keys: Sequence[str], order: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which entries (structured [E]) repeat an earlier one: indices of the repeats and of the firsts they repeat.

    Entries are the same if they agree in the fields `keys`; `order` are the fields that say which comes first.
    """
    sort = np.lexsort([entries[name] for name in (*reversed(order), *reversed(keys))])
    ordered = entries[sort]
    same = np.ones(max(0, len(ordered) - 1), dtype=bool)
    for name in keys:
        same &= ordered[name][1:] == ordered[name][:-1]
    group = np.concatenate([[0], np.cumsum(~same)]) if len(ordered) else np.empty(0, dtype=np.int64)
    firsts = np.flatnonzero(np.concatenate([[True], ~same])) if len(ordered) else group
    again = np.flatnonzero(same) + 1
    return sort[again], sort[firsts[group[again]]]


class Unit(NamedTuple):
    """A paragraph or line: the hash of its text, its number, where it begins, and how long it is."""

    key: int
    number: int  # of the paragraph, or LINE | that of the line
    start: int
    chars: int  # with the break behind it


def units_of(text: str, paragraphs: bool, lines: bool) -> list[Unit]:
    """The paragraphs and lines of a text that are long enough to be compared.

    A paragraph stands between blank lines; in a text without them every line is one.
    """
    separator = "\n\n" if "\n\n" in text else "\n"
    out = []
    for wanted, by, least, mark in ((paragraphs, separator, PARAGRAPH_BYTES, 0), (lines, "\n", LINE_BYTES, LINE)):
        start = 0
        for i, unit in enumerate(text.split(by) if wanted else ()):
            if len(raw := unit.strip().encode("utf-8", "surrogatepass")) >= least:
                out.append(Unit(xxhash.xxh3_64_intdigest(raw, seed=mark), i | mark, start, len(unit) + len(by)))
            start += len(unit) + len(by)
    return out


def without_units(text: str, numbers: set[int]) -> str:
    """The text without the numbered paragraphs and lines of `units_of`."""
    drop = {n for n in numbers if not n & LINE}
    gone = {n & ~LINE for n in numbers if n & LINE}
    separator = "\n\n" if "\n\n" in text else "\n"
    if not gone:
        return separator.join(p for i, p in enumerate(text.split(separator)) if i not in drop).strip("\n")
    kept, line = [], 0
    for i, paragraph in enumerate(text.split(separator)):
        inner = paragraph.split("\n")
        if i not in drop:
            left = [one for k, one in enumerate(inner, line) if k not in gone]
            if left or not any(inner):
                kept.append("\n".join(left))
        line += len(inner) + len(separator) - 1
    return separator.join(kept).strip("\n")
