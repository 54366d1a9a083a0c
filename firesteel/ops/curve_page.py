"""Every curve of one run, or of two laid over each other, as one HTML file that opens from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from firesteel import __version__
from firesteel.core.artefact import write_text
from firesteel.core.page import style
from firesteel.ops.blocks import STAGE_NAMES
from firesteel.ops.curve_figure import figure
from firesteel.ops.run_folder import RunFolder
from firesteel.ops.show_curves import Panel, labels

TEMPLATES = Path(__file__).with_name("templates")
ALARMED = ("loss", "reward", "grad_norm")  # charts in which alarms are drawn


def write_page(runs: Sequence[RunFolder], panels: Sequence[Panel], file: Path) -> None:
    """Write the panels to `file`; every text in it is escaped, only the figures are not."""
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("curves.html.jinja").render(
        runs=labels(runs), paths=[str(run.path) for run in runs], version=__version__, style=style(),
        stages=list(_stages(runs, panels)),
    )  # fmt: skip
    write_text(file, page)


def _stages(runs: Sequence[RunFolder], panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    for stage in dict.fromkeys(panel.stage for panel in panels):
        alarms = [(label, a) for run, label in zip(runs, labels(runs), strict=True) for a in run.alarms.get(stage, ())]
        steps = [alarm["step"] for _, alarm in alarms]
        own = [panel for panel in panels if panel.stage == stage]
        figures = [
            (p.metric, figure(f"{stage}-{i}", p.metric, p.curves, steps if p.metric in ALARMED else ()))
            for i, p in enumerate(own)
        ]
        yield {"name": stage, "chinese": STAGE_NAMES.get(stage, ""), "figures": figures, "alarms": alarms}
