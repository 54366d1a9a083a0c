"""Text -> clean text, Chinese first: a table of rules, each of which says how much it changed.

One look at the text (`signs_of`) tells which rules can have work at all. The rules run until nothing changes, so
normalising twice is normalising once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from firesteel.data.clean.annotations import drop_readings, drop_ruby
from firesteel.data.clean.characters import compose, decode_entities, drop_controls, unify
from firesteel.data.clean.debris import drop_lost
from firesteel.data.clean.layout import close_up, drop_indents, plain_spaces, shorten_runs, tidy
from firesteel.data.clean.mojibake import repair
from firesteel.data.clean.scripts import CLASSICAL, QUOTED
from firesteel.data.clean.scripts import simplify as simplified
from firesteel.data.clean.signs import bit, signs_of
from firesteel.data.clean.simplify import keeps_script
from firesteel.data.clean.widths import narrow_letters, narrow_marks

Change = Callable[[str], tuple[str, int]]
ROUNDS = 8  # more than any text needed in a search with random input; a guard against a cycle
RARE = 2  # rare Han characters that make a text worth a look for the wrong encoding
MANY_RARE = 1 << 31  # the sign of that
KEPT = (CLASSICAL, QUOTED)  # counters of what was not changed

# U+0085 beside Latin-1 characters is no line break but the middle or end of a UTF-8 sequence: å\x85¬ was 公.
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\u2028\u2029]|(?<![\x80-\xff]{2})\x85(?<![\x80-\xff]\x85(?=[\x80-\xff]))")


def _breaks(text: str) -> tuple[str, int]:
    return _BREAKS.subn("\n", text)


def _simplified(text: str) -> tuple[str, int]:
    script = simplified(text)
    return script.text, script.changed


@dataclass(frozen=True)
class Rule:
    """A named change of the text; it has work only in a text with a sign out of each of `needs` (see signs.CLASSES)."""

    name: str
    run: Change
    needs: tuple[tuple[str, ...], ...] = ()


TRADITIONAL = "traditional to simplified"
RULES: tuple[Rule, ...] = (  # in order; mojibake before controls and spaces, for C1 codes and U+A0 are evidence of it
    Rule("line breaks", _breaks, (("break",),)),
    Rule("wrong encoding repaired", repair, (("suspect", "latin", "many rare"),)),
    Rule("entities", decode_entities, (("ampersand",),)),
    Rule("unrecoverable lines dropped", drop_lost, (("lost", "latin"),)),
    Rule("control characters", drop_controls, (("control", "astral"),)),
    Rule("radicals", unify, (("radical",),)),
    Rule("paragraph indents", drop_indents, (("odd space",),)),
    Rule("spaces", plain_spaces, (("odd space",),)),
    Rule("full-width symbols", narrow_marks, (("wide mark",), ("letter", "wide letter", "rare mark"))),
    Rule("full-width letters and digits", narrow_letters, (("wide letter",),)),
    Rule("ruby", drop_ruby, (("angle",),)),
    Rule("readings", drop_readings, (("reading",), ("han",))),
    Rule(TRADITIONAL, _simplified, (("traditional",),)),
    Rule("composed form", compose, (("foreign",),)),
    Rule("spaces inside words", close_up, (("space",), ("han",))),
    Rule("repeated marks", shorten_runs, (("mark",),)),
    Rule("white space", tidy),
)


def normalise(text: str, lang: str = "", *, simplify: bool = True, classical: bool = False) -> tuple[str, Counter[str]]:
    """The clean text, and how many changes each rule made (characters, lines or places).

    With `simplify`, traditional Chinese becomes simplified unless `lang` is zh-TW, zh-HK, lzh or the like, or
    `classical` says that the text is; classical text and quotations that were kept are counted under `KEPT`.
    """
    keep = not simplify or classical or keeps_script(lang)
    changes: Counter[str] = Counter()
    for _ in range(ROUNDS):
        before = text
        text, signs = _round(text, keep, changes)
        if text == before:
            break
    if signs & bit("traditional"):
        known = classical or lang.lower() == "lzh"
        changes.update({CLASSICAL: 1} if known else {} if keep else simplified(text).kept)
    return text, changes


def _round(text: str, keep: bool, changes: Counter[str]) -> tuple[str, int]:
    signs, done = _look(text), 0
    while work := _work(signs, keep, done):
        for i in work:
            old, done = text, i + 1
            text, n = RULES[i].run(text)
            if n:
                changes[RULES[i].name] += n
            if text != old:
                signs = _look(text)
                break
        else:
            break
    return text, signs


@lru_cache(1 << 14)
def _work(signs: int, keep: bool, done: int) -> tuple[int, ...]:
    """The rules after the first `done` that have work in a text with these signs."""
    return tuple(
        i
        for i, (rule, needs) in enumerate(zip(RULES, _needs(), strict=True))
        if i >= done and all(signs & any_ for any_ in needs) and not (keep and rule.name == TRADITIONAL)
    )


def _look(text: str) -> int:
    signs, rare = signs_of(text)
    return signs | (MANY_RARE if rare >= RARE else 0)


@cache
def _needs() -> tuple[tuple[int, ...], ...]:
    """Per rule, the masks of which the signs must share a bit with each."""
    bits = {"many rare": MANY_RARE}
    return tuple(tuple(sum(bits.get(n) or bit(n) for n in names) for names in rule.needs) for rule in RULES)
