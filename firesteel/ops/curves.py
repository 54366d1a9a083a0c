"""Curves of metrics over steps: which a run has, smoothed, thinned. Drawn by chart.py (terminal) and curve_page.py (SVG)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firesteel.core.errors import UserError, nearest
from firesteel.ops.run_folder import Record

POINTS = 400  # of a curve that are drawn; more only makes a page heavy
SPANS = 60  # a smoothed value looks about this part of the curve to both sides
LEAST = 8  # records below which a curve is not smoothed
MAIN = ("reward", "length", "accuracy", "loss", "grad_norm", "tokens_per_s")  # the first two of these are shown unasked
NOT_CURVES = {"stage", "step", "time", "alarm", "text"}


@dataclass(frozen=True)
class Curve:
    """One metric of one stage over its steps."""

    name: str
    steps: list[int]
    values: list[float]

    def smooth(self, spans: int = SPANS) -> Curve:
        """Each value averaged with its neighbours, less with each step away, over about 1/`spans` to both sides; without lag.

        A short curve stays as it is.
        """
        span = len(self.steps) / spans
        if len(self.steps) < LEAST or span <= 1:
            return self
        keep = math.exp(-1 / span)
        before, after = _decayed(self.values, keep), _decayed(self.values[::-1], keep)[::-1]
        sums = [  # the value itself is in both
            (b + a - value, n + m - 1)
            for (b, n), (a, m), value in zip(before, after, self.values, strict=True)
        ]  # fmt: skip
        return Curve(self.name, self.steps, [total / weight for total, weight in sums])

    def thin(self, points: int = POINTS) -> Curve:
        """At most about `points` of its points, evenly, the last one always."""
        every = max(1, len(self.steps) // points)
        kept = [i for i in range(len(self.steps)) if i % every == 0 or i == len(self.steps) - 1]
        return Curve(self.name, [self.steps[i] for i in kept], [self.values[i] for i in kept])


@dataclass(frozen=True)
class Line:
    """A curve among others over one axis: its label ("" for the only one), and the numbers of its colour and its dashes."""

    label: str
    curve: Curve
    colour: int = 0
    dash: int = 0


def _decayed(values: Sequence[float], keep: float) -> list[tuple[float, float]]:
    """For each value the sum of it and those before it, `keep` less each, and the sum of the weights."""
    total, weight, found = 0.0, 0.0, []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        found.append((total, weight))
    return found


def curve(records: Sequence[Record], name: str) -> Curve:
    """The curve of a metric, `loss` or, of a metric by parts, `loss_by_source/web`; numbers only."""
    metric, _, part = name.partition("/")
    found = [(r["step"], r[metric].get(part) if part and isinstance(r[metric], Mapping) else r[metric])
             for r in records if metric in r]  # fmt: skip
    known = [(step, float(v)) for step, v in found if isinstance(v, int | float) and math.isfinite(v)]
    return Curve(name, [step for step, _ in known], [value for _, value in known])


def names(records: Sequence[Record]) -> list[str]:
    """Every curve that some records have, in the order of their appearance; parts of a metric as `metric/part`."""
    found: dict[str, None] = {}
    for record in records:
        for name, value in record.items():
            if name not in NOT_CURVES and isinstance(value, int | float):
                found[name] = None
            elif isinstance(value, Mapping):
                found |= {f"{name}/{part}": None for part, v in value.items() if isinstance(v, int | float)}
    return list(found)


def metrics(records: Sequence[Record]) -> dict[str, list[str]]:
    """The same, parts of a metric together under its name."""
    found: dict[str, list[str]] = {}
    for name in names(records):
        found.setdefault(name.partition("/")[0], []).append(name)
    return found


def all_charts(records: Sequence[Record]) -> list[list[str]]:
    """The curves of each metric, the main ones first."""
    found = metrics(records)
    return [found[name] for name in [*(n for n in MAIN if n in found), *(n for n in found if n not in MAIN)]]


def main(records: Sequence[Record]) -> list[str]:
    """The two metrics that tell most about a stage."""
    known = set(names(records))
    return [name for name in MAIN if name in known][:2]


def chosen(stages: Mapping[str, Sequence[Record]], wanted: Sequence[str]) -> dict[str, list[list[str]]]:
    """For each stage its charts, each a list of curves: of the `wanted` metrics, or of the main ones if none is named.

    Raises UserError for a metric that no stage has.
    """
    if not wanted:
        return {stage: [[name] for name in main(records)] for stage, records in stages.items()}
    known = {stage: metrics(records) for stage, records in stages.items()}
    everything = {name for groups in known.values() for group, parts in groups.items() for name in (group, *parts)}
    for name in wanted:
        if name not in everything:
            raise UserError("no such metric was recorded", value=name, hint=nearest(name, everything))
    return {
        stage: [groups.get(n, [n]) for n in wanted if n in groups or any(n in g for g in groups.values())]
        for stage, groups in known.items()
    }  # fmt: skip
