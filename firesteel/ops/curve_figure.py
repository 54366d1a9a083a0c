"""Curves as matplotlib draws them, the same for the report and for the page of `firesteel show --html`."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from firesteel.ops import units
from firesteel.ops.curves import SPANS, Curve, Line
from firesteel.ops.svg import BAD, BEFORE, GOOD, INK, SFT, SPARK, draw

PALETTE = (SPARK, SFT, GOOD, BEFORE, BAD, INK)
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)))  # so that curves differ without colour too
FAINT = 0.3  # opacity of a curve as it was recorded, behind the smoothed one
WIDTH, HEIGHT = 4.3, 2.4  # inches


def plot(panel: Axes, one: Curve, colour: str, label: str, dash: object = "-", spans: int = SPANS) -> None:
    """A curve, smoothed (Curve.smooth), over its faint self; nothing if it has no points."""
    if not one.steps:
        return
    smooth = one.smooth(spans)
    if smooth is not one:
        raw = one.thin()
        panel.plot(raw.steps, raw.values, color=colour, alpha=FAINT, lw=0.7)
    thin = smooth.thin()
    marker = "o" if len(thin.steps) == 1 else None
    panel.plot(thin.steps, thin.values, color=colour, label=label, marker=marker, ms=3, ls=dash)


def step_axis(panel: Axes) -> None:
    """Steps are whole numbers."""
    panel.set_xlabel("step")
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def figure(name: str, title: str, lines: Sequence[Line], alarms: Sequence[int] = ()) -> str:
    """The SVG of one panel; `alarms` are steps that get a line. `name` begins its ids."""

    def paint(whole: Figure) -> None:
        panel = whole.subplots()
        for one in lines:
            plot(panel, one.curve, PALETTE[one.colour % len(PALETTE)], one.label, DASHES[one.dash % len(DASHES)])
        for i, step in enumerate(sorted(set(alarms))):
            panel.axvline(step, color=BAD, lw=0.8, ls=(0, (1, 2)), label="" if i else "alarm")
        panel.set_title(title)
        step_axis(panel)
        _value_axis(panel, title)
        if any(panel.get_legend_handles_labels()[1]):
            panel.legend(loc="best", handlelength=2.6)

    return draw(name, WIDTH, HEIGHT, paint)


def _value_axis(panel: Axes, metric: str) -> None:
    """Units of bytes and of large numbers; room around a curve that is flat, whose rounding is no news."""
    low, high = panel.dataLim.intervaly
    top = max(abs(low), abs(high))
    if high - low <= 1e-6 * top or not top:
        panel.set_ylim(low - 0.1 * (top or 1), high + 0.1 * (top or 1))
    look = units.size if metric.endswith("_bytes") else units.large if top >= 1e4 or top < 1e-3 else None
    if look is not None:
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: look(value)))
    else:
        panel.ticklabel_format(axis="y", useOffset=False)
