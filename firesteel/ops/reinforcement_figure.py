"""The curves of reinforcement learning: what answers earned, how long they were, and what there was to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from firesteel.ops.curve_figure import DASHES, PALETTE, plot, step_axis
from firesteel.ops.curves import curve
from firesteel.ops.run_folder import Record
from firesteel.ops.svg import BAD, BEFORE, GOOD, MUTED, SFT, SPARK, draw

SAMPLED = 15  # spans to smooth over: a step's means are of some hundred answers, and jump
TASKS = 6  # that get a curve of their own; more cannot be told apart


@dataclass(frozen=True)
class Panel:
    """A title and its curves: (metric, colour, label). `always`: also where nothing of it was recorded, which is said then."""

    title: str
    lines: Sequence[tuple[str, str, str]]
    always: bool = False


PANELS = (
    Panel("reward and share correct", [("reward", SPARK, "reward"), ("accuracy", SFT, "correct")], True),
    Panel(
        "length of an answer, tokens",
        [("length", SPARK, "all"), ("length_right", GOOD, "right"), ("length_wrong", BAD, "wrong")], True,
    ),
    Panel("entropy, nats a token", [("entropy", SPARK, "entropy"), ("kl", SFT, "KL to the start")], True),
    Panel("sampler against trainer, nats a token", [("logprob_gap", SPARK, "gap")], True),
    Panel(
        "share of groups that teach nothing",
        [("no_signal", SPARK, "all alike"), ("all_right", GOOD, "all right"), ("all_wrong", BAD, "all wrong")],
    ),
    Panel(
        "share of answers",
        [("truncated", BAD, "cut at the bound"), ("distinct", SFT, "distinct"), ("used", GOOD, "learnt from")],
    ),
    Panel("share of tokens clipped", [("clipped_low", SFT, "below"), ("clipped_high", SPARK, "above")]),
    Panel("level of the questions", [("level_by_task", SPARK, "")]),
)  # fmt: skip


def reinforcement(records: Sequence[Record], max_gap: float | None, *, name: str = "rl") -> str:
    """All panels of which something was recorded, over the steps. `max_gap`: above it the run stops; `name` begins the ids."""
    panels = [p for p in (*PANELS[:1], *_by_task(records), *PANELS[1:]) if p.always or _recorded(records, p)]
    rows = -(-len(panels) // 2)

    def paint(figure: Figure) -> None:
        axes = list(figure.subplots(rows, 2, squeeze=False).flat)
        for panel, one in zip(axes, panels, strict=False):
            _paint(panel, one, records, max_gap)
        for panel in axes[len(panels) :]:
            panel.set_axis_off()

    return draw(name, 8.6, 2.1 * rows, paint)


def _paint(panel: Axes, one: Panel, records: Sequence[Record], max_gap: float | None) -> None:
    shown = one.lines
    if one.title.startswith("level"):
        shown = _tables(records, "level_by_task")
    for number, (key, colour, label) in enumerate(shown):
        dash = DASHES[number // len(PALETTE) % len(DASHES)] if "/" in key else "-"
        plot(panel, curve(records, key), colour, label, dash, SAMPLED)
    panel.set_title(one.title)
    step_axis(panel)
    if not panel.lines:
        panel.set(xticks=[], yticks=[])
        panel.text(0.5, 0.5, "not recorded", ha="center", va="center", color=MUTED, transform=panel.transAxes)
    elif "sampler" in one.title and max_gap:
        panel.set_yscale("log")
        panel.minorticks_off()
        panel.axhline(max_gap, color=BAD, lw=1, ls=(0, (4, 3)), label="stops above")
    else:
        panel.set_ylim(bottom=0)
    if len(panel.get_legend_handles_labels()[1]) > 1:
        crowded = len(shown) > 3
        if crowded:  # room for the names above the curves
            panel.set_ylim(top=1.5 * panel.get_ylim()[1])
        panel.legend(loc="upper right" if crowded else "best", ncols=2 if crowded else 1)


def _recorded(records: Sequence[Record], panel: Panel) -> bool:
    return any(key.partition("/")[0] in record for key, _, _ in panel.lines for record in records)


def _by_task(records: Sequence[Record]) -> list[Panel]:
    """What each task's answers earned, where there are several."""
    lines = _tables(records, "reward_by_task")
    return [Panel("reward by task", lines)] if len(lines) > 1 else []


def _tables(records: Sequence[Record], metric: str) -> list[tuple[str, str, str]]:
    tasks = sorted({task for record in records for task in record.get(metric) or {}})
    colours = (SPARK, SFT, GOOD, BAD, BEFORE, *PALETTE[-1:])
    return [(f"{metric}/{task}", colours[i % len(colours)], task) for i, task in enumerate(tasks[:TASKS])]
