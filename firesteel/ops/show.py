"""What an artefact or a run is: kind, files, lineage, statistics, and what its report found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firesteel.core import artefact
from firesteel.core.artefact import MANIFEST, Manifest
from firesteel.core.errors import ArtefactError
from firesteel.ops import show_curves, tree, units
from firesteel.ops.gate import judged
from firesteel.ops.run_folder import QUANTITIES, RunFolder, read_json, read_run

if TYPE_CHECKING:
    from rich.console import Console

RUN_FILES = ("recipe.json", "metrics.jsonl", "ledger.jsonl")
MAX_FILES = 12  # that are listed one by one
MAX_ALARMS = 10


def show(path: Path) -> dict[str, Any]:
    """Facts of the artefact or the run folder at `path`, plain values for JSON. Raises ArtefactError if it is neither."""
    path = Path(path).absolute()
    if not path.is_dir():
        hint = "give the folder of a run or of one of its stages, such as runs/quickstart/release"
        raise ArtefactError("no such folder", value=path, hint=hint)
    if any((path / name).is_file() for name in RUN_FILES) and not _is_artefact(path):
        return _run(path)
    return _artefact(path)


def _is_artefact(path: Path) -> bool:
    return (path / MANIFEST).is_file() and artefact.read(path).kind != "run"


def _artefact(path: Path) -> dict[str, Any]:
    manifest = artefact.read(path)
    files = {name: fact["bytes"] for name, fact in manifest.files.items()}
    report = read_json(path / "report.json")
    return {
        "path": str(path), "kind": manifest.kind, "id": manifest.id, "created": manifest.created, "code": manifest.code,
        "files": files, "bytes": sum(files.values()), "stats": manifest.stats, "settings": manifest.settings,
        "lineage": list(_lineage(manifest, _known(path.parent))),
        **({"report": summary(report)} if report else {}),
    }  # fmt: skip


def _known(folder: Path) -> dict[str, tuple[Path, Manifest]]:
    """The artefacts in a folder by id; damaged ones are left out, for they are not what was asked about."""
    known = {}
    for file in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            manifest = artefact.read(file.parent)
        except ArtefactError:
            continue
        known[manifest.id] = (file.parent, manifest)
    return known


def _lineage(manifest: Manifest, known: Mapping[str, tuple[Path, Manifest]]) -> Iterator[dict[str, Any]]:
    """What an artefact was made from, nearest first; each once. `found` tells whether it is here to be looked at."""
    seen: set[str] = set()
    waiting = [(role, id, 1) for role, id in manifest.inputs.items()]
    while waiting:
        role, id, distance = waiting.pop(0)
        if id in seen:
            continue
        seen.add(id)
        place, parent = known.get(id, (None, None))
        yield {
            "role": role, "id": id, "distance": distance, "found": place is not None,
            "folder": place.name if place else None, "kind": parent.kind if parent else None,
        }  # fmt: skip
        waiting += [(r, i, distance + 1) for r, i in parent.inputs.items()] if parent else []


def _run(path: Path) -> dict[str, Any]:
    run = read_run(path)
    stages = {
        name: {"kind": m.kind, "id": m.id, "created": m.created, "bytes": sum(f["bytes"] for f in m.files.values())}
        for name, m in run.manifests.items()
    }
    return {
        "path": str(path), "kind": "run", "name": run.name, "stages": stages,
        "missing": [name for name in run.expected if name not in stages],
        "last_step": {stage: records[-1]["step"] for stage, records in run.metrics.items()},
        "alarms": [dict(record) for records in run.alarms.values() for record in records],
        "spent": _totals(run, "actual"), "estimated": _totals(run, "estimate"), "currency": run.currency,
        "gates": [asdict(gate) for gate in judged(run.recipe, run.reports)],
        "reports": {name: summary(report) for name, report in run.reports.items()},
    }  # fmt: skip


def _totals(run: RunFolder, which: str) -> dict[str, float]:
    totals = {quantity: run.total(which, quantity) for quantity in QUANTITIES}
    return {quantity: value for quantity, value in totals.items() if value is not None}


def summary(report: Mapping[str, Any]) -> dict[str, str]:
    """The figures of a report in words: every estimate with its interval and n, one level deep in `models` and `gains`."""
    lines: dict[str, str] = {}
    for name, m in report.get("models", {}).items():
        lines[f"{name} accuracy"] = units.interval(m.get("all"))
        lines[f"{name} perplexity"] = units.number((m.get("perplexity") or {}).get("value"))
    lines |= {
        name.replace("-", " "): units.interval(gain, signed=True) for name, gain in report.get("gains", {}).items()
    }
    for name in ("block_rate", "veiled_block_rate", "false_block_rate"):
        if report.get(name):
            lines[name.replace("_", " ")] = units.interval(report[name])
    for side in ("before", "after"):
        if side in report:
            facts = report[side]
            lines[side] = f"{units.size(facts.get('bytes'))}, perplexity {units.number(facts.get('perplexity'), 4)}"
    if report.get("difference"):
        lines["accuracy change"] = units.interval(report["difference"], signed=True)
    return lines


def render(facts: Mapping[str, Any], console: Console) -> None:
    """Print the facts of `show` as tables."""
    if facts["kind"] == "run":
        _render_run(facts, console)
    else:
        _render_artefact(facts, console)


def _render_run(facts: Mapping[str, Any], console: Console) -> None:
    _heading(console, facts["name"], "run", facts["path"])
    rows = [
        (name, s["kind"], s["id"][:12], units.size(s["bytes"]), s["created"]) for name, s in facts["stages"].items()
    ]
    rows += [(name, "not run", "", "", "") for name in facts["missing"]]
    _table(console, "stages", ("stage", "kind", "id", "size", "made"), rows)
    shown = {
        "seconds": units.duration, "peak_bytes": units.size, "kwh": units.energy, "co2e_g": units.mass,
        "cost": lambda value: f"{units.number(value)} {facts['currency']}",
    }  # fmt: skip
    spent, planned = facts["spent"], facts["estimated"]
    costs = [(q, shown[q](planned[q]) if q in planned else units.DASH, shown[q](value)) for q, value in spent.items()]
    _table(console, "what it took", ("", "estimate", "actual"), costs)
    gates = [
        ("pass" if g["passed"] else "FAIL", g["name"], units.number(g["value"], 4), units.number(g["bound"]))
        for g in facts["gates"]
    ]
    _table(console, "gates", ("", "gate", "value", "bound"), gates)
    for name, lines in facts["reports"].items():
        _table(console, f"report: {name}", ("", ""), lines.items())
    alarms, many = facts["alarms"], len(facts["alarms"]) > MAX_ALARMS
    raised = [(a["stage"], f"{a['step']:,}", a["alarm"], a.get("text", "")) for a in alarms[-MAX_ALARMS:]]
    title = f"alarms, the last {MAX_ALARMS} of {len(alarms)}" if many else "alarms"
    _table(console, title, ("stage", "step", "kind", ""), raised)
    if facts["last_step"]:
        show_curves.draw([Path(facts["path"])], (), console)


def _render_artefact(facts: Mapping[str, Any], console: Console) -> None:
    _heading(console, Path(facts["path"]).name, facts["kind"], facts["path"])
    about = [("id", facts["id"]), ("made", facts["created"]), ("code", facts["code"][:16])]
    about.append(("size", f"{units.size(facts['bytes'])} in {len(facts['files'])} files"))
    _table(console, "", ("", ""), about)
    files = sorted(facts["files"].items(), key=lambda item: -item[1])
    left = f"files, the largest {MAX_FILES}" if len(files) > MAX_FILES else "files"
    _table(console, left, ("file", "size"), [(name, units.size(n)) for name, n in files[:MAX_FILES]])
    lineage = [
        (
            "  " * (row["distance"] - 1) + row["role"],
            row["kind"] or "not in this folder",
            row["folder"] or "",
            row["id"][:12],
        )
        for row in facts["lineage"]
    ]
    _table(console, "made from", ("role", "kind", "folder", "id"), lineage)
    _table(console, "statistics", ("", ""), tree.rows(facts["stats"]))
    _table(console, "report", ("", ""), facts.get("report", {}).items())


def _heading(console: Console, name: str, kind: str, path: str) -> None:
    from rich.markup import escape

    console.print(f"[bold]{escape(name)}[/bold]  {kind}  [dim]{escape(path)}[/dim]", highlight=False)


def _table(console: Console, title: str, heads: tuple[str, ...], rows: Any) -> None:
    """A table of plain text; nothing if there are no rows."""
    from rich.markup import escape
    from rich.table import Table

    rows = list(rows)
    if not rows:
        return
    if title:  # a table would wrap its title to its own width
        console.print(f"[bold]{escape(title)}[/bold]", highlight=False)
    table = Table(show_header=any(heads), box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print(table)
    console.print()
