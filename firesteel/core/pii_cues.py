"""One look at a text: which detectors can find anything in it at all. Most short texts hold nothing, and cost this alone.

A detector may look where one of its words stands, or its pattern matches (`Detector.needs`). The words are found by two
automata, so that text without Chinese is not held against Chinese words: an automaton is slower the more ways it begins.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from firesteel.core.pii_names import tables
from firesteel.core.pii_names_table import LATIN_HEADS
from firesteel.core.pii_online import CUED, ONLINE, SECRETS
from firesteel.core.pii_rules import DETECTORS, NUMBER, Detector

ALL: tuple[Detector, ...] = (*SECRETS, *ONLINE[:4], *CUED, *DETECTORS, *ONLINE[4:])  # what is claimed first
NUMBERED = frozenset(i for i, d in enumerate(ALL) if d.needs is NUMBER)  # places in ALL
_GATED = tuple((i, d, d.needs) for i, d in enumerate(ALL) if isinstance(d.needs, re.Pattern) and d.needs is not NUMBER)
_ENGLISH, _TABLE = -1, -2  # beside the places in ALL: an English cue of a name, a Latin heading of a table
_HAN = re.compile("[\u4e00-\u9fff]")
_DIGIT = re.compile("[0-9]")


@dataclass(frozen=True, slots=True)
class Look:
    """What a text holds: the places in ALL of the detectors worth trying (those of numbers apart), and more."""

    detectors: set[int]
    digit: int  # where the first digit 0-9 stands, -1 without one
    chinese: bool
    english: bool  # an English cue of a name, perhaps in other case
    table: bool  # a Latin heading of a table with names


def look(text: str) -> Look:
    """Look at a text without full-width digits and letters."""
    latin, start, han = _automata()
    lowered = text.lower()
    places: set[int] = set()
    if first := start.search(lowered):
        for _, some in latin.iter(lowered, first.start()):
            places.update(some)
    chinese = not text.isascii() and _HAN.search(text) is not None
    if chinese:
        for _, some in han.iter(lowered):
            places.update(some)
    english, table = _ENGLISH in places, _TABLE in places
    places -= {_ENGLISH, _TABLE}
    number = _DIGIT.search(text)
    places.update(_gated(text, number is not None, chinese))
    return Look(places, number.start() if number else -1, chinese, english, table)


def _gated(text: str, digits: bool, chinese: bool) -> Iterable[int]:
    """Places of the detectors whose pattern in `needs` matches; each pattern is tried once."""
    tried: dict[re.Pattern[str], bool] = {}
    for place, detector, gate in _GATED:
        if detector.char in text and digits >= detector.digits and chinese >= detector.chinese:
            if gate not in tried:
                tried[gate] = gate.search(text) is not None
            if tried[gate]:
                yield place


@functools.cache
def _automata() -> tuple[Any, re.Pattern[str], Any]:
    """The automaton of the lower-case words without Chinese, how they begin, and the automaton of those with Chinese."""
    words: dict[str, list[int]] = {}
    for place, detector in enumerate(ALL):
        for word in detector.needs if isinstance(detector.needs, tuple) else ():
            words.setdefault(word, []).append(place)
    for more, place in ((tables().english, _ENGLISH), (LATIN_HEADS, _TABLE)):
        for word in more:
            words.setdefault(word.lower(), []).append(place)
    latin = {word: places for word, places in words.items() if not _HAN.search(word)}
    begins = re.compile("[" + re.escape("".join(sorted({word[0] for word in latin}))) + "]")
    return _automaton(latin), begins, _automaton({word: words[word] for word in words.keys() - latin.keys()})


def _automaton(words: dict[str, list[int]]) -> Any:
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for word, places in words.items():
        automaton.add_word(word, tuple(places))
    automaton.make_automaton()
    return automaton
