"""The tables at the end of a run; they fit 80 columns, for logs and slow lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from firesteel.core.config import placeless
from firesteel.core.log import read_lines
from firesteel.stages.stage import Run

COSTS = {
    "seconds": ("seconds", 1.0),
    "peak MiB": ("peak_bytes", 2.0**-20),
    "Wh": ("kwh", 1000.0),
    "cost": ("cost", 1.0),
}


def print_summary(run: Run, made: Sequence[str]) -> None:
    """What each stage took against its estimate; how good the models are; where the report is.

    Of a stage that is not among those `made` now nothing is said: what lies in its place may be of another recipe.
    """
    latest = {r["stage"]: r for r in read_lines(run.folder / "ledger.jsonl")}
    if latest:
        run.log.console.print(_costs(list(latest.values()), run.recipe.machine.currency))
    report = run.folder / "eval" / "report.json"
    if "eval" in made and report.is_file():
        read = json.loads(report.read_text(encoding="utf-8"))
        run.log.console.print(_quality(read))
        if others := {name: m["other"]["tasks"] for name, m in read["models"].items() if "other" in m}:
            run.log.console.print(_carried(others, read.get("other_gains", {})))
    run.log.say(f"report: {run.folder / 'report.html'}")
    if "release" in made and (run.folder / "release" / "manifest.json").is_file():
        run.log.say(f"model:  {run.folder / 'release'}")


def _costs(records: list[dict[str, Any]], currency: str) -> Table:
    table = Table(title="\nwhat it took (estimate → actual)", title_justify="left")
    table.add_column("stage", no_wrap=True)
    for name in COSTS:
        table.add_column(f"{name}, {currency}" if name == "cost" else name, justify="right", no_wrap=True)
    for r in records:
        guess = r.get("estimate") or {}
        cells = [
            (f"{_short(guess[key] * scale)} → " if key in guess else "") + _short(r["actual"][key] * scale)
            for key, scale in COSTS.values()
        ]
        table.add_row(r["stage"], *cells)
    both = [
        [(max if key == "peak_bytes" else sum)([(r.get(side) or {}).get(key, 0.0) * scale for r in records])
         for key, scale in COSTS.values()]
        for side in ("estimate", "actual")
    ]  # fmt: skip
    table.add_row("[bold]all[/bold]", *(f"[bold]{_short(e)} → {_short(a)}[/bold]" for e, a in zip(*both, strict=True)))
    carbon = sum(r["actual"]["co2e_g"] for r in records)
    table.caption = f"{carbon:.2g} g CO2e; energy is {records[-1]['method']}" if records else ""
    return table


def _short(value: float) -> str:
    """Three digits that matter, without an exponent where a person would write none."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def _quality(report: dict[str, Any]) -> Table:
    models = report["models"]
    tasks = list(next(iter(models.values()))["tasks"])
    n = next(iter(models.values()))["all"]["n"]
    heat = report["decoding"]["temperature"]
    table = Table(title=f"\nheld-out accuracy, %, sampled at temperature {heat:g}, n={n}", title_justify="left")
    for name in ("model", *map(placeless, tasks), "all [95 %]", "greedy", "ppl"):
        table.add_column(name.replace("[", "\\["), justify="left" if name == "model" else "right", no_wrap=True)
    for name, m in models.items():
        by_task = [f"{100 * m['tasks'][t]['value']:.1f}" for t in tasks]
        greedy = f"{100 * m['greedy']['all']['value']:.1f}"
        table.add_row(name, *by_task, _interval(m["all"]), greedy, f"{m['perplexity']['value']:.1f}")
    gained = next((name for name in report["gains"] if name.startswith("grpo-over-")), None)
    if gained is not None:
        both = [_interval(report["gains"][name]) for name in (gained, f"{gained}-greedy")]
        table.caption = f"gain by reinforcement learning, in pairs: {both[0]} points; greedy {both[1]}"
    return table


def _carried(models: dict[str, Any], gains: dict[str, Any]) -> Table:
    """Tasks that were not trained, and what the last stage gained there."""
    last = next(reversed(gains), "")
    table = Table(title="\nbeyond what was trained, %", title_justify="left")
    for name in ("task", *models, *([f"{last.split('-')[0]} gained \\[95 %]"] if last else [])):
        table.add_column(name, justify="left" if name == "task" else "right", no_wrap=True)
    for task in next(iter(models.values())):
        shares = [f"{100 * own[task]['value']:.1f}" for own in models.values()]
        table.add_row(placeless(task), *shares, *([_interval(gains[last][task]["difference"])] if last else []))
    return table


def _interval(fields: dict[str, Any]) -> str:
    return f"{100 * fields['value']:.1f} \\[{100 * fields['low']:.1f}, {100 * fields['high']:.1f}]"
