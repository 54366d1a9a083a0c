"""Several answers to each question: what one of them is worth, the best of k, and the vote of all.

Answers to one question are alike, so intervals are over questions (clusters), not over answers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from firesteel.core.stats import Z95, Estimate
from firesteel.tasks.answers import letters
from firesteel.tasks.families.numbers import value


@dataclass(frozen=True)
class Vote:
    """One answer as the vote sees it: the answer that was read (None: none), and whether it is right."""

    parsed: str | None
    correct: bool


def clustered(shares: Sequence[float], each: int) -> Estimate:
    """Mean of the questions' shares in 0 .. 1, `each` answers a question, with an interval that is robust to clusters.

    Wilson's interval at the effective sample size p (1 - p) / SE^2, SE over questions (Korn & Graubard 1998), so it
    stays within 0 .. 1 and with one answer a question it is Wilson's own. `n` of the result counts questions.
    """
    n = len(shares)
    assert n > 0, "no questions"
    p = min(1.0, max(0.0, math.fsum(shares) / n))
    spread = math.fsum((s - p) ** 2 for s in shares) / n
    size = (
        float(n) if p in (0.0, 1.0) else min(float(n * each), p * (1 - p) * n / spread) if spread else float(n * each)
    )
    z2 = Z95 * Z95
    centre = (p + z2 / (2 * size)) / (1 + z2 / size)
    half = Z95 * math.sqrt(p * (1 - p) / size + z2 / (4 * size * size)) / (1 + z2 / size)
    return Estimate(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)), n)


def pass_at(n: int, right: int, k: int) -> float:
    """Chance that k of n answers hold a right one, unbiased: 1 - C(n - right, k) / C(n, k) (Chen et al. 2021, eq. 1)."""
    assert 0 <= right <= n and 1 <= k <= n, (n, right, k)
    return 1.0 if n - right < k else 1 - math.comb(n - right, k) / math.comb(n, k)


def majority(votes: Sequence[Vote]) -> float:
    """Whether the answer that most votes name is right (self-consistency, Wang et al. 2023).

    Answers that differ only in writing are one; who named none does not vote. Answers with equally many votes share.
    """
    counts: dict[Hashable, int] = {}
    right: set[Hashable] = set()
    for vote in votes:
        if vote.parsed is not None:
            key = _key(vote.parsed)
            counts[key] = counts.get(key, 0) + 1
            right |= {key} if vote.correct else set()
    most = max(counts.values(), default=0)
    winners = [key for key, count in counts.items() if count == most]
    return sum(key in right for key in winners) / len(winners) if winners else 0.0


def _key(parsed: str) -> Hashable:
    number = value(parsed.strip())
    return letters(parsed) if number is None else number


def powers(most: int) -> Iterator[int]:
    """1, 2, 4 ... and `most` itself: the k of pass@k."""
    k = 1
    while k < most:
        yield k
        k *= 2
    yield most


def repeated(questions: Sequence[Sequence[Vote]]) -> dict[str, dict[str, float | int]]:
    """pass@1, pass@2, ... and majority@K over questions with K answers each."""
    each = min(len(votes) for votes in questions)
    counts = [(len(votes), sum(v.correct for v in votes)) for votes in questions]
    found = {f"pass@{k}": clustered([pass_at(n, c, k) for n, c in counts], each) for k in powers(each)}
    found[f"majority@{each}"] = clustered([majority(votes) for votes in questions], each)
    return {name: estimate.as_dict() for name, estimate in found.items()}
