"""Line charts in a terminal: two by four dots a character (Unicode Braille patterns), or plain marks without Unicode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from firesteel.ops import units
from firesteel.ops.curves import Curve

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bit of the dot in row, column of a character
BRAILLE = 0x2800
COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
MARKS = "*xo+#%"
EVERY = 7  # characters between two marks of a curve
LABEL = 9  # characters left of the axis

Cell = tuple[int, int]  # column, row


def chart(curves: Sequence[Curve], width: int, height: int, *, ascii_only: bool = False) -> list[Text]:
    """Lines of a chart, `width` characters wide and `height` + 2 high: the curves, smoothed, over a common axis of steps.

    All but the first curve carry a mark of their own every few characters, so that they differ without colour too.
    """
    drawn = [c.smooth() for c in curves]
    steps = [s for c in drawn for s in c.steps]
    low, high = _range([v for c in drawn for v in c.values])
    span, columns = (min(steps), max(steps)), width - LABEL - 2
    wide, tall = (columns, height) if ascii_only else (2 * columns, 4 * height)
    points = [_points(one, wide, tall, span, (low, high)) for one in drawn]
    cells: dict[Cell, tuple[str, str]] = {}
    for i, own in enumerate(points):
        if ascii_only:
            cells |= _marks(own, i, every=1 + (i > 0))  # of two that coincide both are seen
        else:
            _braille(cells, own, COLOURS[i % len(COLOURS)])
    for i, own in enumerate(points):
        if i and not ascii_only:
            cells |= _marks({x // 2: (y // 4, z // 4) for x, (y, z) in own.items()}, i, every=EVERY, start=3 * i)
    return [*_rows(cells, (low, high), columns, height, ascii_only), *_axis(span, columns, ascii_only)]


def _rows(
    cells: Mapping[Cell, tuple[str, str]], values: tuple[float, float], columns: int, height: int, ascii_only: bool
) -> Iterator[Text]:
    low, high = values
    middle = (height - 1) // 2
    labels = {0: high, middle: high - (high - low) * middle / (height - 1), height - 1: low}
    for row in range(height):
        number = _label(labels[row]) if row in labels else ""
        edge = "|" if ascii_only else "┤" if row in labels else "│"
        line = Text(f"{number:>{LABEL}} {edge}", style="dim", no_wrap=True)
        for column in range(columns):
            look, colour = cells.get((column, row), (" ", ""))
            line.append(look, style=f"not dim {colour}".strip())
        yield line


def _label(value: float) -> str:
    """A number that fits beside the axis."""
    text = units.number(value)
    return text if len(text) <= LABEL else f"{value:.1e}"


def _axis(steps: tuple[int, int], columns: int, ascii_only: bool) -> Iterator[Text]:
    first, last = (f"{step:,}" for step in steps)
    line = "+" + "-" * columns if ascii_only else "└" + "─" * columns
    yield Text(" " * (LABEL + 1) + line, style="dim", no_wrap=True)
    yield Text(f"{'step':>{LABEL}}  {first}{last:>{columns - len(first)}}", style="dim", no_wrap=True)


def mark(number: int, *, ascii_only: bool = False) -> Text:
    """How curve number `number` of a chart looks, for a legend."""
    line, look = " " if ascii_only else "⠒", MARKS[number % len(MARKS)]
    return Text(f"{line}{look if number or ascii_only else line}{line}", style=COLOURS[number % len(COLOURS)])


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest value; a little more where they are one."""
    low, high = min(values), max(values)
    pad = (abs(low) or 1.0) * 0.05 if high - low <= 1e-12 * max(abs(low), abs(high)) else 0.0
    return low - pad, high + pad


def _points(
    one: Curve, wide: int, tall: int, steps: tuple[int, int], values: tuple[float, float]
) -> dict[int, tuple[int, int]]:
    """For each dot column that the curve crosses the rows it covers there, top and bottom, without gaps to the left."""
    span, height = max(steps[1] - steps[0], 1), values[1] - values[0]
    sums: dict[int, list[float]] = {}
    for step, value in zip(one.steps, one.values, strict=True):
        sums.setdefault(round((step - steps[0]) / span * (wide - 1)), []).append(value)
    rows = {x: (values[1] - math.fsum(v) / len(v)) / height * (tall - 1) for x, v in sorted(sums.items())}
    known = list(rows.items())
    filled = {known[0][0]: known[0][1]} if known else {}
    for (a, ya), (b, yb) in zip(known, known[1:], strict=False):
        filled |= {x: ya + (yb - ya) * (x - a) / (b - a) for x in range(a + 1, b + 1)}
    covered, before = {}, None
    for x, y in filled.items():
        here = round(y)
        reach = here if before is None else before + (here > before) - (here < before)  # next to the column before
        covered[x] = (min(here, reach), max(here, reach))
        before = here
    return covered


def _braille(cells: dict[Cell, tuple[str, str]], points: Mapping[int, tuple[int, int]], colour: str) -> None:
    """Add a curve's dots to those that are there."""
    for x, (top, bottom) in points.items():
        for y in range(top, bottom + 1):
            cell = (x // 2, y // 4)
            bits = ord(cells[cell][0]) if cell in cells else BRAILLE
            cells[cell] = (chr(bits | DOTS[y % 4][x % 2]), colour)


def _marks(
    points: Mapping[int, tuple[int, int]], number: int, *, every: int, start: int = 0
) -> dict[Cell, tuple[str, str]]:
    look = (MARKS[number % len(MARKS)], COLOURS[number % len(COLOURS)])
    return {(x, (top + bottom) // 2): look for x, (top, bottom) in points.items() if (x - start) % every == 0}
