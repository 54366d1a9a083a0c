"""Rules that take lines away, or a document for one line in it, as datatrove 0.10.1 computes C4's.

Lines are tried from the top, and on each line the rules in their order; a line that stays loses the white space at its
ends. Text is only touched where such a rule is in force.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from firesteel.data.filters.rules import Rule

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
LineTest = Callable[[str, str, Rule], bool]  # (line before any rule, line now, rule): whether it goes


def _long_word(whole: str, line: str, rule: Rule) -> bool:
    return len(whole) > rule.n and any(len(word) > rule.n for word in whole.split())


def _no_mark(whole: str, line: str, rule: Rule) -> bool:
    return not line.endswith(rule.of) or line.endswith("...")


def _few_words(whole: str, line: str, rule: Rule) -> bool:
    return len(whole.split(None, rule.n)) < rule.n


def _phrase(whole: str, line: str, rule: Rule) -> bool:
    lower = line.lower()
    return any(phrase in lower for phrase in rule.of)


LINE_TESTS: dict[str, LineTest] = {
    "longest word": _long_word,
    "no terminal mark": _no_mark,
    "fewer words than": _few_words,
    "holds phrase": _phrase,
}
LINE_EDITS: dict[str, Callable[[str], str]] = {"citations cut": lambda line: _CITATION.sub("", line)}
LINE_STATISTICS = frozenset(LINE_TESTS) | frozenset(LINE_EDITS)


def trim(text: str, rules: Sequence[Rule]) -> tuple[str, str, Counter[str]]:
    """The text after line rules, the rule that drops the whole document ("": none), lines dropped by rule."""
    kept: list[str] = []
    dropped: Counter[str] = Counter()
    rules = [rule for rule in rules if len(text) >= rule.from_chars and _may(rule, text)]
    for whole in (line.strip() for line in text.splitlines()):
        line, broken = _line(whole, rules)
        if broken is None:
            kept.append(line)
        elif broken.drops == "document":
            return text, broken.name, dropped
        else:
            dropped[broken.name] += 1
    return "\n".join(kept).strip(), "", dropped


def _line(line: str, rules: Sequence[Rule]) -> tuple[str, Rule | None]:
    """The line after edits, and the first rule that it breaks."""
    whole = line
    for rule in rules:
        if rule.statistic in LINE_EDITS:
            line = LINE_EDITS[rule.statistic](line)
        elif LINE_TESTS[rule.statistic](whole, line, rule):
            return line, rule
    return line, None


def _may(rule: Rule, text: str) -> bool:
    """Whether a rule about phrases can find any; the others always may."""
    if rule.statistic == "citations cut":
        return "[" in text
    if rule.statistic != "holds phrase":
        return True
    lower = text.lower()
    return any(phrase in lower for phrase in rule.of)
