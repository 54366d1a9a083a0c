"""Curves of one run, or of two laid over each other, in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firesteel.core.errors import ArtefactError
from firesteel.ops import chart, curves, units
from firesteel.ops.curves import Curve, Line
from firesteel.ops.run_folder import RunFolder, read_run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDE = 110  # characters from which on two charts stand side by side
WIDEST = 100  # of one chart
HEIGHT = 10
GAP = 2
TOGETHER = 6  # curves of a chart, as many as have colours and marks


@dataclass(frozen=True)
class Panel:
    """What is drawn over one axis: a metric of a stage, of one run or two, as a whole or by parts."""

    stage: str
    metric: str
    curves: Sequence[Line]


def open_runs(paths: Sequence[Path]) -> list[RunFolder]:
    """The runs at `paths`. Raises ArtefactError for a folder without metrics."""
    for path in paths:
        if not (path / "metrics.jsonl").is_file():
            parent = path.absolute().parent
            run = parent if (parent / "metrics.jsonl").is_file() else "runs/quickstart"
            hint = f"give the folder of a run, such as {run}"
            raise ArtefactError("no curves here", value=path, why="there is no metrics.jsonl in it", hint=hint)
    return [read_run(path) for path in paths]


def panels(runs: Sequence[RunFolder], wanted: Sequence[str] = (), *, everything: bool = False) -> list[Panel]:
    """The charts of the runs, stage by stage: of the `wanted` metrics, else of the main ones, or of every one.

    Raises UserError for a metric that no stage has.
    """
    stages = {stage: [r for run in runs for r in run.metrics.get(stage, ())] for run in runs for stage in run.metrics}
    if everything and not wanted:
        charts = {stage: curves.all_charts(records) for stage, records in stages.items()}
    else:
        charts = curves.chosen(stages, wanted)
    found = [_panel(runs, stage, names) for stage, groups in charts.items() for names in groups]
    return [panel for panel in found if panel.curves]


def _panel(runs: Sequence[RunFolder], stage: str, names: Sequence[str]) -> Panel:
    lines, parts, both = [], len(names) > 1, len(runs) > 1
    for i, name in enumerate(names):
        for j, (run, label) in enumerate(zip(runs, labels(runs), strict=True)):
            one = curves.curve(run.metrics.get(stage, ()), name)
            words = ", ".join(filter(None, (name.partition("/")[2] if parts else "", label if both else "")))
            lines += [Line(words, one, i if parts else j, j if both else i)] if one.steps else []
    return Panel(stage, names[0].partition("/")[0] if parts else names[0], lines)


def labels(runs: Sequence[RunFolder]) -> list[str]:
    """What the runs are called beside each other: by their folders, with as much of the path as tells them apart."""
    parts = [run.path.absolute().parts for run in runs]
    depth = next((n for n in range(1, 20) if len({p[-n:] for p in parts}) == len(runs)), 1)
    return ["/".join(p[-depth:]) for p in parts]


def draw(paths: Sequence[Path], wanted: Sequence[str], console: Console, html: Path | None = None) -> None:
    """The curves of the runs at `paths`, on the console or as a page in the file `html`."""
    runs = open_runs(paths)
    found = panels(runs, wanted, everything=html is not None)
    if html is None:
        render(found, console)
        return
    from firesteel.ops.curve_page import write_page  # matplotlib: slow to import

    write_page(runs, found, html)
    console.print(f"curves: {html}", markup=False, soft_wrap=True)


def render(found: Sequence[Panel], console: Console) -> None:
    """Draw the charts on the console, two in a row where it is wide."""
    columns = 2 if console.width >= WIDE else 1
    width = min(WIDEST, (console.width - GAP * (columns - 1)) // columns)
    by_stage: dict[str, list[Panel]] = {}
    for panel in found:
        by_stage.setdefault(panel.stage, []).append(panel)
    for group in by_stage.values():
        for i in range(0, len(group), columns):
            _render_row([list(_lines(p, width, console)) for p in group[i : i + columns]], width, console)


def _render_row(blocks: Sequence[list[Text]], width: int, console: Console) -> None:
    from rich.text import Text

    tall = max(len(block) for block in blocks)
    heads = [len(block) - HEIGHT - 2 for block in blocks]  # legends differ in height; axes stand side by side
    padded = [[Text()] * (max(heads) - head) + block for head, block in zip(heads, blocks, strict=True)]
    for i in range(max(tall, *(len(block) for block in padded))):
        line = Text(no_wrap=True, overflow="crop")
        for j, block in enumerate(padded):
            part = block[i].copy()
            if j < len(padded) - 1:
                part.truncate(width, pad=True)
                part.append(" " * GAP)
            line.append_text(part)
        line.rstrip()
        console.print(line)
    console.print()


def _lines(panel: Panel, width: int, console: Console) -> Iterator[Text]:
    """Title, legend, and chart."""
    from rich.text import Text

    ascii_only = console.options.ascii_only
    shown, left = panel.curves[:TOGETHER], panel.curves[TOGETHER:]
    alone = len(shown) == 1 and not shown[0].label
    yield Text.assemble((f"{panel.stage}: {panel.metric}", "bold"), (_course(shown[0].curve) if alone else "", "dim"))
    for i, one in enumerate(() if alone else shown):
        mark = chart.mark(i, ascii_only=ascii_only)
        line = Text.assemble("  ", mark, f" {one.label}", (_course(one.curve), "dim"), no_wrap=True)
        line.truncate(width, overflow="ellipsis")
        yield line
    if left:
        yield Text(f"  and {len(left)} more: name one with --metric {panel.metric}/NAME", style="dim")
    yield from chart.chart([one.curve for one in shown], width, HEIGHT, ascii_only=ascii_only)


def _course(one: Curve) -> str:
    """From where to where a curve goes, smoothed."""
    smooth = one.smooth().values
    return f"  {units.number(smooth[0])} to {units.number(smooth[-1])}, {units.number(len(one.steps))} steps"
