"""What tells a bad step from a good one, before the weights are changed by it: NaN, infinity, and spikes of the loss.

Plain Python, and a function of values that all processes share: each comes to the same verdict by itself.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from firesteel.core.errors import FiresteelError
from firesteel.core.train_settings import WatchSettings
from firesteel.train.stall import Stall

WINDOW = 128  # losses that a new one is judged against
NEEDED = 20  # losses before anything is called a spike
FLOOR = 0.01  # of the usual loss: the least that counts as one standard deviation, for losses without noise
TO_SIGMA = 1.4826  # median absolute deviation -> standard deviation, of normal noise
TAIL = 0.97  # the quantile of the upper tail that is looked at too, and how many deviations above the mean it is
TAIL_SIGMAS = 1.8808
FEW = 10  # a deviation from n losses is taken 1 + FEW / n times as wide, for it may be too narrow by chance

Alarm = Callable[[int, str, str], None]  # step, kind (nan, spike, stall), text


class Verdict(Enum):
    """What to do with an update: make it, leave it out, or go back to a checkpoint and on without this step's data."""

    fine = "fine"
    skip = "skip"
    rewind = "rewind"


class Watch:
    """Judges the losses of a stage one by one, and tells `alarm` (such as `RunLog.alarm`) what is wrong with one.

    A spike is a loss more than `spike_sigmas` deviations above the median of the last WINDOW losses. Median and median
    deviation are hardly moved by spikes, and a slow change of level widens the deviation as it shifts the median, so
    that it is no spike however long it goes on. Losses of skipped updates are not remembered.
    """

    def __init__(self, settings: WatchSettings, stage: str = "training", alarm: Alarm | None = None) -> None:
        self.settings, self.stage, self.alarm = settings, stage, alarm or (lambda step, kind, text: None)
        self._losses: list[float] = []
        self._skips = 0  # in a row
        self._last_bad = -1  # the last step that was not fine

    def judge(self, step: int, loss: float, grad_norm: float = 0.0) -> Verdict:
        """What to do with an update of step number `step`; the values are those of all processes together.

        Raises FiresteelError for NaN or infinity with on_nan = "stop", and after `max_skips` bad steps in a row.
        """
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            return self._nan(step, loss, grad_norm)
        usual, sigma = spread(self._losses)
        above = (loss - usual) / sigma
        if above > self.settings.spike_sigmas:
            return self._spike(step, f"loss {loss:.4g} is {above:.1f} deviations above {usual:.4g}, the usual of late")
        self._remember(loss)
        if step > self._last_bad:  # after a rewind, the steps before the spike say nothing about what follows it
            self._skips = 0
        return Verdict.fine

    def stalls(self) -> Stall:
        """The watchdog of this stage: `with watch.stalls() as stalls`, and inside `with stalls.step(number)` for each step."""
        return Stall(self.settings.stall_factor, lambda step, text: self.alarm(step, "stall", text))

    def state(self) -> dict[str, Any]:
        """All that it remembers, plain JSON, for a checkpoint."""
        return {"losses": list(self._losses), "skips": self._skips, "last_bad": self._last_bad}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of this stage in a new process."""
        self._losses = [float(x) for x in state["losses"]]
        self._skips, self._last_bad = int(state["skips"]), int(state["last_bad"])

    def rewind(self, state: Mapping[str, Any] | None) -> None:
        """Go back to a checkpoint's memory (None: the stage's start), all but how many bad steps there were in a row.

        Without that count a spike that comes back after every rewind would never end the run.
        """
        self._losses = [float(x) for x in state["losses"]] if state else []

    def _nan(self, step: int, loss: float, grad_norm: float) -> Verdict:
        which = f"loss {loss}" if not math.isfinite(loss) else f"gradient norm {grad_norm}"
        if self.settings.on_nan == "stop":
            raise FiresteelError(
                "training diverged", value=f"{which} at step {step}", why="a loss or gradient became infinite or NaN",
                hint=f'lower {self.stage}.learning_rate, or set watch.on_nan = "skip"; the last checkpoint is kept',
            )  # fmt: skip
        self._last_bad = max(step, self._last_bad)
        self._count(step, f"{which} is no number")
        self.alarm(step, "nan", f"{which} is no number; this update is skipped")
        return Verdict.skip

    def _spike(self, step: int, text: str) -> Verdict:
        again, self._last_bad = self._last_bad in (step - 1, step), max(step, self._last_bad)
        if self.settings.on_spike == "warn":
            usual, sigma = spread(self._losses)  # a level that stays becomes the usual one, a lone spike stays visible
            self._remember(usual + self.settings.spike_sigmas * sigma)
            if not again:
                self.alarm(step, "spike", text)
            return Verdict.fine
        self._count(step, text)
        back = self.settings.on_spike == "rewind"
        then = "going back to a checkpoint, to pass it over" if back else "this update is skipped"
        self.alarm(step, "spike", f"{text}; {then}")
        return Verdict.rewind if back else Verdict.skip

    def _count(self, step: int, text: str) -> None:
        self._skips += 1
        if self._skips >= self.settings.max_skips:
            raise FiresteelError(
                "training does not recover", value=f"{self._skips} bad updates in a row, the last at step {step}", why=text,
                hint=f"lower {self.stage}.learning_rate, look at the data of these steps, or raise watch.max_skips; "
                'watch.on_spike = "warn" goes on through spikes; the last checkpoint is kept',
            )  # fmt: skip

    def _remember(self, loss: float) -> None:
        self._losses = [*self._losses[-(WINDOW - 1) :], loss]


def spread(losses: list[float]) -> tuple[float, float]:
    """Median of some losses, and a robust standard deviation: from the median deviation or the upper tail, the wider one.

    Batches of short or mixed texts have losses with a long upper tail, which the median deviation alone does not see.
    With fewer than NEEDED losses the deviation is infinite: nothing is far from the usual yet.
    """
    if len(losses) < NEEDED:
        return 0.0, math.inf
    usual = statistics.median(losses)
    middle = TO_SIGMA * statistics.median(abs(x - usual) for x in losses)
    tail = (sorted(losses)[int(TAIL * (len(losses) - 1))] - usual) / TAIL_SIGMAS
    return usual, max(middle, tail, FLOOR * abs(usual), 1e-9) * (1 + FEW / len(losses))
