"""How much better than its group: what turns rewards into advantages, without a value model (DeepSeekMath §4.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Advantage = Callable[[Sequence[float]], list[float]]


def above_mean(rewards: Sequence[float]) -> list[float]:
    """r - mean(r): hard and easy questions weigh what their rewards differ by (Dr. GRPO §3; DeepSeek-V3.2 §3.1)."""
    if max(rewards) == min(rewards):
        return [0.0] * len(rewards)  # exactly: the mean of equal numbers can be off by a rounding
    mean = sum(rewards) / len(rewards)
    return [r - mean for r in rewards]


def in_deviations(rewards: Sequence[float]) -> list[float]:
    """(r - mean(r)) / std(r), with the deviation of the group itself, over n (DeepSeekMath §4.1.2; DeepSeek-R1 eq. 3)."""
    above = above_mean(rewards)
    deviation = (sum(a * a for a in above) / len(above)) ** 0.5
    return [a / deviation if deviation else 0.0 for a in above]


ADVANTAGE: dict[str, Advantage] = {"mean": above_mean, "deviation": in_deviations}
