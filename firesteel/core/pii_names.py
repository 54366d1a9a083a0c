"""Names of persons, where the words around them tell: a cue before (姓名：, 原告, Mr) or a title after (先生, 教授).

Precision first. A Chinese name is a surname and one or two characters; a form's label with a colon vouches for any of
them, a cue in running text only for characters that are common in names, and the segmenter must not see an ordinary
word there. A bare name is left alone, unless a cue confirmed it elsewhere in the same text. A surname with a title (王
先生) is no full name and stays. Whether a person is a public figure cannot be decided here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from firesteel.core.pii_names_english import english_names
from firesteel.core.pii_names_table import table_names

_HAN = "\u4e00-\u9fff"
# Between a cue and its name: (a colon, brackets: a form) or (a verb or nothing: running text).
_FORM = re.compile(r"(?:[（(][^（()）\n]{1,8}[）)])?[ \u3000]{0,2}[:：][ \u3000\t]{0,4}|[ \u3000]?\|[ \u3000]?|\t")
_RUN = re.compile(r"[ \u3000]{0,2}(?:是|为|叫|系)?[ “\"「]?")
_MORE = re.compile(r"[、,，/ ]{1,2}|(?:和|与|及|以及)")
_FOREIGN = re.compile(rf"[{_HAN}]{{2,8}}(?:[·•‧][{_HAN}]{{1,8}}){{1,3}}")  # 阿依古丽·买买提
_NEXT_LEFT = re.compile(rf"(?:(?<=[^{_HAN}])|\A)(?P<v>[{_HAN}]{{2,4}})[ \t,，|:：;；(（]{{1,3}}\Z")
_NEXT_RIGHT = re.compile(rf"[ \t,，|;；)）]{{1,3}}(?P<v>[{_HAN}]{{2,4}})(?![{_HAN}])")
_SPACED = re.compile(rf"[{_HAN}][ \u3000]{{1,3}}[{_HAN}](?![{_HAN}])")
_RUN_OF_HAN = re.compile(rf"[{_HAN}]{{1,4}}(?![{_HAN}])")
# What may follow a name of two characters in a sentence, and what ends one of three.
_AFTER = frozenset("的在因于是为说称诉与和及及其向对将把被有已到来去从由以经就也都又还不没未任系同主等")
_BEFORE = frozenset("请由和与及被让向找跟给对是为任聘经到从问叫把将")
_NOT_ENDING = _AFTER - frozenset("来和同有经")


@dataclass(frozen=True)
class _Words:
    """The tables of `pii_names.txt`, and the automaton of its Chinese cues: each yields (modes, length)."""

    common: frozenset[str]
    surnames: frozenset[str]
    compound: frozenset[str]
    verbs: frozenset[str]
    starts: frozenset[str]
    given: frozenset[str]
    stop: frozenset[str]
    english: tuple[str, ...]
    automaton: Any


@functools.cache
def tables() -> _Words:
    """The tables, read once."""
    import ahocorasick

    file = (resources.files("firesteel.core") / "pii_names.txt").read_text(encoding="utf-8")
    table = dict(line.split("\t", 1) for line in file.splitlines() if line and not line.startswith("#"))
    modes: dict[str, str] = {}
    for mode in ("label", "speech", "title", "beside"):
        for word in table[mode].split(" "):
            modes[word] = modes.get(word, "") + mode[0]
    automaton = ahocorasick.Automaton()
    for word, mode in modes.items():
        automaton.add_word(word, (mode, len(word)))
    automaton.make_automaton()
    common = frozenset(table["common"]) | frozenset(table["traditional"])
    surnames, compound = common | frozenset(table["other"]), frozenset(table["compound"].split())
    starts = surnames | {word[0] for word in compound} | frozenset("是为叫系和与及")
    return _Words(
        common, surnames, compound, frozenset(table["verbs"]), starts, frozenset(table["given"]),
        frozenset(table["stop"].split()), tuple(table["english"].split(";")), automaton,
    )  # fmt: skip


def names_in(
    text: str, numbers: Iterable[tuple[int, int]], *, chinese: bool, english: bool, table: bool, known: Iterable[str]
) -> Iterator[tuple[int, int]]:
    """(start, end) of each name of a person that a cue, a title or a table's heading confirms, wherever it stands.

    `numbers` are the places of persons' numbers in `text`: a name may stand beside one. `chinese`, `english` and `table`
    say whether there is Chinese, an English cue and a Latin heading, `known` are names to find wherever they stand.
    """
    words = tables()
    spans: set[tuple[int, int]] = set()
    for end, (mode, length) in words.automaton.iter(text) if chinese else ():
        table |= mode[0] == "l"  # the Chinese headings are labels, too
        if mode[0] in "ls" and _worth(text, end + 1, words):
            spans.update(_after_cue(text, end + 1, words, speech=mode == "s"))
        if (
            mode[-1] in "tb"
            and text[end - length : end - length + 1] in words.given
            and (span := _before_title(text, end + 1 - length, words))
        ):
            spans.add(span)
    if table and "\n" in text:
        spans.update(table_names(text, lambda cell: _is_cell(cell, words)))
    spans.update(_beside_numbers(text, numbers))
    if spans or known:
        spans.update(_repeats(text, {text[s:e] for s, e in spans}.union(known)))
    if english and any(cue in text for cue in words.english):
        spans.update(english_names(text))
    yield from sorted(spans, key=lambda span: (span[0], -span[1]))


def _after_cue(text: str, at: int, words: _Words, speech: bool) -> Iterator[tuple[int, int]]:
    form = None if speech else _FORM.match(text, at)
    gap = form or _RUN.match(text, at)
    at = gap.end() if gap else at
    for _ in range(40):  # 参会人员：A、B、C
        end = _form_name(text, at, words) if form else _running_name(text, at, words)
        if end is None:
            return
        yield at, end
        more = _MORE.match(text, end)
        if more is None:
            return
        at = more.end()


def _worth(text: str, at: int, words: _Words) -> bool:
    """Whether a name can follow: a quick look, since most cues are followed by ordinary words."""
    char = text[at : at + 1]
    return not _han(char) or char in words.starts or "·" in text[at : at + 12]


def _surname(text: str, at: int, words: _Words) -> int:
    """Characters of the surname at `at`; 0 if there is none."""
    if text[at : at + 2] in words.compound:
        return 2
    return int(text[at : at + 1] in words.surnames)


def _form_name(text: str, at: int, words: _Words) -> int | None:
    """The end of a name in a form, where what stands beside it is no Chinese."""
    if match := _FOREIGN.match(text, at):
        return match.end()
    size = _surname(text, at, words)
    if not size:
        return None
    if match := _SPACED.match(text, at):
        return match.end()
    match = _RUN_OF_HAN.match(text, at)
    if match and size < len(match[0]) <= size + 2 and match[0] not in words.stop:
        return match.end()
    return _running_name(text, at, words)


def _running_name(text: str, at: int, words: _Words) -> int | None:
    """The end of a name in a sentence; None unless its characters and its segmentation say that it is one."""
    if match := _FOREIGN.match(text, at):
        return match.end()
    size = _surname(text, at, words)
    first, second = (text[at + size + i : at + size + i + 1] for i in range(2))
    if not size or text[at] in words.verbs or first not in words.given or text[at : at + 3] in words.stop:
        return None
    two, three = at + size + 1, at + size + 2
    if (
        second in words.given
        and second not in _NOT_ENDING
        and _closes(text, at, three)
        and not _ordinary(text[at:three], words)
    ):
        return three
    if (not _han(second) or second in _AFTER or _closes(text, at, two)) and not _ordinary(text[at:two], words):
        return two
    return None


def _closes(text: str, at: int, end: int) -> bool:
    """Whether a name from `at` can end at `end`: by what follows, by the words there, by the segmenter."""
    import rjieba

    if not _han(text[end : end + 1]) or text[end] in _AFTER:
        return True
    across, beyond = rjieba.has_word(text[end - 1 : end + 1]), rjieba.has_word(text[end : end + 2])
    return (beyond and not across) or _ends(text, at, end)


def _before_title(text: str, at: int, words: _Words) -> tuple[int, int] | None:
    for size in (4, 3, 2):
        start = at - size
        if start < 0 or (size == 4 and text[start : start + 2] not in words.compound):
            continue
        surname = _surname(text, start, words)
        name, given = text[start:at], text[start + surname : at]
        likely = surname and name[0] not in words.verbs and 1 <= len(given) <= 2 and words.given.issuperset(given)
        if likely and not _ordinary(name, words) and _left(text, start, name):
            return start, at
    return None


def _left(text: str, start: int, name: str) -> bool:
    """Whether the characters up to `start` leave the name alone: it is not the end of a longer word."""
    import rjieba

    left = text[max(0, start - 4) : start]
    if not left or not _han(left[-1]) or left[-1] in _BEFORE:
        return True
    return (rjieba.has_word(left[-2:]) and not rjieba.has_word(left[-1] + name[0])) or _starts(left + name, len(left))


def _ordinary(name: str, words: _Words) -> bool:
    """Whether a candidate is an ordinary word, or begins with one and is not known as a name."""
    import rjieba

    if name in words.stop or not _person(name):
        return True
    return name[:2] in words.stop and (len(name) == 2 or len(rjieba.cut(name)) > 1)


def _beside_numbers(text: str, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(start, end) of names that stand alone next to a person's number: 张三,138..., 张三 110105..."""
    words = tables()
    for start, end in places:
        for match in (_NEXT_LEFT.search(text, max(0, start - 12), start), _NEXT_RIGHT.match(text, end)):
            if match and _alone(match["v"], words):
                yield match.span("v")


def _alone(name: str, words: _Words) -> bool:
    return _is_cell(name, words) and words.given.issuperset(name[1:]) and not _ordinary(name, words)


def _is_cell(cell: str, words: _Words) -> bool:
    return cell not in words.stop and _form_name(cell + "\n", 0, words) == len(cell)


def _repeats(text: str, names: set[str]) -> Iterator[tuple[int, int]]:
    """Every other place of the confirmed names; short ones only where the segmenter parts them from what is around."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for name in names:
        if len(name) > 1 and " " not in name and "\u3000" not in name:
            automaton.add_word(name, len(name))
    automaton.make_automaton()
    for last, length in automaton.iter(text) if len(automaton) else ():
        at, end = last + 1 - length, last + 1
        if length > 2 or (_ends(text, at, end) and _starts(text[max(0, at - 4) : end], min(at, 4))):
            yield at, end


def _han(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff"


@functools.lru_cache(4096)
def _person(name: str) -> bool:
    """Whether the segmenter's dictionary has a candidate as a name, or not at all: an ordinary word is no name."""
    import rjieba

    if not rjieba.has_word(name):
        return True
    tag = str(rjieba.tag(name)[0][1])
    return tag.startswith("nr") or (
        tag == "ns" and len(name) == 3
    )  # 高建国 is a place there; places are in the stop list


def _ends(text: str, at: int, end: int) -> bool:
    """Whether a word ends at `end` when the segmenter reads on from `at`."""
    import rjieba

    place, ends = at, set()
    for word in rjieba.cut(text[at : end + 6]):
        place += len(word)
        ends.add(place)
    return end in ends


def _starts(piece: str, at: int) -> bool:
    """Whether a word starts at `at` of a piece."""
    import rjieba

    place = 0
    for word in rjieba.cut(piece):
        if place == at:
            return True
        place += len(word)
    return place == at
