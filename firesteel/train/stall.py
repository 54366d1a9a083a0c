"""A watchdog that says so when a training step takes far longer than usual: a process that died, a disk, a network."""

from __future__ import annotations

import contextlib
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType

PACKAGE = Path(__file__).parent.parent
RECENT, NEEDED = 32, 5  # steps whose median is the usual time, and how many there must be
LEAST = 10.0  # seconds that are no stall, however quick steps are otherwise
POLL = 1.0  # seconds between looks while no step is under way


class Stall:
    """Calls `say(step, text)` when a step takes `factor` times the usual, and again whenever that has doubled.

        with Stall(factor, say) as stalls:
            for number in ...:
                with stalls.step(number):
                    ...
                ...  # checkpoint, evaluation: no part of a step, may take what it takes

    `say` is called from the watchdog's own thread. Wall time decides only what is said, never what is learnt.
    """

    def __init__(self, factor: float, say: Callable[[int, str], None], *, least: float = LEAST) -> None:
        self.factor, self.say, self.least = factor, say, least
        self._times: deque[float] = deque(maxlen=RECENT)
        self._change = threading.Condition()
        self._now: tuple[int, float] | None = None  # the step under way, and when it began
        self._warned = 0  # how often, in this step
        self._ended = False
        self._watched = 0  # the thread that trains
        self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)

    def __enter__(self) -> Stall:
        self._watched = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._change:
            self._ended = True
            self._change.notify()
        self._thread.join()

    @contextlib.contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Step `number` is under way while the block runs."""
        began = time.monotonic()
        with self._change:  # no notify: at every look the thread works out anew how long it may wait
            self._now, self._warned = (number, began), 0
        try:
            yield
        finally:
            with self._change:
                self._now = None
                self._times.append(time.monotonic() - began)

    def _watch(self) -> None:
        while True:
            with self._change:
                if self._ended:
                    return
                wait, found = self._look()
                if found is None:
                    self._change.wait(wait)
                    continue
                self._warned += 1
            step, gone, usual = found
            self.say(step, f"has taken {_seconds(gone)}, usually {_seconds(usual)}; now {self._where()}")

    def _look(self) -> tuple[float, tuple[int, float, float] | None]:
        """Seconds until it is worth looking again; or the step that has stalled, its seconds, and the usual seconds."""
        if self._now is None or len(self._times) < NEEDED:
            return min(POLL, self.least / 2), None
        number, began = self._now
        usual, gone = statistics.median(self._times), time.monotonic() - began
        limit = max(self.least, self.factor * usual) * float(2**self._warned)
        return (0.0, (number, gone, usual)) if gone >= limit else (limit - gone, None)

    def _where(self) -> str:
        """The innermost line of Firesteel that the watched thread is at."""
        frame: FrameType | None = sys._current_frames().get(self._watched)
        while frame is not None and not Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
            frame = frame.f_back
        if frame is None:
            return "outside Firesteel's code"
        return (
            f"in {Path(frame.f_code.co_filename).relative_to(PACKAGE)}, line {frame.f_lineno} ({frame.f_code.co_name})"
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
