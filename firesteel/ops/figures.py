"""The figures of the report page. Labels are English: a bare machine may have no Chinese font to draw with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from firesteel.core.config import placeless
from firesteel.core.stats import wilson
from firesteel.ops import units
from firesteel.ops.curve_figure import plot, step_axis
from firesteel.ops.curves import POINTS, curve
from firesteel.ops.run_folder import QUANTITIES, Record
from firesteel.ops.svg import BAD, BEFORE, GOOD, INK, SFT, SPARK, draw

MODELS = {  # stage -> what its model is called, and its colour; the last three are steps of R1's pipeline or beside it
    "pretrain": ("pretrained", BEFORE), "sft": ("fine-tuned", SFT), "distil": ("distilled", GOOD), "grpo": ("reinforced", SPARK),
    "rejection": ("fine-tuned on its best", INK), "grpo_all": ("reinforced for all", BAD),
}  # fmt: skip
SCALES = {  # quantity of the ledger -> title, factor to its unit
    "seconds": ("time, s", 1.0), "peak_bytes": ("peak memory, MiB", 2.0**-20), "kwh": ("energy, Wh", 1e3),
    "co2e_g": ("carbon, g CO2e", 1.0), "cost": ("cost", 1.0),
}  # fmt: skip


def accuracy(report: Record) -> str:
    """Accuracy with 95 % whiskers: a row a task and all tasks, a column for all questions and for each language."""
    models = {name: m for name, m in report["models"].items() if name in MODELS}
    tasks = list(dict.fromkeys(task for m in models.values() for task in m["tasks"]))
    languages = sorted({lang for m in models.values() for t in m["tasks"].values() for lang in t.get("by", {})})
    rows = [*tasks, *(["all"] if len(tasks) > 1 else [])]
    named = [placeless(row) for row in rows]

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 1 + len(languages), sharey=True, squeeze=False)[0]
        for panel, language in zip(panels, ["", *languages], strict=True):
            for i, name in enumerate(models):
                estimates = [_estimate(models[name], row, language) for row in rows]
                _whiskers(panel, estimates, (i - (len(models) - 1) / 2) * min(0.22, 0.8 / len(models)), *MODELS[name])
            panel.set_title({"": "all questions", "zh": "Chinese", "en": "English"}.get(language, language))
            panel.set(
                xlim=(-0.02, 1.02),
                ylim=(len(rows) - 0.5, -0.5),
                yticks=range(len(rows)),
                yticklabels=named,
            )
            panel.set_xticks([0, 0.25, 0.5, 0.75, 1])
            panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            panel.grid(visible=False, axis="y")
            panel.spines["left"].set_visible(False)
            panel.tick_params(length=0)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(models))

    return draw("accuracy", 8.6, 1.25 + 0.62 * len(rows), paint)


def _estimate(model: Record, row: str, language: str) -> Record | None:
    if row == "all" and not language:
        return model.get("all")
    tasks = model["tasks"].values() if row == "all" else [model["tasks"].get(row, {})]
    found = [task.get("by", {}).get(language) if language else task for task in tasks]
    known = [e for e in found if e]
    if len(known) > 1:  # a language's questions of all tasks together
        return wilson(sum(round(e["value"] * e["n"]) for e in known), sum(e["n"] for e in known)).as_dict()
    return known[0] if known else None


def _whiskers(panel: Axes, estimates: Sequence[Record | None], shift: float, label: str, colour: str) -> None:
    known = [(y + shift, e) for y, e in enumerate(estimates) if e]
    x = [e["value"] for _, e in known]
    wings = [[e["value"] - e["low"] for _, e in known], [e["high"] - e["value"] for _, e in known]]
    panel.errorbar(
        x, [y for y, _ in known], xerr=wings, fmt="o", ms=5, color=colour, elinewidth=1.6, capsize=0, label=label,
    )  # fmt: skip


def learning(metrics: Mapping[str, Sequence[Record]]) -> list[str]:
    """The stages that learn from given texts, by their loss; what reinforcement learning calls its loss tells nothing."""
    return [
        stage for stage, records in metrics.items()
        if any("loss" in r for r in records) and not any("reward" in r for r in records)
    ]  # fmt: skip


def losses(metrics: Mapping[str, Sequence[Record]]) -> str:
    """Loss, and that of the token after the next, over the steps of each stage that learns from given texts."""
    stages = learning(metrics)
    columns = min(len(stages), 2)
    rows = -(-len(stages) // columns)

    def paint(figure: Figure) -> None:
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for panel, stage in zip(panels, stages, strict=False):
            for key, colour, label in (("mtp_loss", BEFORE, "token after the next"), ("loss", SPARK, "next token")):
                plot(panel, curve(metrics[stage], key), colour, label)
            panel.set_title(f"{MODELS[stage][0] if stage in MODELS else stage}: loss, nats a token")
            step_axis(panel)
            panel.set_ylim(bottom=0)
            panel.legend(loc="upper right")
        for panel in panels[len(stages) :]:
            panel.set_axis_off()

    return draw("loss", 8.6, 2.5 * rows, paint)


def experts(metrics: Mapping[str, Sequence[Record]]) -> str:
    """How evenly experts are used: the last step's shares, and the busiest expert's share over the steps."""
    loads = {s: [r for r in metrics.get(s, ()) if r.get("expert_load")] for s in MODELS}
    loads = {stage: records for stage, records in loads.items() if records}

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        stage, records = next(iter(loads.items()))
        shares = _shares(records[-1])
        left.bar(range(1, len(shares) + 1), sorted(shares, reverse=True), color=MODELS[stage][1], width=0.75)
        left.axhline(1 / len(shares), color=INK, lw=1, ls=(0, (4, 3)))
        left.text(len(shares) + 0.5, 1 / len(shares), "even", ha="right", va="bottom", color=INK, fontsize=8)
        left.set_title(f"share of each expert, {MODELS[stage][0]}, last step")
        left.set_xlabel("experts, busiest first")
        left.yaxis.set_major_formatter(PercentFormatter(1.0))
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        for name, own in loads.items():
            label, colour = MODELS[name]
            thin = _thinned(own)
            x = [r["step"] / own[-1]["step"] for r in thin]
            right.plot(x, [max(_shares(r)) * len(_shares(r)) for r in thin], color=colour, lw=1, label=label)
        right.axhline(1, color=INK, lw=1, ls=(0, (4, 3)))
        right.set_title("busiest expert / even share")
        right.set_xlabel("part of the stage's steps")
        right.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        right.set_ylim(bottom=0)
        right.legend(loc="best")

    return draw("experts", 8.6, 2.5, paint)


def _shares(record: Record) -> list[float]:
    load = [float(x) for x in record["expert_load"]]
    return [x / (sum(load) or 1.0) for x in load]


def costs(ledger: Mapping[str, Record], currency: str) -> str:
    """Estimate beside actual for every stage, a panel a quantity; quantities that are zero throughout are left out."""
    stages = list(ledger)
    used = [q for q in QUANTITIES if any(_quantity(r, w, q) for r in ledger.values() for w in ("estimate", "actual"))]
    used = used or ["seconds"]

    def paint(figure: Figure) -> None:
        for panel, quantity in zip(figure.subplots(1, len(used), sharey=True, squeeze=False)[0], used, strict=True):
            title, factor = SCALES[quantity]
            for which, shift, colour in (("estimate", -0.19, BEFORE), ("actual", 0.19, SPARK)):
                values = [(_quantity(ledger[s], which, quantity) or 0.0) * factor for s in stages]
                panel.barh([i + shift for i in range(len(stages))], values, height=0.36, color=colour, label=which)
            panel.set_title(title if quantity != "cost" else f"cost, {currency}")
            panel.set(ylim=(len(stages) - 0.5, -0.5), yticks=range(len(stages)), yticklabels=stages)
            panel.tick_params(axis="y", length=0)
            panel.grid(visible=False, axis="y")
            panel.xaxis.set_major_locator(MaxNLocator(3))
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: units.number(value)))
        handles, labels = panel.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)

    return draw("costs", 8.6, 1.0 + 0.29 * len(stages), paint)


def _quantity(record: Record, which: str, quantity: str) -> float | None:
    value: Any = (record.get(which) or {}).get(quantity)
    return None if value is None else float(value)


def _thinned(records: Sequence[Record]) -> list[Record]:
    """At most about POINTS records, evenly, the last one always."""
    every = max(1, len(records) // POINTS)
    return [r for i, r in enumerate(records) if i % every == 0 or i == len(records) - 1]
