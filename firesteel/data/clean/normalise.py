"""Text -> clean text, Chinese first: a table of rules, each of which says how much it changed.

Full-width letters and digits become ASCII, but Chinese punctuation stays (no NFKC: it would fold ， ！ ① ㎡). The
rules run until nothing changes, so normalising twice is normalising once.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from firesteel.data.clean.annotations import drop_readings, drop_ruby
from firesteel.data.clean.mojibake import drop_lost, repair
from firesteel.data.clean.simplify import KEPT_LANGUAGES, to_simplified
from firesteel.data.han import HAN

Change = Callable[[str], tuple[str, int]]
ROUNDS = 8  # more than any text needed in a search with random input; a guard against a cycle

_BREAKS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# C0 and C1 without \t \n, soft hyphen, zero-width space and BOM, bidi controls, word joiner, fillers, interlinear
# marks, tags, lone surrogates and noncharacters. Zero-width (non-)joiners stay: emoji and Indic scripts need them.
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
)
_INDENT = re.compile(r"^\u3000+", re.M)
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_WIDE = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
_WIDE_TABLE = {c: c - 0xFEE0 for c in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_MARKS = "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff5e"  # full-width ASCII symbols
_WIDE_MARKS = re.compile(f"[{_MARKS}]")
_CJK = re.compile(f"[{HAN}\u3040-\u30ff\uac00-\ud7a3、。「」『』《》〈〉【】〔〕]")
_OPERATORS = re.compile("(?<=[0-9A-Za-z%)])[＋－／％＝＠＿＆＃＊．～](?=[0-9A-Za-z(])|(?<=[0-9])％")
_TRAILING = re.compile(r"[ \t]+\n")
_BLANK = re.compile(r"\n{3,}")


def _substitute(pattern: re.Pattern[str], by: str) -> Change:
    return lambda text: pattern.subn(by, text)


def _widths(text: str) -> tuple[str, int]:
    n = len(_WIDE.findall(text))
    return (text.translate(_WIDE_TABLE), n) if n else (text, 0)


def _wide_marks(text: str) -> tuple[str, int]:
    """Full-width symbols to ASCII in lines without CJK text; in others only operators between Latin or digits."""
    if not _WIDE_MARKS.search(text):
        return text, 0
    text, total = _narrow(_OPERATORS, text)
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if not _CJK.search(line) and _WIDE_MARKS.search(line):
            lines[i], n = _narrow(_WIDE_MARKS, line)
            total += n
    return "\n".join(lines), total


def _narrow(pattern: re.Pattern[str], text: str) -> tuple[str, int]:
    return pattern.subn(lambda m: chr(ord(m.group()) - 0xFEE0), text)


def _compose(text: str) -> tuple[str, int]:
    return (text, 0) if unicodedata.is_normalized("NFC", text) else (unicodedata.normalize("NFC", text), 1)


def _tidy(text: str) -> tuple[str, int]:
    """No spaces at line ends, at most one blank line, none at the edges."""
    total = 0
    if " \n" in text or "\t\n" in text:
        text, total = _TRAILING.subn("\n", text)
    if "\n\n\n" in text:
        text, n = _BLANK.subn("\n\n", text)
        total += n
    return text.strip("\n \t"), total


@dataclass(frozen=True)
class Rule:
    """A named change of the text; `ascii` says whether it has work in a text of ASCII alone."""

    name: str
    run: Change
    ascii: bool = False


TRADITIONAL = "traditional to simplified"
RULES: tuple[Rule, ...] = (  # in order; mojibake before controls, for C1 codes are evidence of it
    Rule("line breaks", _substitute(_BREAKS, "\n"), ascii=True),
    Rule("wrong encoding repaired", repair),
    Rule("unrecoverable lines dropped", drop_lost),
    Rule("control characters", _substitute(_CONTROLS, ""), ascii=True),
    Rule("paragraph indents", _substitute(_INDENT, "")),
    Rule("spaces", _substitute(_SPACES, " ")),
    Rule("full-width letters and digits", _widths),
    Rule("full-width symbols", _wide_marks),
    Rule("ruby", drop_ruby, ascii=True),
    Rule("readings", drop_readings),
    Rule(TRADITIONAL, to_simplified),
    Rule("composed form", _compose),
    Rule("white space", _tidy, ascii=True),
)


def normalise(text: str, lang: str = "", *, simplify: bool = True) -> tuple[str, Counter[str]]:
    """The clean text, and how many changes each rule made (characters, lines or places).

    With `simplify`, traditional Chinese becomes simplified unless `lang` is zh-TW, zh-HK, lzh or the like.
    """
    keep = not simplify or lang.lower() in KEPT_LANGUAGES
    changes: Counter[str] = Counter()
    for _ in range(ROUNDS):
        before = text
        for rule in RULES:
            if (rule.ascii or not text.isascii()) and not (keep and rule.name == TRADITIONAL):
                text, n = rule.run(text)
                if n:
                    changes[rule.name] += n
        if text == before:
            break
    return text, changes
