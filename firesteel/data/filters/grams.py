"""n-grams of many texts at once: one sort for all texts of a block, and only where longer n-grams can still repeat.

A text is a polynomial modulo 2^64: S[i] is the sum of unit_j * BASE^j over j < i, so that (S[j] - S[i]) / BASE^i is the
hash of what stands between i and j, for one subtraction and one product. N units in D texts; `sizes` [D] units each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

BASE = 0x9E3779B97F4A7C15  # odd; 2^64 / golden ratio
MODULUS = 1 << 64
_MANY = 1e18  # nothing known; not infinite, so that no times that is 0
_ODD = np.uint64(0xBF58476D1CE4E5B9)  # of MurmurHash3's finaliser, variant 13


@dataclass
class Groups:
    """The n-grams that come more than once in a text, by group, and in a group by place."""

    members: np.ndarray  # positions, int64 [M]
    heads: np.ndarray  # where in `members` each group begins, int64 [G]

    @property
    def sizes(self) -> np.ndarray:
        """How often each comes, int64 [G]."""
        return np.diff(self.heads, append=len(self.members))

    @property
    def firsts(self) -> np.ndarray:
        """Position of each group's first occurrence, int64 [G]."""
        return np.asarray(self.members[self.heads])

    @property
    def later(self) -> np.ndarray:
        """Positions of all occurrences but the first, int64 [M - G]."""
        repeats = np.ones(len(self.members), dtype=bool)
        repeats[self.heads] = False
        return self.members[repeats]


@cache
def _powers(base: int, bits: int) -> np.ndarray:
    """base^0, base^1, ... uint64 [2^bits]."""
    table = np.full(1 << bits, base, dtype=np.uint64)
    table[0] = 1
    return np.cumprod(table)  # modulo 2^64


def powers(n: int, *, inverse: bool = False) -> np.ndarray:
    """BASE^i for i < n, or BASE^-i; uint64 [n]."""
    return _powers(pow(BASE, -1, MODULUS) if inverse else BASE, max(16, n.bit_length()))[:n]


def prefix_sums(units: np.ndarray) -> np.ndarray:
    """S of the module's text, uint64 [N + 1]."""
    sums = np.zeros(len(units) + 1, dtype=np.uint64)
    np.cumsum(units * powers(len(units)), out=sums[1:])
    return sums


def text_hash(text: str) -> int:
    """The hash of a text whose units are code points."""
    return sum(ord(char) * pow(BASE, i, MODULUS) for i, char in enumerate(text)) % MODULUS


class Grams:
    """Repeated n-grams of the texts of a block. `measure` [N + 1]: where units begin, in what lengths are counted in."""

    def __init__(
        self, sums: np.ndarray, inverse: np.ndarray, sizes: np.ndarray, measure: np.ndarray | None = None
    ) -> None:
        self.sums, self.inverse, self.sizes, self.measure = sums, inverse, sizes, measure
        self.ends = np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.n_units = len(sums) - 1
        self.texts = np.repeat(np.arange(len(sizes)), sizes)  # of each unit
        salts = np.arange(1, len(sizes) + 1, dtype=np.uint64) * _ODD
        self.salts = np.repeat(salts ^ (salts >> np.uint64(29)), sizes)  # so that texts do not share n-grams
        self.total = self.span(self.starts, sizes)
        self._asked = 0
        self._often: np.ndarray | None = None  # where much text repeats, bool [N]
        self._least = 0
        self.rise(0)

    @classmethod
    def of_units(cls, units: np.ndarray, sizes: np.ndarray, measure: np.ndarray | None = None) -> Grams:
        """n-grams of units that are compared as such, uint64 [N]."""
        return cls(prefix_sums(units), powers(len(units), inverse=True), sizes, measure)

    def rise(self, n: int) -> None:
        """Say which length is asked next; what is known of shorter n-grams bounds longer ones, not the reverse."""
        if n <= self._asked or self._asked == 0:
            self._asked = 0
            self._open: np.ndarray | None = None  # where n-grams can repeat, bool [N]
            self.most = np.full(len(self.sizes), _MANY)  # no n-gram comes more often than that
            self.covered = np.full(len(self.sizes), _MANY)  # no more of the length lies in repeated ones

    def span(self, at: np.ndarray, n: int | np.ndarray) -> np.ndarray:
        """Length of the n units from each position."""
        if self.measure is None:
            return np.broadcast_to(np.asarray(n), at.shape)
        return np.asarray(self.measure[at + n] - self.measure[at])

    def widest(self, n: int) -> np.ndarray:
        """Length of each text's longest n-gram, or more, int64 [D]."""
        if self.measure is None or self.n_units < n:
            return np.full(len(self.sizes), n)
        spans = np.append(self.measure[n:] - self.measure[:-n], np.zeros(n, dtype=np.int64))
        return np.maximum.reduceat(spans, self.starts)

    def filter(self, sums: np.ndarray, length: int) -> None:
        """Say that n-grams of at least `length` repeat only where so much text does.

        `sums` is S of what the units consist of, in steps of `measure`. Longer n-grams are then looked for there alone.
        """
        assert self.measure is not None
        at = np.flatnonzero(self.measure[:-1] + length <= np.repeat(self.measure[self.ends], self.sizes))
        begin = self.measure[at]
        keys = (sums[begin + length] - sums[begin]) * self.inverse[at]
        self._often, self._length = np.zeros(self.n_units, dtype=bool), length
        self._often[_group(keys ^ self.salts[at], at).members] = True

    def groups(self, n: int, texts: np.ndarray) -> Groups:
        """The groups of n-grams in the texts chosen (bool [D]) that are the same when written out."""
        if self._often is None:
            among = self._inside(n)
            if not texts.all():
                among &= texts[self.texts[: len(among)]]
            return self._group(n, np.flatnonzero(among))
        if not 0 < self._least <= n:
            self._least, self._maybe = n, self._candidates(n)
        at = self._maybe[self._maybe + n <= self.ends[self.texts[self._maybe]]]
        return self._group(n, at if texts.all() else at[texts[self.texts[at]]])

    def _candidates(self, n: int) -> np.ndarray:
        """Where n-grams or longer ones may repeat: much text does, or n units are not much text; int64 [P]."""
        assert self._often is not None and self.measure is not None
        short = np.zeros(self.n_units, dtype=bool)
        short[: max(0, self.n_units - n + 1)] = self.measure[n:] - self.measure[:-n] < self._length
        return np.flatnonzero(self._often | short)

    def nested(self, n: int, texts: np.ndarray) -> Groups:
        """The same where equal n-grams consist of equal units, after `rise(n)`.

        Where no shorter n-gram repeats, no longer one does: only the places left by the last call are looked at.
        """
        if self._open is None:
            found = self.groups(n, texts)
            self._open = np.repeat(~texts, self.sizes)  # nothing is known yet of texts that were not chosen
        else:
            at = self._places(n, texts, self._open)
            at = at[self._open[at + n - self._asked]]
            found = self._group(n, at)
            for i in np.flatnonzero(texts).tolist():
                self._open[self.starts[i] : self.ends[i]] = False
        self._open[found.members] = True
        self._asked = n
        return found

    def _group(self, n: int, at: np.ndarray) -> Groups:
        keys = (self.sums[at + n] - self.sums[at]) * self.inverse[at]
        return _group(keys ^ self.salts[at], at)

    def _inside(self, n: int) -> np.ndarray:
        """Whether the n units from each position are of one text, bool [N - n + 1]."""
        inside = np.ones(max(0, self.n_units - n + 1), dtype=bool)
        across = self.ends[:, None] - np.arange(1, n)
        inside[across[(across >= self.starts[:, None]) & (across < len(inside))]] = False
        return inside

    def _places(self, n: int, texts: np.ndarray, among: np.ndarray) -> np.ndarray:
        """Positions of the chosen texts where n units follow and that are marked in `among`, in order, int64 [P]."""
        chosen = np.flatnonzero(texts & (self.sizes >= n)).tolist()
        found = [np.flatnonzero(among[self.starts[i] : self.ends[i] - n + 1]) + self.starts[i] for i in chosen]
        return np.concatenate([np.empty(0, dtype=np.int64), *found])

    def cover(self, n: int, later: np.ndarray) -> np.ndarray:
        """Length of each text that lies in the n-grams at the positions `later`, int64 [D]."""
        later = np.sort(later)
        width = np.minimum(n, np.diff(later, append=self.n_units + n))
        lengths = self.span(later, width)
        return np.bincount(self.texts[later], weights=lengths, minlength=len(self.sizes)).astype(np.int64)

    def top(self, n: int, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
        """How often each text's most frequent n-gram comes, 1 if none repeats; and its length, 0 if there is none [D].

        The earliest one, if several come as often.
        """
        best = np.zeros(len(self.sizes), dtype=np.int64)
        place = self.n_units + 1
        firsts = groups.firsts
        np.maximum.at(best, self.texts[firsts], groups.sizes * place + (place - 1 - firsts))
        at = np.where(best > 0, place - 1 - best % place, self.starts)
        have = self.sizes >= n
        lengths = np.zeros(len(self.sizes), dtype=np.int64)
        lengths[have] = self.span(at[have], n)
        return np.maximum(1, best // place), lengths


def _group(keys: np.ndarray, at: np.ndarray) -> Groups:
    """Positions with equal keys. One sort of plain integers, the place in the low bits, beats a stable argsort."""
    if len(keys) == 0:
        return Groups(at, at)
    bits = np.uint64(max(1, int(at[-1]).bit_length()))
    packed = (keys ^ (keys >> np.uint64(32))) * _ODD  # the high bits depend on all
    packed >>= bits
    packed <<= bits
    packed |= at.view(np.uint64)
    packed.sort()
    same = np.zeros(len(at) + 1, dtype=bool)  # as the one before; none before the first, none after the last
    np.less(packed[1:] ^ packed[:-1], np.uint64(1) << bits, out=same[1:-1])
    inside = same[1:] | same[:-1]
    members = (packed[inside] & ((np.uint64(1) << bits) - np.uint64(1))).view(np.int64)
    return Groups(members, np.flatnonzero(~same[:-1][inside]))
