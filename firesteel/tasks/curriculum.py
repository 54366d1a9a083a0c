"""Which level of a task is drawn next: most often the one at which about half of the answers are right.

There a group of answers differs most, and only what differs can be learnt from: of right and wrong answers at a pass rate p,
a pair differs with probability 2 p (1 - p). No level is ever left out, since what is too hard today is what is learnt last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FLOOR = 0.2  # part of the questions that is spread evenly over the levels
KEEP = 0.9  # weight of what was counted, a step later: a pass rate is that of the last ten steps or so
PRIOR = 1.0  # right and wrong answers that are supposed before any were counted, each


class Curriculum:
    """Pass rates by task and level. `levels`: task -> its lowest and highest. A function of the steps that it has observed."""

    def __init__(self, levels: Mapping[str, tuple[int, int]], seed: int = 0) -> None:
        assert all(low <= high for low, high in levels.values())
        self.levels, self.seed = dict(levels), seed
        self._counts: dict[tuple[str, int], tuple[float, float]] = {}  # right, all

    def observe(self, answers: Iterable[tuple[str, int, bool]]) -> None:
        """Count the answers of a step: (task, level, right); their order does not matter."""
        counts = {key: (right * KEEP, n * KEEP) for key, (right, n) in self._counts.items()}
        fresh: dict[tuple[str, int], tuple[int, int]] = {}
        for task, level, right in answers:
            known = fresh.get((task, level), (0, 0))
            fresh[task, level] = known[0] + int(right), known[1] + 1
        for key, (right_ones, all_of_them) in fresh.items():
            before = counts.get(key, (0.0, 0.0))
            counts[key] = before[0] + right_ones, before[1] + all_of_them
        self._counts = counts

    def rate(self, task: str, level: int) -> float:
        """Share of right answers, between 0 and 1; a half where nothing was seen."""
        right, n = self._counts.get((task, level), (0.0, 0.0))
        return (right + PRIOR) / (n + 2 * PRIOR)

    def shares(self, task: str) -> list[float]:
        """Of the task's questions, the part that each of its levels gets, lowest first; they sum to 1."""
        low, high = self.levels[task]
        rates = [self.rate(task, level) for level in range(low, high + 1)]
        weights = [p * (1 - p) for p in rates]
        return [FLOOR / len(weights) + (1 - FLOOR) * w / sum(weights) for w in weights]

    def level(self, task: str, number: int) -> int:
        """The level of the task's question of that number."""
        told = hashlib.sha256(f"{self.seed}/{task}/{number}".encode()).digest()
        return self.levels[task][0] + _place(self.shares(task), int.from_bytes(told[:6], "big") / 2**48)

    def state(self) -> dict[str, Any]:
        """All that it remembers, plain JSON."""
        found: dict[str, dict[str, list[float]]] = {}
        for (task, level), counts in sorted(self._counts.items()):
            found.setdefault(task, {})[str(level)] = list(counts)
        return found

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self._counts = {
            (task, int(level)): (counts[0], counts[1]) for task, own in state.items() for level, counts in own.items()
        }


def _place(shares: Sequence[float], point: float) -> int:
    """Which of the shares, laid end to end, a point of [0, 1) falls into."""
    for number, share in enumerate(shares):
        point -= share
        if point < 0:
            return number
    return len(shares) - 1  # the shares sum to 1 but for rounding
