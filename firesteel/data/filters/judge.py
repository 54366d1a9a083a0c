"""Quality rules as tables: a statistic, the range in which it must lie, and the length from which it means anything.

Sources: Gopher (Rae et al. 2021, table A1) for English; FineWeb-2's Mandarin configuration (cmn_Hani) for Chinese.
Those count words; Chinese is counted in characters here, two to a word, so that no segmenter is needed: their n-grams
of n words are our 2n characters, and ratios per word are halved. Their minimum of 50 words is left out: a user's short
notes are documents.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from firesteel.data.han import LATIN, SPACE, classes_of, codes_of, script
from firesteel.data.ngrams import repeated_share, top_share, words_of

STOP_ZH = frozenset("的年在月是和日了于为有被人中他与后也而由於為與後")  # FineWeb-2's list, both scripts
STOP_EN = ("the", "be", "to", "of", "and", "that", "have", "with")  # Gopher's
_BULLET = re.compile(r"^\s*[-*•·●○■□▪▶►‣]")
_ENDS = tuple(".!?\"'”’。！？…；：;:）)")
INFINITE = float("inf")


class View:
    """A text and what the rules ask about it, each computed once and only when asked."""

    def __init__(self, text: str, lang: str = "") -> None:
        self.text = text
        self.codes = codes_of(text)
        self.lang = lang or self._language()

    def _language(self) -> str:
        """By script first; py3langid only for Latin text that does not look English and is long enough to tell."""
        kind = script(self.counts)
        if kind != "latin":
            return kind
        if len(self.words[0]) < 20 or self.english_stop_words >= 2:
            return "en"
        return str(_classify()(self.text[:4000])[0])

    @cached_property
    def classes(self) -> np.ndarray:
        """The class of each character."""
        return classes_of(self.codes)

    @cached_property
    def counts(self) -> np.ndarray:
        """Characters of each class."""
        return np.bincount(self.classes, minlength=8)

    @cached_property
    def ink(self) -> int:
        """Characters that are not white space."""
        return max(1, len(self.text) - int(self.counts[SPACE]))

    @cached_property
    def words(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes and lengths of the words."""
        return words_of(self.text)

    @property
    def english_stop_words(self) -> int:
        """How many different ones of STOP_EN occur."""
        return int((_stop_hashes()[:, None] == self.words[0]).any(axis=1).sum())

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the pieces between white space begin."""
        ink = self.classes != SPACE
        return np.flatnonzero(ink & ~np.concatenate([[False], ink[:-1]]))

    @property
    def word_count(self) -> float:
        """Pieces between white space; where words are not written apart, two characters count as one."""
        return max(1.0, self.ink / 2 if self.by_character else float(len(self.starts)))

    @property
    def lettered(self) -> float:
        """Share of the pieces between white space that hold a letter."""
        if len(self.starts) == 0:
            return 0.0
        return float((np.add.reduceat((self.classes >= LATIN).astype(np.int32), self.starts) > 0).mean())

    @cached_property
    def lines(self) -> list[str]:
        """Lines that are not blank."""
        return [line for line in self.text.split("\n") if line.strip()]

    @property
    def by_character(self) -> bool:
        """Whether n-grams are counted in characters."""
        return self.lang in ("zh", "ja")

    @cached_property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """What n-grams are made of, uint64 [N], with the length of each in characters."""
        if self.by_character:
            codes = self.codes[self.codes > 32]
            return codes.astype(np.uint64), np.ones(len(codes), dtype=np.int64)
        return self.words

    @cached_property
    def duplicate_lines(self) -> tuple[float, float]:
        """Lines that an earlier line equals: share of the lines, share of the characters."""
        if len(set(self.lines)) == len(self.lines):
            return 0.0, 0.0
        again = Counter(self.lines)
        extra = [(line, n - 1) for line, n in again.items() if n > 1]
        chars = sum(len(line) * n for line, n in extra) / sum(map(len, self.lines))
        return sum(n for _, n in extra) / len(self.lines), chars


@cache
def _stop_hashes() -> np.ndarray:
    return words_of(" ".join(STOP_EN))[0]


@cache
def _classify() -> Callable[[str], tuple[str, float]]:
    import py3langid

    classify: Callable[[str], tuple[str, float]] = py3langid.classify
    return classify


def _repeated(view: View, n: int) -> float:
    return repeated_share(*view.units, n)


def _top(view: View, n: int) -> float:
    return top_share(*view.units, n)


def _share_of_lines(view: View, test: Callable[[str], object]) -> float:
    return sum(1 for line in view.lines if test(line)) / max(1, len(view.lines))


def _ellipses(view: View) -> int:
    return view.text.count("...") + view.text.count("…") - view.text.count("……") + view.text.count("。。。")


STATISTICS: dict[str, Callable[[View, int], float]] = {
    "characters": lambda v, _: float(len(v.text)),
    "letters": lambda v, _: float(v.counts[LATIN:].sum() / v.ink),
    "words with a letter": lambda v, _: v.lettered,
    "mean word length": lambda v, _: float(v.words[1].sum() / max(1, len(v.words[1]))),
    "hashes per word": lambda v, _: v.text.count("#") / v.word_count,
    "ellipses per word": lambda v, _: _ellipses(v) / v.word_count,
    "bullet lines": lambda v, _: _share_of_lines(v, _BULLET.match),
    "lines ending in an ellipsis": lambda v, _: _share_of_lines(v, lambda s: s.endswith(("...", "…"))),
    "lines ending in punctuation": lambda v, _: _share_of_lines(v, lambda s: s.rstrip().endswith(_ENDS)),
    "lines per word": lambda v, _: v.text.count("\n") / v.word_count,
    "duplicate lines": lambda v, _: v.duplicate_lines[0],
    "characters in duplicate lines": lambda v, _: v.duplicate_lines[1],
    "stop words": lambda v, _: float(
        sum(1 for c in STOP_ZH if c in v.text) if v.lang == "zh" else v.english_stop_words
    ),
    "top n-gram": _top,
    "repeated n-grams": _repeated,
}


@dataclass(frozen=True)
class Rule:
    """`low <= statistic <= high` in texts of at least `chars` characters and `lines` lines; `n`: an n-gram's length."""

    statistic: str
    low: float = 0.0
    high: float = INFINITE
    chars: int = 0
    lines: int = 0
    n: int = 0

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.statistic}, n={self.n}" if self.n else self.statistic


def _grams(
    statistic: str, chars: int, highs: Mapping[int, float], *, scale: int = 1, slack: float = 1.0
) -> tuple[Rule, ...]:
    return tuple(Rule(statistic, high=round(high * slack, 3), chars=chars, n=n * scale) for n, high in highs.items())


_GOPHER_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_GOPHER_REPEATED = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
_MANDARIN_TOP = {2: 0.256, 3: 0.201, 4: 0.171}
_MANDARIN_REPEATED = {5: 0.198, 6: 0.182, 7: 0.167, 8: 0.154, 9: 0.140, 10: 0.127}
# A form's or a table's digits, one by one, weigh more than as words: 0.735 of the words with a letter became 0.4 of
# the characters.
_LETTERS = Rule("letters", low=0.4, chars=20)
_SYMBOLS = (
    Rule("hashes per word", high=0.1, chars=100), Rule("ellipses per word", high=0.1, chars=200),
    Rule("bullet lines", high=0.9, chars=400, lines=10),
    Rule("lines ending in an ellipsis", high=0.3, chars=400, lines=5),
)  # fmt: skip

RULES: dict[str, tuple[Rule, ...]] = {
    "zh": (
        _LETTERS, *_SYMBOLS,
        Rule("stop words", low=2, chars=200),
        Rule("lines ending in punctuation", low=0.106, chars=1000, lines=10),
        Rule("lines per word", high=0.178, chars=1000),
        Rule("duplicate lines", high=0.287, chars=200, lines=5),
        Rule("characters in duplicate lines", high=0.1, chars=400, lines=5),
        # Formal Chinese repeats its terms: FineWeb-2's own limits drop 22 % of the laws in force. See
        # docs/guides/data.md.
        *_grams("top n-gram", 400, _MANDARIN_TOP, scale=2, slack=1.5),
        *_grams("repeated n-grams", 400, _MANDARIN_REPEATED, scale=2, slack=3),
    ),
    "en": (
        _LETTERS, *_SYMBOLS,
        Rule("words with a letter", low=0.8, chars=300), Rule("mean word length", low=3, high=10, chars=300),
        Rule("stop words", low=2, chars=600),
        Rule("duplicate lines", high=0.30, chars=300, lines=5),
        Rule("characters in duplicate lines", high=0.20, chars=300, lines=5),
        *_grams("top n-gram", 1000, _GOPHER_TOP), *_grams("repeated n-grams", 1000, _GOPHER_REPEATED),
    ),
    "other": (
        _LETTERS, *_SYMBOLS,
        Rule("duplicate lines", high=0.30, chars=300, lines=5),
        Rule("characters in duplicate lines", high=0.20, chars=300, lines=5),
        *_grams("top n-gram", 1000, _MANDARIN_TOP, slack=1.5),
        *_grams("repeated n-grams", 1000, _MANDARIN_REPEATED, slack=3),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """The rule that a text broke, and its value there."""

    rule: str
    value: float


def judge(text: str, lang: str = "", *, min_chars: int = 10) -> tuple[str, Verdict | None]:
    """The text's language, and the first rule it breaks (None: it may stay)."""
    if len(text) < min_chars:
        return lang, Verdict("characters", float(len(text)))
    view = View(text, lang)
    bounds: dict[str, Callable[[int], float]] = {}  # upper bounds that one n-gram statistic gives for longer n-grams
    for rule in RULES.get(view.lang, RULES["other"]):
        if len(text) < rule.chars or (rule.lines and len(view.lines) < rule.lines):
            continue
        if rule.statistic in bounds and bounds[rule.statistic](rule.n) <= rule.high:
            continue
        value = STATISTICS[rule.statistic](view, rule.n)
        if not rule.low <= value <= rule.high:
            return view.lang, Verdict(rule.name, round(value, 4))
        if rule.n:
            bounds[rule.statistic] = _bound(rule, value, view.by_character)
    return view.lang, None


def _bound(rule: Rule, value: float, by_character: bool) -> Callable[[int], float]:
    """What `value` at `rule.n` says about longer n-grams.

    Text covered by repeated long n-grams is covered by repeated short ones. The most frequent long n-gram is no more
    frequent than the most frequent short one, but longer; with words, by how much is not known.
    """
    if rule.statistic == "repeated n-grams":
        return lambda n: value
    return (lambda n: value * n / rule.n) if by_character else (lambda n: INFINITE)


def describe() -> list[dict[str, Any]]:
    """The rules as rows for reports: language, rule, low, high, from how many characters."""
    return [
        {"language": lang, "rule": rule.name, "low": rule.low, "high": rule.high, "from_chars": rule.chars}
        for lang, rules in RULES.items() for rule in rules
    ]  # fmt: skip
