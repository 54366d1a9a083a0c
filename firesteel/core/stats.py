"""Intervals for measured quantities: every quality claim carries n and a 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

Z95 = 1.959963984540054  # two-sided 95 % point of the normal distribution


@dataclass(frozen=True)
class Estimate:
    """A measured share or mean with its sample size and 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}] (n={self.n})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def wilson(successes: int, n: int) -> Estimate:
    """Share of successes with Wilson's score interval (Wilson 1927, eq. 6)."""
    assert 0 <= successes <= n and n > 0, (successes, n)
    p, z2 = successes / n, Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Estimate(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)), n)  # rounding must not cross p


def paired_difference(before: Sequence[bool], after: Sequence[bool]) -> Estimate:
    """Change of a share on the same cases, with the interval of paired proportions (Bonett & Price 2012, adjusted Wald)."""
    n = len(before)
    assert n == len(after) and n > 0, (n, len(after))
    gained = sum(1 for b, a in zip(before, after, strict=True) if a and not b)
    lost = sum(1 for b, a in zip(before, after, strict=True) if b and not a)
    p_gain, p_loss = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    centre = p_gain - p_loss
    half = Z95 * math.sqrt(max(0.0, (p_gain + p_loss - centre * centre) / (n + 2)))
    return Estimate((gained - lost) / n, max(-1.0, centre - half), min(1.0, centre + half), n)
