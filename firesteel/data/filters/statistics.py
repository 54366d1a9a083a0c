"""What the `firesteel` rules ask: one number for each text of a block, float64 [D].

Words are not segmented: Chinese and Japanese are counted in characters, two to a word; other languages in pieces between
white space or in runs of letters and digits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from firesteel.data.filters.block import Block
from firesteel.data.filters.rules import Rule
from firesteel.data.han import LATIN
from firesteel.data.ngrams import words_of

Statistic = Callable[[Block, Rule, np.ndarray], np.ndarray]  # (texts, rule, which are asked, bool [D]) to float64 [D]
_BULLET = re.compile(r"\s*[-*•·●○■□▪▶►‣]")
_ENDS = tuple(".!?\"'”’。！？…；：;:）)")


def _letters(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    return np.asarray(block.letters / block.ink)


def _lettered(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    if len(block.pieces) == 0:
        return np.zeros(len(block.texts))
    holds = np.add.reduceat(block.classes >= LATIN, block.pieces, dtype=np.int64) > 0
    edges = np.searchsorted(block.pieces, block.edges)
    sums = np.concatenate([[0], np.cumsum(holds)])[edges]
    return np.asarray(np.diff(sums) / np.maximum(1, np.diff(edges)))


def _run_length(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    _, lengths, sizes = block.runs
    ends = np.cumsum(sizes)
    sums = np.concatenate([[0], np.cumsum(lengths)])
    return np.asarray((sums[ends] - sums[ends - sizes]) / np.maximum(1, sizes))


def _stop_runs(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """How many different ones of `of` occur among the runs."""
    hashes, _, sizes = block.runs
    ends = np.cumsum(sizes)
    found = np.zeros(len(sizes))
    for stop in words_of(" ".join(rule.of))[0]:
        sums = np.concatenate([[0], np.cumsum(hashes == stop)])
        found += sums[ends] > sums[ends - sizes]
    return found


def _stop_characters(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """How many different ones of `of` occur; not counted beyond what is enough."""

    def count(text: str) -> int:
        found = 0
        for char in rule.of:
            found += char in text
            if found >= rule.low > 0:
                break
        return found

    return block.each(count, need)


def _hashes(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    return np.asarray(block.count(block.codes == 0x23) / block.piece_count)


def _ellipses(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    def count(text: str) -> int:
        return text.count("...") + text.count("…") - text.count("……") + text.count("。。。")

    return np.asarray(block.each(count, need) / block.piece_count)


def _share(ask: Callable[[str], object]) -> Statistic:
    """The share of the lines of which something holds."""

    def share(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
        return block.over(need, lambda i: sum(map(bool, map(ask, block.lines(i)))) / max(1, len(block.lines(i))))

    return share


def _duplicate_lines(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    def share(i: int) -> float:
        lines = block.lines(i)
        return 1 - len(set(lines)) / max(1, len(lines)) if len(set(lines)) < len(lines) else 0.0

    return block.over(need, share)


def _duplicate_chars(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    def share(i: int) -> float:
        lines = block.lines(i)
        if len(set(lines)) == len(lines):
            return 0.0
        return sum(len(line) * (n - 1) for line, n in Counter(lines).items()) / sum(map(len, lines))

    return block.over(need, share)


def _top(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """Share of the length in the most frequent n-gram; an upper bound where that proves that it is not too much."""
    grams = block.grams
    grams.rise(rule.n)
    total = np.maximum(1, grams.total)
    bound = np.minimum(1.0, grams.most * rule.n / total) if block.by_character else np.ones(len(total))
    open_ = need & (bound > rule.high)
    if not open_.any():
        return bound
    times, lengths = grams.top(rule.n, grams.nested(rule.n, open_))
    shares = np.where(times > 1, np.minimum(1.0, times * lengths / total), 0.0)
    grams.most = np.where(open_, times, grams.most)
    return np.where(open_, shares, bound)


def _repeated(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """Share of the length in n-grams seen earlier in the text; an upper bound where that proves enough."""
    grams = block.grams
    grams.rise(rule.n)
    total = np.maximum(1, grams.total)
    bound = np.minimum(1.0, grams.covered / total)  # what repeated longer n-grams cover, repeated shorter ones do
    open_ = need & (bound > rule.high)
    if not open_.any():
        return np.asarray(bound)
    covered = grams.cover(rule.n, grams.nested(rule.n, open_).later)
    grams.covered = np.where(open_, covered, grams.covered)
    return np.asarray(np.where(open_, covered / total, bound))


STATISTICS: dict[str, Statistic] = {
    "letters": _letters,
    "pieces with a letter": _lettered,
    "mean run length": _run_length,
    "stop runs": _stop_runs,
    "stop characters": _stop_characters,
    "hashes per piece": _hashes,
    "ellipses per piece": _ellipses,
    "newlines per piece": lambda block, rule, need: np.asarray(block.newlines / block.piece_count),
    "bullet lines": _share(_BULLET.match),
    "ellipsis lines": _share(lambda line: line.endswith(("...", "…"))),
    "ended lines": _share(lambda line: line.rstrip().endswith(_ENDS)),
    "duplicate lines": _duplicate_lines,
    "duplicate line characters": _duplicate_chars,
    "top n-gram": _top,
    "repeated n-grams": _repeated,
}
