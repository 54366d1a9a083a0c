"""A training stage on the console: a live area on a terminal, about ten plain lines elsewhere. Never the end of a run."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

REFRESHES = 2  # a second
RECENT = 100  # steps that the rest of the time is foretold from
SPARKS = {False: "▁▂▃▄▅▆▇█", True: "_.-:=+*#"}  # by whether the terminal has ASCII only
SPARK_WIDTH = 32
TEN = 10  # plain lines a stage, about


def short(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}"


def thousands(value: float) -> str:
    """A whole number, its thousands parted."""
    return f"{value:,.0f}"


def gibibytes(value: float) -> str:
    """Bytes in GiB."""
    return f"{value / 2**30:.2f} GiB"


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.3g} %"


# metric -> label and look; what a record lacks is left out
QUALITY: dict[str, tuple[str, Callable[[float], str]]] = {
    "loss": ("loss", short), "mtp_loss": ("mtp", short), "mtp_accepted": ("mtp accepted", share),
    "reward": ("reward", short), "accuracy": ("accuracy", share), "length": ("length", short),
    "grad_norm": ("grad norm", short), "lr": ("lr", short),
}  # fmt: skip
SPEED: dict[str, tuple[str, Callable[[float], str]]] = {
    "tokens_per_s": ("tokens/s", thousands), "mfu": ("MFU", share), "resident_bytes": ("memory", gibibytes),
    "peak_bytes": ("peak", gibibytes), "device_bytes": ("device", gibibytes), "dead_experts": ("dead experts", thousands),
}  # fmt: skip
SHOWN = ("loss", "mtp_loss", "reward", "accuracy", "tokens_per_s")  # on plain lines
CURVES = ("reward", "loss")  # the first that is recorded has its sparkline


class Eta:
    """Foretells the rest from the last RECENT steps, so that a growing batch or a slow checkpoint soon counts no more."""

    def __init__(self, start: int, total: int, clock: Callable[[], float]) -> None:
        self.total, self.clock = total, clock
        self.began = clock()
        self._points: deque[tuple[int, float]] = deque([(start, self.began)], maxlen=RECENT + 1)

    def update(self, done: int) -> None:
        """`done` steps are behind us now; fewer than before after a rewind, which starts afresh."""
        if done <= self._points[-1][0]:
            self._points.clear()
        elif len(self._points) == 2 and self._points[0][1] == self.began:
            self._points.popleft()  # the first step, which loads and compiles, is a guide only while it is the only one
        self._points.append((done, self.clock()))

    def left(self) -> float | None:
        """Seconds to go; None before the first step."""
        (first, began), (last, now) = self._points[0], self._points[-1]
        return (now - began) / (last - first) * (self.total - last) if last > first else None


def clock_time(seconds: float | None) -> str:
    """As a clock shows it: 4:05, 1:02:03, 2 d 03:10; dashes while unknown."""
    if seconds is None:
        return "-:--"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    return f"{days} d {h:02}:{m:02}" if days else f"{h}:{m:02}:{s:02}" if h else f"{m}:{s:02}"


class Sparkline:
    """The course of a number in one line: bucket means, twice as wide whenever there are too many."""

    def __init__(self) -> None:
        self._means: list[float] = []
        self._size, self._sum, self._count = 1, 0.0, 0

    def add(self, value: float) -> None:
        """One more step's value."""
        self._sum, self._count = self._sum + value, self._count + 1
        if self._count == self._size:
            self._means.append(self._sum / self._size)
            self._sum, self._count = 0.0, 0
        if len(self._means) == 2 * SPARK_WIDTH:
            self._means = [(a + b) / 2 for a, b in zip(self._means[::2], self._means[1::2], strict=True)]
            self._size *= 2

    def draw(self, *, ascii_only: bool = False) -> str:
        """At most 2 SPARK_WIDTH characters, the newest last; the highest tenth (the start, as a rule) shares the top mark."""
        if not self._means:
            return ""
        marks, ordered = SPARKS[ascii_only], sorted(self._means)
        low, span = ordered[0], ordered[int(0.9 * (len(ordered) - 1))] - ordered[0]
        top = len(marks) - 1
        return "".join(marks[min(round((m - low) / span * top), top) if span else 0] for m in self._means)


class Lines:
    """Progress as plain lines: the first step, the last, and every tenth of a stage between them."""

    def __init__(
        self, console: Console, stage: str, start: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console, self.stage, self.start, self.total = console, stage, start, total
        self.eta = Eta(start, total, clock)

    def update(self, done: int, metrics: Mapping[str, Any]) -> None:
        """Step number `done` is behind us, with these metrics (the names of QUALITY and SPEED are known)."""
        self.eta.update(done)
        if done % max(1, self.total // TEN) == 0 or done in (self.start + 1, self.total):
            self.console.print(self.line(done, metrics), highlight=False, markup=False)

    def line(self, done: int, metrics: Mapping[str, Any]) -> str:
        """A step in one line."""
        facts = [f"{name} {metrics[name]:.4g}" for name in SHOWN if isinstance(metrics.get(name), int | float)]
        facts += [f"{clock_time(self.eta.left())} left"] if done < self.total else []
        return f"  {self.stage} {done:>5}/{self.total}  {'  '.join(facts)}"

    def alarm(self, text: str) -> None:
        """The newest alarm (the log has said it already)."""

    def close(self) -> None:
        """The stage has ended, or was broken off."""


class _Area(Live):
    """A live area whose terminal may go away: that must not end the training that it shows."""

    def refresh(self) -> None:
        """Draw it anew."""
        with contextlib.suppress(OSError, ValueError):
            super().refresh()


class View(Lines):
    """Progress as an area of the terminal that is drawn anew twice a second; a line of the last step stays behind."""

    def __init__(
        self, console: Console, stage: str, start: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(console, stage, start, total, clock)
        self.done, self.metrics, self._alarm, self._alarmed = start, dict[str, Any](), "", 0.0
        self.spark, self._curve = Sparkline(), ""
        self._live = _Area(
            console=console, get_renderable=self._safely, refresh_per_second=REFRESHES, transient=True
        )  # fmt: skip
        self._live.start()
        console.show_cursor(True)  # rich hides it, and a process that is killed could not bring it back

    def update(self, done: int, metrics: Mapping[str, Any]) -> None:
        """Remember the step; the drawing thread takes it from here."""
        self.eta.update(done)
        self.done, self.metrics = done, dict(metrics)
        self._curve = next((n for n in CURVES if isinstance(metrics.get(n), int | float)), "")
        value = metrics.get(self._curve, math.nan)
        if math.isfinite(value):
            self.spark.add(value)

    def alarm(self, text: str) -> None:
        """Keep the newest alarm in sight."""
        self._alarm, self._alarmed = text, self.eta.clock()

    def close(self) -> None:
        """Take the area away and leave one line."""
        with contextlib.suppress(OSError, ValueError):
            self._live.stop()
            if self.done > self.start:
                self.console.print(self.line(self.done, self.metrics), highlight=False, markup=False)

    def _safely(self) -> RenderableType:
        try:
            return self.render()
        except Exception as e:  # the view is an extra: a mistake in it is shown in its place
            return Text(f"  {self.stage} {self.done}/{self.total} (view: {type(e).__name__}: {e})")

    def render(self) -> RenderableType:
        """The area: progress and time, quality, speed and memory, the newest alarm."""
        head = Table.grid(padding=(0, 1), expand=False)
        done, total = self.done, self.total
        times = f"{clock_time(self.eta.clock() - self.eta.began)} gone, {clock_time(self.eta.left())} left"
        width = max(10, min(40, self.console.width - len(self.stage) - 2 * len(str(total)) - len(times) - 14))
        place = f"{done:,}/{total:,}  {100 * done // max(total, 1)} %"
        bar = ProgressBar(total=max(total, 1), completed=done, width=width, finished_style="bar.complete")
        head.add_row(Text(f"  {self.stage}", style="bold", no_wrap=True), bar, Text(f"{place}  {times}", no_wrap=True))
        rows: list[RenderableType] = [head]
        spark = self.spark.draw(ascii_only=self.console.options.ascii_only)
        rows += [self._row(facts) for facts in (self._facts(QUALITY), self._facts(SPEED)) if facts]
        if len(spark) > 1:
            shown = spark[-max(8, self.console.width - len(self._curve) - 8) :]
            rows.append(self._row([Text.assemble((f"{self._curve} ", "dim"), (shown, "cyan"))]))
        if self._alarm:
            ago = clock_time(self.eta.clock() - self._alarmed)
            rows.append(Text(f"  ! {self._alarm} ({ago} ago)", style="yellow", no_wrap=True, overflow="ellipsis"))
        return Group(*rows)

    def _facts(self, table: Mapping[str, tuple[str, Callable[[float], str]]]) -> list[Text]:
        known = [(n, self.metrics[n]) for n in table if isinstance(self.metrics.get(n), int | float)]
        return [Text.assemble((f"{table[name][0]} ", "dim"), table[name][1](value)) for name, value in known]

    def _row(self, facts: list[Text]) -> Text:
        row = Text("  ", no_wrap=True, overflow="ellipsis")
        return row.append_text(Text("   ").join(facts))


@contextlib.contextmanager
def progress(console: Console, stage: str, start: int, total: int) -> Iterator[Lines]:
    """A stage's progress on `console` for the length of the block: a View on a terminal, else Lines."""
    kind = View if console.is_interactive and not console.quiet else Lines
    bar = kind(console, stage, start, total)
    try:
        yield bar
    finally:
        bar.close()
