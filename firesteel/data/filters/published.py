"""What the published rule sets ask, as datatrove 0.10.1 computes it: one number for each text, float64 [D].

Words are rjieba's for Chinese and those of english.py otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firesteel.data.filters import signs
from firesteel.data.filters.block import Block
from firesteel.data.filters.grams import Grams, text_hash
from firesteel.data.filters.rules import Rule
from firesteel.data.filters.statistics import Statistic
from firesteel.data.filters.words import END, WORD

_BREAKS = np.array([*map(ord, "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")], dtype=np.uint32)  # str.splitlines


def _nonzero(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(1, values))


def _words(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """Words that are more than symbols."""
    return block.word_sum(~block.words.symbols).astype(np.float64)


def _word_length(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """Mean length of the words that are more than symbols."""
    length = block.word_sum(np.where(block.words.symbols, 0, block.words.lengths))
    return np.asarray(length / _nonzero(_words(block, rule, need)))


def _lettered(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    return np.asarray(block.word_sum(block.words.lettered) / _nonzero(block.words.sizes))


def _stop_words(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """How many different ones of `of` are words of the text, as they are written there."""
    stops = np.sort(np.array([text_hash(word) for word in rule.of], dtype=np.uint64))
    maybe = np.flatnonzero(block.words.lengths <= max(map(len, rule.of), default=0))
    hashes = block.word_hashes[maybe]
    which = np.minimum(np.searchsorted(stops, hashes), len(stops) - 1)
    at = stops[which] == hashes
    owners = np.searchsorted(np.cumsum(block.words.sizes), maybe[at], side="right")
    found = np.unique(owners * len(stops) + which[at]) // len(stops)
    return np.bincount(found, minlength=len(block.texts)).astype(np.float64)


def _per_word(count: Callable[[str], int]) -> Statistic:
    def ratio(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
        return np.asarray(block.each(count, need) / _nonzero(block.words.sizes))

    return ratio


def _newlines(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    return np.asarray(block.newlines / _nonzero(block.words.sizes))


def _line_share(test: Callable[[str, Rule], bool]) -> Statistic:
    """The share of all lines, blank ones included, of which something holds; a bound where few marks prove enough."""

    def share(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
        def ask(text: str) -> float:
            lines = text.splitlines()
            return sum(test(line, rule) for line in lines) / max(1, len(lines))

        marks = block.each(lambda text: sum(map(text.count, rule.of)), need)
        bound = np.minimum(1.0, marks / _nonzero(block.newlines))  # there are no fewer lines than line feeds
        open_ = need & (bound > rule.high)
        return np.where(open_, block.each(ask, open_), bound)

    return share


def _terminal(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    marks = frozenset(signs.terminal())
    return block.over(need, lambda i: sum(s[-1] in marks for s in block.lines(i)) / max(1, len(block.lines(i))))


def _short(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    return block.over(need, lambda i: sum(len(s) <= rule.n for s in block.lines(i)) / max(1, len(block.lines(i))))


def _again(parts: list[str]) -> tuple[int, int]:
    """How many parts an earlier one equals, and their characters."""
    different = set(parts)
    if len(different) == len(parts):
        return 0, 0
    return len(parts) - len(different), sum(map(len, parts)) - sum(map(len, different))


def _line_chars(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    chars = block.over(need, lambda i: _again(block.lines(i))[1])
    return np.asarray(chars / _nonzero(block.chars - block.newlines))


def _split(text: str) -> list[str]:
    """The parts between runs of line feeds; empty ones at the ends count."""
    inner = [line for line in text.split("\n") if line]
    return [*([""] if text.startswith("\n") else []), *inner, *([""] if text.endswith("\n") else [])]


def _paragraphs(text: str) -> list[str]:
    """The parts between two or more line feeds."""
    return [part.lstrip("\n") for part in text.strip().split("\n\n") if part.strip("\n")]


def _duplicates(parts: Callable[[str], list[str]], *, chars: bool) -> Statistic:
    """Parts that an earlier one equals: their share of the parts, or of the text's characters."""

    def share(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
        whole, times, length = block.per_text(_count, parts)
        return np.asarray(length / _nonzero(block.chars) if chars else times / _nonzero(whole))

    return share


def _count(text: str, parts: Callable[[str], list[str]]) -> tuple[int, int, int]:
    found = parts(text)
    return len(found), *_again(found)


def _top(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """Characters in the most frequent n-gram of words, spaces between them, over those of the text.

    An upper bound where that proves enough: longer n-grams come no more often than shorter ones.
    """
    grams, n = block.spaced_grams, rule.n
    grams.rise(n)
    chars = _nonzero(block.chars)
    bound = np.where(grams.sizes >= n, grams.most * grams.widest(n), 0) / chars
    open_ = need & (bound > rule.high)
    if not open_.any():
        return np.asarray(bound)
    times, lengths = grams.top(n, grams.nested(n, open_))
    grams.most = np.where(open_, times, grams.most)
    shares = times * np.maximum(0, lengths - 1) / chars  # without the space after the last
    return np.asarray(np.where(open_, shares, bound))


def _repeated(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """Characters in n-grams of words that came before, found from left to right, each followed by what comes after it.

    What all repeated n-grams cover is never less: where that is not too much, it is given instead.
    """
    grams, n = block.word_grams, rule.n
    groups = grams.groups(n, need)
    shares = grams.cover(n, groups.later) / _nonzero(block.chars)
    for i in np.flatnonzero(need & (shares > rule.high)).tolist():
        shares[i] = _walk(grams, groups.members, groups.sizes, i, n) / block.chars[i]
    return np.asarray(shares)


def _walk(grams: Grams, members: np.ndarray, sizes: np.ndarray, i: int, n: int) -> int:
    """Characters of text i in n-grams that came before, where a repeated one is stepped over as a whole."""
    inside = (members >= grams.starts[i]) & (members < grams.ends[i])
    at = members[inside]
    order = np.argsort(at)
    group = np.repeat(np.arange(len(sizes)), sizes)[inside][order].tolist()
    spans = grams.span(at, n)[order].tolist()
    seen: set[int] = set()
    free = total = 0
    for place, which, span in zip(at[order].tolist(), group, spans, strict=True):
        if place < free:
            continue
        if which in seen:
            total += span
            free = place + n
        seen.add(which)
    return total


def _sentences(block: Block, rule: Rule, need: np.ndarray) -> np.ndarray:
    """Sentences of all lines: one begins with a line, and with the word after a mark that ends one."""
    words = block.words
    begins = np.flatnonzero(block.inked)[block.word_places[:-1]]
    line = np.cumsum(np.isin(block.codes, _BREAKS))[begins]
    ended = np.cumsum(words.kinds == END)  # up to and with each word
    fresh = np.diff(line, prepend=-1) > 0
    word = np.flatnonzero(words.kinds == WORD)
    # The word before, if it is of the same line, or the line's first sign; has a sentence ended since?
    first = np.maximum.accumulate(np.where(fresh, np.arange(len(line)), 0))
    before = np.maximum(np.concatenate([[-1], word[:-1]]) if len(word) else word, first[word] - 1)
    since = np.where(before >= 0, ended[before], 0)
    starts = fresh.astype(np.int64)
    starts[word] += ended[word] > since
    return block.word_sum(starts).astype(np.float64)


PUBLISHED: dict[str, Statistic] = {
    "words": _words,
    "mean word length": _word_length,
    "hashes per word": _per_word(lambda text: text.count("#")),
    "ellipses per word": _per_word(lambda text: text.count("...") + text.count("…")),
    "lines begun with": _line_share(lambda line, rule: line.lstrip().startswith(rule.of)),
    "lines ended with": _line_share(lambda line, rule: line.rstrip().endswith(rule.of)),
    "words with a letter": _lettered,
    "stop words": _stop_words,
    "paragraph duplicates": _duplicates(_paragraphs, chars=False),
    "paragraph duplicate characters": _duplicates(_paragraphs, chars=True),
    "line duplicates": _duplicates(_split, chars=False),
    "line duplicate characters": _duplicates(_split, chars=True),
    "top word n-gram": _top,
    "duplicate word n-grams": _repeated,
    "terminal lines": _terminal,
    "short lines": _short,
    "characters in duplicate lines": _line_chars,
    "newlines per word": _newlines,
    "sentences": _sentences,
}
