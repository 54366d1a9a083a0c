"""The training mixture: how often each source's documents are seen so that its share of the text comes out as asked.

The total stays the corpus's size. Copies of a document are as far apart as they can be: the corpus is gone through several
times, and each time takes its part of every source. Beyond about four epochs repeated text teaches little more
(Muennighoff et al. 2023, arXiv:2305.16264), which is said aloud.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from firesteel.core.errors import RecipeError, nearest

MANY, MAX_EPOCHS = 4, 100
Record = Mapping[str, Any]


def label_of(source: str, shares: Iterable[str] = ()) -> str:
    """The label under which a document's source counts: the longest asked-for one that it lies under, else its own.

    `source` is a label, or a label, a slash and a file's name (read/source.py); a URL's label is up to its host.
    """
    asked = [label for label in shares if source == label or source.startswith(f"{label.rstrip('/')}/")]
    if asked:
        return max(asked, key=len)
    scheme, mark, rest = source.partition("://")
    return f"{scheme}{mark}{rest.split('/')[0]}" if mark else source.split("/")[0]


@dataclass(frozen=True)
class Mixture:
    """`size`: bytes of each source; `epochs`: how often each is seen; `shares`: what was asked."""

    size: dict[str, int]
    epochs: dict[str, float]
    shares: dict[str, float]
    seed: int

    @property
    def passes(self) -> int:
        """How often the corpus is gone through."""
        return max(1, math.ceil(max(self.epochs.values(), default=1.0)))

    def copies(self, record: Record) -> int:
        """How often a document is seen: its epochs' whole part, and once more with the rest as probability."""
        whole, rest = divmod(self.epochs[label_of(record["source"], self.shares)], 1)
        return int(whole) + (rest > 0 and _draw(record["id"], f"copy {int(whole)}", self.seed) < rest)

    def copy_in(self, record: Record, number: int) -> int | None:
        """Which copy of a document the pass of this number holds, counted from 0; None if it holds none."""
        copies, passes = self.copies(record), self.passes
        start = int(_draw(record["id"], "pass", self.seed) * passes)
        places = ((start + copy * passes // copies) % passes for copy in range(copies))
        return next((copy for copy, place in enumerate(places) if place == number), None)

    def warnings(self) -> list[str]:
        """What the reader should know about sources seen very often or not at all."""
        often = [
            f"{label} is seen {epochs:.1f} times: beyond {MANY} repetition teaches little (arXiv:2305.16264)"
            for label, epochs in self.epochs.items() if epochs > MANY
        ]  # fmt: skip
        return often + [f"{label} is not seen at all" for label, epochs in self.epochs.items() if epochs == 0]

    def report(self, seen: Mapping[str, int]) -> dict[str, dict[str, float]]:
        """Of each source: bytes, epochs, and the share of the text asked for and reached. `seen`: bytes by source."""
        total = sum(self.size.values())
        reached = max(1, sum(seen.values()))
        return {
            label: {
                "bytes": size, "epochs": round(self.epochs[label], 4), "asked": round(self.epochs[label] * size / total, 4),
                "reached": round(seen.get(label, 0) / reached, 4),
            }
            for label, size in sorted(self.size.items())
        }  # fmt: skip


def mix(size: Mapping[str, int], shares: Mapping[str, float], *, seed: int) -> Mixture:
    """The epochs of sources of `size` bytes so that each has its share; sources left out share the rest by size.

    Raises RecipeError for an unknown source, shares that make no whole, and sources that would be seen too often.
    """
    for label, share in shares.items():
        if not 0 <= share <= 1:
            raise RecipeError("a share lies between 0 and 1", value=f"tokens.mixture: {label} = {share}")
        if not size.get(label):
            others = [name for name in size if size[name]]
            raise RecipeError("the mixture names a source without text", value=label, hint=nearest(label, others))
    asked, total = math.fsum(shares.values()), sum(size.values())
    left = sum(n for label, n in size.items() if label not in shares)  # bytes of the sources left out
    if asked > 1 + 1e-6 or (not left and asked < 1 - 1e-6):
        why = "more than the whole text" if asked > 1 else "no source is left for the rest"
        hint = "lower them, or leave one source out: it gets the rest"
        raise RecipeError("the shares of tokens.mixture do not add up", value=round(asked, 6), why=why, hint=hint)
    rest = max(0.0, 1 - asked) * total / left if left else 0.0
    rest = 0.0 if rest < 1e-6 else rest
    epochs = {label: shares[label] * total / n if label in shares else rest for label, n in size.items()}
    for label, times in epochs.items():
        if times > MAX_EPOCHS:
            why = f"its text would be seen {times:.0f} times; {MAX_EPOCHS} is the limit, and {MANY} is sensible"
            raise RecipeError("a share is too large for so little text", value=label, why=why)
    return Mixture(dict(size), epochs, dict(shares), seed)


def _draw(id: str, what: str, seed: int) -> float:
    """A uniform number in [0, 1) that depends on nothing but these."""
    raw = hashlib.blake2b(f"{seed}:{what}:{id}".encode(), digest_size=8).digest()
    return int.from_bytes(raw, "big") / 2**64
