"""White space and repetition: what typesetting and PDF extraction leave between and around characters."""

from __future__ import annotations

import re

from firesteel.data.han import HAN

# No-break, en and em spaces too, as web pages indent with; not before Latin letters, which may be program text.
_INDENT = re.compile(
    rf"^(?:\u3000+|[ \t]{{0,40}}[\xa0\u2000-\u200a\u3000][ \t\xa0\u2000-\u200a\u3000]{{0,80}}(?=[0-9(（“‘《「『【〔①-⑳{HAN}]))",
    re.M,
)
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_BLANK = re.compile(r"\n{3,}")
_CJK = f"{HAN}、。〈〉《》「」『』【】〔〕“”，！？：；（）"
_SPACED = re.compile(f" [{_CJK}] [{_CJK}] [{_CJK}]")  # begins with a literal: the scan is fast
_LONE_SPACE = re.compile(f" (?<=[{_CJK}] )(?=[{_CJK}])")
_TIGHT = re.compile(f"[{HAN}](?=[{HAN}])")
# Series that are set with spaces on purpose.
_SERIES = frozenset(
    "一二三四五六七八九十甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥东南西北东西上下左右春夏秋冬金木水火土日月年是否有无男女"
)

# Mark -> longest run that stays, and what a longer one becomes. Dots of an ellipsis come in sixes or threes.
_RUNS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("!?，！？。、；：~～", re.compile(r"([!?，！？。、；：~～])\1{3,}"), r"\1\1\1"),
    ("…", re.compile(r"…{7,}"), "……"),
    ("—", re.compile(r"—{5,}"), "——"),
    ("·", re.compile(r"·{7,}"), "······"),
    (".", re.compile(r"\.{7,}"), "......"),
    ("-=_", re.compile(r"(?<![A-Za-z+|:\-=_])([-=_])\1{3,}(?![A-Za-z+|:\-=_])"), r"\1\1\1"),
    ("*", re.compile(r"\*{9,}"), "***"),
)
_FOUR = tuple(mark * 4 for marks, _, _ in _RUNS for mark in marks)
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.M)


def drop_indents(text: str) -> tuple[str, int]:
    """The text without full-width or no-break spaces at the beginning of lines, and in how many lines they were."""
    return _INDENT.subn("", text)


def plain_spaces(text: str) -> tuple[str, int]:
    """The text with every kind of space as the ASCII one, and how many changed."""
    return _SPACES.subn(" ", text)


def close_up(text: str) -> tuple[str, int]:
    """The text without single spaces between Han in lines where nearly all Han have one, and how many went."""
    if not _SPACED.search(text):
        return text, 0
    lines, total = text.split("\n"), 0
    for i, line in enumerate(lines):
        gaps = len(_LONE_SPACE.findall(line))
        if (
            gaps >= 3
            and gaps >= 4 * len(_TIGHT.findall(line))
            and not _SERIES.issuperset(re.sub(f"[^{HAN}]", "", line))
        ):
            lines[i], n = _LONE_SPACE.subn("", line)
            total += n
    return "\n".join(lines), total


def shorten_runs(text: str) -> tuple[str, int]:
    """The text with long runs of one punctuation mark cut short, and how many were; fenced code stays."""
    if not any(run in text for run in _FOUR):  # three times as fast as a pattern
        return text, 0
    if not _FENCE.search(text):
        return _shorten(text)
    parts, total, code = text.split("\n"), 0, False
    for i, line in enumerate(parts):
        if _FENCE.match(line):
            code = not code
        elif not code:
            parts[i], n = _shorten(line)
            total += n
    return "\n".join(parts), total


def _shorten(text: str) -> tuple[str, int]:
    total = 0
    for marks, pattern, short in _RUNS:
        if any(mark * 4 in text for mark in marks):
            text, n = pattern.subn(short, text)
            total += n
    return text, total


def tidy(text: str) -> tuple[str, int]:
    """The text without spaces at line ends, with at most one blank line, none at the edges; how many places changed."""
    total = 0
    if " \n" in text or "\t\n" in text:
        lines = text.split("\n")
        stripped = [line.rstrip(" \t") for line in lines]
        total = sum(a != b for a, b in zip(lines, stripped, strict=True))
        text = "\n".join(stripped)
    if "\n\n\n" in text:
        text, n = _BLANK.subn("\n\n", text)
        total += n
    return text.strip("\n \t"), total
