"""What an objective hands to the loop: rows to learn from, and what their loss is divided by.

B rows, T tokens, C kinds of counts
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from firesteel.model.moe import Routing

EXPERTS, REAL = "experts", "real"  # Batch.extra: chosen experts [B, T, L, K], and which tokens are no padding [B, T]


@dataclass(frozen=True)
class Share:
    """Which part of a step's rows a process has: number `index` of `of`; 0 of 1 is everything."""

    index: int = 0
    of: int = 1

    def rows(self, count: int) -> range:
        """Its part of `count` rows (or groups of rows): contiguous, in order, sizes differing by at most one."""
        whole, extra = divmod(count, self.of)
        start = self.index * whole + min(self.index, extra)
        return range(start, start + whole + (self.index < extra))


@dataclass
class Batch:
    """One process's rows of one kind. Its loss is a sum over them, divided by `totals`: counts over all processes.

    Several batches may make one update (documents replayed beside conversations); their gradients add up.
    """

    tokens: Tensor  # [B, T]
    learn: Tensor  # [B, T] bool: which tokens are predicted
    counts: Tensor  # [C] float64: what the loss is a mean over, of these rows; kinds are the objective's own
    segments: Tensor | None = None  # [B, T]: what of a row belongs together (Transformer.forward)
    extra: dict[str, Tensor] = field(default_factory=dict)  # [B, ...] each: sources, old log-probabilities, ...
    lengths: Tensor | None = None  # [B]: real tokens of each row, where rows are padded on the right
    group: int = 1  # neighbouring rows that stay in one piece: two for a pair of answers
    weight: float = 1.0  # of its loss
    name: str = ""  # put before its metrics' names
    objective: Any = None  # whose loss it has, if not the stage's own (documents replayed beside conversations)
    facts: dict[str, float] = field(
        default_factory=dict
    )  # metrics of this process's rows that are known before learning
    totals: Tensor | None = None  # [C] float64: counts summed over processes; the loop fills it in
    total_rows: float = 0.0  # rows of all processes; the loop fills it in

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def routing(self) -> Routing | None:
        """The way through the experts, where `extra` says something of it."""
        experts, real = self.extra.get(EXPERTS), self.extra.get(REAL)
        return None if experts is None and real is None else Routing(experts, real)

    def pieces(self, rows: int) -> int:
        """How many micro-batches of at most `rows` rows it has; 0 rows = no bound."""
        groups = len(self) // self.group
        return max(1, -(-groups // max(rows // self.group, 1))) if rows else 1

    def split(self, pieces: int) -> Iterator[Batch]:
        """As many micro-batches of whole groups, sizes as even as can be; some are empty if there are fewer groups."""
        for i in range(pieces):
            part = Share(i, pieces).rows(len(self) // self.group)
            yield self.part(part.start * self.group, part.stop * self.group)

    def part(self, a: int, b: int) -> Batch:
        """Rows a to b with the whole's totals, without the padding that none of them needs."""
        width = self.tokens.shape[1]
        if self.lengths is not None and b > a:
            width = int(self.lengths[a:b].max())

        def cut(t: Tensor) -> Tensor:
            return t[a:b, :width] if t.ndim > 1 and t.shape[1] == self.tokens.shape[1] else t[a:b]

        return replace(
            self, tokens=cut(self.tokens), learn=cut(self.learn),
            segments=None if self.segments is None else cut(self.segments),
            extra={name: cut(t) for name, t in self.extra.items()},
            lengths=None if self.lengths is None else self.lengths[a:b],
        )  # fmt: skip

    def to(self, device: object) -> Batch:
        """The same on a device; counts stay where they are."""
        moved = {name: t.to(device) for name, t in self.extra.items()}  # type: ignore[call-overload]
        segments = None if self.segments is None else self.segments.to(device)  # type: ignore[call-overload]
        return replace(self, tokens=self.tokens.to(device), learn=self.learn.to(device), segments=segments, extra=moved)  # type: ignore[call-overload]
