"""Pipeline schedules as formulas: what stands idle, what all-to-all is not hidden, how many activations wait.

DeepSeek-V3 report, Table 2, in its letters: F a forward pass, B a whole backward pass, W its part for weights, P processes.
Here f, b, w are computing times of one micro-batch on a process: forward, backward for inputs, backward for weights; c is
the all-to-all of one direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Passes:
    """A process's passes: P processes, M micro-batches, and the times above in seconds."""

    P: int
    M: int
    f: float
    b: float
    w: float
    c: float

    @property
    def F(self) -> float:
        """A forward pass whose all-to-all nothing hides."""
        return self.f + self.c

    @property
    def B(self) -> float:
        """A whole backward pass whose all-to-all nothing hides."""
        return self.b + self.w + self.c

    @property
    def computing(self) -> float:
        """Forward and backward without communication."""
        return self.f + self.b + self.w


@dataclass(frozen=True)
class Idle:
    """Seconds of a step in which a process waits, and passes whose activations it holds at most."""

    bubble: float
    exchange: float  # all-to-all that no computing hides
    waiting: float


def _one_by_one(p: Passes) -> Idle:
    return Idle((p.P - 1) * (p.F + p.B), 2 * p.M * p.c, p.P)


def _interleaved(p: Passes) -> Idle:
    """Two parts of the model on each process: half the bubble, for more activations (Narayanan et al. 2021)."""
    return Idle((p.P - 1) * (p.F + p.B) / 2, 2 * p.M * p.c, (3 * p.P - 1) / 2)


def _zero_bubble(p: Passes) -> Idle:
    """ZB1P (Qi et al. 2023)."""
    return Idle(max(0.0, (p.P - 1) * (p.F + p.B - 2 * p.w)), 2 * p.M * p.c, p.P)


def _dualpipe_v(p: Passes) -> Idle:
    """DualPipeV: two half parts on each process; a forward pass of one hides behind a backward pass of the other.

    P processes in a V are what DualPipe does with 2 P, without its second copy of the weights. In filling and draining, each
    process goes (5 P - 1) / 2 times forward and as often backward alone (mean over processes, by DeepSeek's schedule).
    """
    alone = min(2 * p.M, (5 * p.P - 1) / 2)
    overlapped = max(p.computing, 2 * p.c)
    exposed = (alone * 2 * p.c + (2 * p.M - alone) * (overlapped - p.computing)) / 2
    return Idle(max(0.0, (p.P - 1) * (overlapped + p.B - 3 * p.w) / 2), exposed, p.P + 0.5)


SCHEDULES: dict[str, Callable[[Passes], Idle]] = {
    "1f1b": _one_by_one, "interleaved": _interleaved, "zero-bubble": _zero_bubble, "dualpipe-v": _dualpipe_v,
}  # fmt: skip


def idle(schedule: str, passes: Passes) -> Idle:
    """What a schedule leaves unused; without a pipeline only the all-to-all."""
    if passes.P == 1:
        return Idle(0.0, 2 * passes.M * passes.c, 1.0)
    found = SCHEDULES[schedule](passes)
    return Idle(found.bubble, found.exchange, min(found.waiting, passes.M))
