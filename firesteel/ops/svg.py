"""Figures as inline SVG that takes its colours and fonts from the page, so that they fit a light, dark or printed page.

matplotlib draws with stand-in colours; here they become CSS variables.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# stand-in colour -> the CSS variable of the page
COLOURS = {
    "#010101": "--ink", "#020202": "--muted", "#030303": "--line", "#040404": "--paper", "#050505": "--wash",
    "#060101": "--before", "#060202": "--sft", "#060303": "--spark", "#060404": "--bad", "#060505": "--good",
}  # fmt: skip
INK, MUTED, LINE, PAPER, WASH, BEFORE, SFT, SPARK, BAD, GOOD = COLOURS
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9,
    "axes.titlelocation": "left", "axes.titlecolor": INK, "axes.titleweight": "bold", "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE, "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": LINE, "grid.linewidth": 0.6, "text.color": INK,
    "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "axes.facecolor": "none", "figure.facecolor": "none",
    "legend.frameon": False, "legend.fontsize": 8.5, "legend.labelcolor": INK, "lines.linewidth": 1.4,
    "figure.constrained_layout.use": True, "figure.constrained_layout.wspace": 0.06,
    "figure.constrained_layout.hspace": 0.08,
}  # fmt: skip


def draw(name: str, width: float, height: float, paint: Callable[[Figure], None]) -> str:
    """Let `paint` fill a figure of `width` x `height` inches; its SVG element, with ids that begin with `name`."""
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(width, height))
        paint(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _themed(out.getvalue(), name)


def _themed(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would style the whole page
    svg = re.sub(r"font-family: [^;\"]+", "font-family: var(--sans)", svg)
    svg = re.sub(r"(font: [\w ]*[\d.]+px) [^;\"]+", r"\1 var(--sans)", svg)  # as older versions write it
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg.replace("<svg ", '<svg role="img" ', 1)
