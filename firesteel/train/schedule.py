"""What changes from step to step: the learning rate and the size of a batch. Plain functions of the step's number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from firesteel.core.config import OptimSettings

Shape = Callable[[float, OptimSettings], float]


def _cosine(done: float, settings: OptimSettings) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def _linear(done: float, settings: OptimSettings) -> float:
    return 1 - done


def _wsd(done: float, settings: OptimSettings) -> float:
    """Warm-up, stable, decay (Hu et al. 2024, MiniCPM §4): constant, then linear over the last `decay_share`."""
    return min(1.0, (1 - done) / settings.decay_share)


SHAPES: dict[str, Shape] = {  # share of steps done after warm-up -> height above the floor, 1 to 0
    "cosine": _cosine, "linear": _linear, "wsd": _wsd, "constant": lambda done, settings: 1.0,
}  # fmt: skip


def learning_rate(step: int, settings: OptimSettings, steps: int) -> float:
    """Linear warm-up, then the schedule's shape from `learning_rate` to `min_learning_rate` times it; step counts from 0."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    floor = settings.min_learning_rate
    return settings.learning_rate * (floor + (1 - floor) * SHAPES[settings.schedule](done, settings))


@dataclass(frozen=True)
class Ramp:
    """A batch that grows evenly from `start` rows to `size` over `steps` steps (V3 report §4.2); start 0 = no ramp."""

    size: int
    start: int = 0
    steps: int = 0

    def rows(self, step: int) -> int:
        """Rows of step number `step`."""
        if not self.start or step >= self.steps:
            return self.size
        return self.start + (self.size - self.start) * step // self.steps

    def before(self, step: int) -> int:
        """Rows of all steps before it."""
        if not self.start:
            return self.size * step
        ramped = min(step, self.steps)
        return sum(self.rows(i) for i in range(ramped)) + self.size * (step - ramped)
