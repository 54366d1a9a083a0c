"""One look at a text: which detectors can find anything in it at all. Most short texts hold nothing, and cost this alone.

A detector may look where one of its words stands, or its pattern matches (`Detector.needs`). The words are found by two
automata, so that text without Chinese is not held against Chinese words: an automaton is slower the more ways it begins.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from firesteel.core.pii_names import tables
from firesteel.core.pii_names_table import LATIN_HEADS
from firesteel.core.pii_online import CUED, ONLINE, SECRETS
from firesteel.core.pii_rules import DETECTORS, NUMBER, Detector

ALL: tuple[Detector, ...] = (*SECRETS, *ONLINE[:4], *CUED, *DETECTORS, *ONLINE[4:])  # what is claimed first
NUMBERED = frozenset(i for i, d in enumerate(ALL) if d.needs is NUMBER)  # places in ALL
_ENGLISH, _TABLE = -1, -2  # beside the places in ALL: an English cue of a name, a Latin heading of a table
_NOT_PLACES = frozenset((_ENGLISH, _TABLE))
_HAN = re.compile("[\u4e00-\u9fff]")
_DIGIT = re.compile("[0-9]")


class Look(NamedTuple):
    """What a text holds: the places in ALL of the detectors worth trying (those of numbers apart), and more."""

    detectors: set[int]
    digit: int  # where the first digit 0-9 stands, -1 without one
    chinese: bool
    english: bool  # an English cue of a name, perhaps in other case
    table: bool  # a Latin heading of a table with names

    @property
    def nothing(self) -> bool:
        """Whether nothing can be found at all."""
        return not (self.detectors or self.digit >= 0 or self.chinese or self.english or self.table)


def look(text: str) -> Look:
    """Look at a text without full-width digits and letters."""
    latin, start, han, gates = _plan()
    places: set[int] = set()
    lowered = text
    if first := start.search(text):
        lowered = text.lower()
        for _, some in latin.iter(lowered, first.start()):
            places.update(some)
    chinese = not text.isascii() and _HAN.search(text) is not None
    if chinese:
        for _, some in han.iter(lowered):
            places.update(some)
    number = _DIGIT.search(text)
    digits = number is not None
    for char, needs_digits, needs_chinese, search, some in gates:
        if char in text and digits >= needs_digits and chinese >= needs_chinese and search(text):
            places.update(some)
    english, table = _ENGLISH in places, _TABLE in places
    places -= _NOT_PLACES
    return Look(places, number.start() if number else -1, chinese, english, table)


class _Plan(NamedTuple):
    """Automata of lower-case words without Chinese and with it, how the former may begin in any case, and patterns."""

    latin: Any
    start: re.Pattern[str]
    han: Any
    gates: tuple[tuple[str, bool, bool, Callable[[str], object], tuple[int, ...]], ...]


@functools.cache
def _plan() -> _Plan:
    words: dict[str, list[int]] = {}
    gates: dict[tuple[str, bool, bool, re.Pattern[str]], list[int]] = {}
    for place, d in enumerate(ALL):
        if isinstance(d.needs, tuple):
            for word in d.needs:
                words.setdefault(word, []).append(place)
        elif d.needs is not NUMBER:
            gates.setdefault((d.char, d.digits, d.chinese, d.needs), []).append(place)
    for more, place in ((tables().english, _ENGLISH), (LATIN_HEADS, _TABLE)):
        for word in more:
            words.setdefault(word.lower(), []).append(place)
    latin = {word: places for word, places in words.items() if not _HAN.search(word)}
    begins = {word[0] for word in latin}
    begins |= {char.upper() for char in begins} | {"\u212a", "\u0130"}  # a Kelvin sign and a dotted I become k and i
    return _Plan(
        _automaton(latin), re.compile("[" + re.escape("".join(sorted(begins))) + "]"),
        _automaton({word: words[word] for word in words.keys() - latin.keys()}),
        tuple((*gate[:3], gate[3].search, tuple(places)) for gate, places in gates.items()),
    )  # fmt: skip


def _automaton(words: dict[str, list[int]]) -> Any:
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for word, places in words.items():
        automaton.add_word(word, tuple(places))
    automaton.make_automaton()
    return automaton
