"""The table at the end of a run."""

from __future__ import annotations

import json

from rich.table import Table

from firesteel.core.stats import Estimate
from firesteel.stages.stage import Run


def print_summary(run: Run) -> None:
    """Time, memory and money of each stage against its estimate; the models' accuracy; where the report is."""
    ledger = run.folder / "ledger.jsonl"
    if ledger.is_file():
        latest = {r["stage"]: r for r in map(json.loads, ledger.read_text(encoding="utf-8").splitlines())}
        run.log.console.print(_costs(list(latest.values())))
    report = run.folder / "eval" / "report.json"
    if report.is_file():
        run.log.console.print(_quality(json.loads(report.read_text(encoding="utf-8"))))
    run.log.say(f"report: {run.folder / 'report.html'}")
    if (run.folder / "release" / "manifest.json").is_file():
        run.log.say(f"model:  {run.folder / 'release'}")


def _costs(records: list[dict]) -> Table:
    table = Table(title="what it took (estimate → actual)", title_justify="left")
    for name in ("stage", "seconds", "peak MiB", "Wh", "g CO2e", "cost"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    scale = {"seconds": 1.0, "peak_bytes": 2.0**-20, "kwh": 1000.0, "co2e_g": 1.0, "cost": 1.0}
    total = dict.fromkeys(scale, 0.0)
    for r in records:
        cells = []
        for key, factor in scale.items():
            actual, guess = r["actual"][key] * factor, r.get("estimate") or {}
            total[key] = max(total[key], actual) if key == "peak_bytes" else total[key] + actual
            cells.append((f"{guess[key] * factor:.3g} → " if key in guess else "") + f"{actual:.3g}")
        table.add_row(r["stage"], *cells)
    table.add_row("[bold]all[/bold]", *(f"[bold]{v:.3g}[/bold]" for v in total.values()))
    return table


def _quality(report: dict) -> Table:
    table = Table(title="held-out accuracy, 95 % interval", title_justify="left")
    tasks = list(next(iter(report["models"].values()))["tasks"])
    for name in ("model", *tasks, "all", "greedy", "perplexity"):
        table.add_column(name)
    for name, m in report["models"].items():
        by_task = [_estimate(m["tasks"][t]) for t in tasks]
        table.add_row(
            name, *by_task, _estimate(m["all"]), f"{m['greedy']['all']['value']:.1%}", f"{m['perplexity']['value']:.1f}"
        )
    gained = report["gains"]["grpo-over-sft"]
    table.caption = f"gain by reinforcement learning, in pairs: {_estimate(gained)}"
    return table


def _estimate(fields: dict) -> str:
    return str(Estimate(**{k: fields[k] for k in ("value", "low", "high", "n")}))
