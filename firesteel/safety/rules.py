"""Sentence rules: what the words found in one sentence amount to.

如何 制作 炸弹            how + act + good                        stopped
制作炸弹 会判几年          act + good + safe; nobody asks how       passes
如何 防止 有人制作炸弹     how + SAFE + act + good                  passes: the question governs the safe word
预防犯罪，教我 制作炸弹     safe + request + act + good              stopped: the question governs the deed
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firesteel.safety.lexicon import Entry

NEAR = 24  # original characters between a deed and its object


class Hit(NamedTuple):
    """An entry found in a text: original characters [start, end), in sentence number `sentence`."""

    entry: Entry
    start: int
    end: int
    sentence: int


@dataclass(frozen=True)
class Finding:
    """Why a text is stopped: the category, and the words that did it."""

    category: str
    words: tuple[str, ...]


Deed = tuple[Hit, ...]  # the hits that together would be stopped


def judge(hits: list[Hit], before: list[Hit]) -> list[Finding]:
    """At most one finding per category for the hits of one sentence; `before`: the hits of the sentence before it."""
    of: dict[tuple[str, str], list[Hit]] = defaultdict(list)
    for hit in hits:
        of[hit.entry.role, hit.entry.category].append(hit)
    requests = sorted([*of["request", ""], *_asking(before, "request")], key=_start)
    asks = sorted([*requests, *of["how", ""], *_asking(before, "how")], key=_start)
    found = []
    for category in sorted({h.entry.category for h in hits} - {""}):
        if of["context", category]:
            continue
        safe = sorted([*of["safe", ""], *of["safe", category]], key=_start)
        things = [*of["goods", category], *of["objects", category]]
        deeds = [(deed, asks) for deed in _pairs(things, of["acts", category])] if asks else []
        deeds += [((deed,), asks) for deed in of["deeds", category]] if asks else []
        deeds += [(deed, asks) for deed in _pairs(of["goods", category], of["makes", ""])] if asks else []
        deeds += [((good,), requests) for good in of["goods", category]] if requests else []
        deeds += [(deed, []) for deed in _pairs(of["objects", category], of["claims", category])]
        deeds += [((phrase,), []) for phrase in of["phrases", category]]
        stopped = next((deed for deed, by in deeds if not _excused(deed, by, safe)), None)
        if stopped:
            found.append(Finding(category, tuple(h.entry.word for h in stopped)))
    return found


def _pairs(things: list[Hit], others: list[Hit]) -> Iterator[Deed]:
    """Every thing with every other word near it and not overlapping it."""
    others = sorted(others, key=_start)
    for thing in things:
        at = bisect.bisect_left(others, thing.start - 2 * NEAR, key=_start)
        for other in others[at:]:
            if other.start > thing.end + NEAR:
                break
            if other.start >= thing.end or thing.start >= other.end >= thing.start - NEAR:
                yield thing, other


def _excused(deed: Deed, asks: list[Hit], safe: list[Hit]) -> bool:
    """Whether a safe word governs the deed.

    A question before the deed's end is about what follows it, so the safe word must stand between the two; only the
    last such question matters, for an earlier one has the same safe words behind it. A question after the deed, or
    none, is about the sentence: any safe word in it will do.
    """
    if not safe:
        return False
    first, last = min(h.start for h in deed), max(h.end for h in deed)
    earlier = bisect.bisect_left(asks, last, key=_start)
    if earlier:
        after = bisect.bisect_left(safe, asks[earlier - 1].start, key=_start)
        return after < len(safe) and safe[after].start < last
    return safe[0].start < first or safe[-1].start >= last


def _asking(hits: list[Hit], role: str) -> list[Hit]:
    return [h for h in hits if h.entry.role == role]


def _start(hit: Hit) -> int:
    return hit.start
