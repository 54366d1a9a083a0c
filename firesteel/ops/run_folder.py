"""A run folder as an outsider reads it: files that are not there are stages that were not run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firesteel.core import artefact
from firesteel.core.artefact import MANIFEST, Manifest
from firesteel.core.config import parse_recipe
from firesteel.core.errors import ArtefactError, RecipeError
from firesteel.core.log import read_lines, read_metrics

STAGES = (
    "data", "tokenizer", "tokens", "pretrain", "extend", "sft", "distil", "preference", "grpo", "rejection", "grpo_all", "eval",
    "compress", "safety", "release",
)  # fmt: skip
TRAINED = STAGES[STAGES.index("pretrain") : STAGES.index("eval")]
REPORTS = ("eval", "compress", "safety")
QUANTITIES = ("seconds", "peak_bytes", "kwh", "co2e_g", "cost")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """What a run folder says. `ledger` holds one record per stage, the latest; `metrics` the records of each stage."""

    path: Path
    recipe: dict[str, Any]
    machine: dict[str, Any]
    metrics: dict[str, list[Record]]
    ledger: dict[str, Record]
    reports: dict[str, dict[str, Any]]
    manifests: dict[str, Manifest] = field(default_factory=dict)
    alarms: dict[str, list[Record]] = field(default_factory=dict)  # of each stage, in the order they were raised

    @property
    def name(self) -> str:
        """The recipe's name, or the folder's."""
        return str(self.recipe.get("name") or self.path.name)

    def stats(self, stage: str) -> dict[str, Any]:
        """The statistics in a stage's manifest; {} if it was not run."""
        return self.manifests[stage].stats if stage in self.manifests else {}

    @property
    def expected(self) -> tuple[str, ...]:
        """The stages that its recipe has, in order; every recipe's, if this version cannot read it."""
        try:
            made = parse_recipe(self.recipe).model_stages
        except RecipeError:
            made = ("pretrain", "sft", "grpo")
        return tuple(name for name in STAGES if name in made or name not in TRAINED)

    def total(self, which: str, quantity: str) -> float | None:
        """Sum of a quantity of `estimate` or `actual` over the stages (of peak memory the largest); None if unknown."""
        values = [r[which][quantity] for r in self.ledger.values() if r.get(which) and quantity in r[which]]
        if not values:
            return None
        return float(max(values) if quantity == "peak_bytes" else sum(values))

    @property
    def currency(self) -> str:
        """The currency of the ledger's costs."""
        return str(next((r["currency"] for r in self.ledger.values() if r.get("currency")), ""))


def read_run(path: Path) -> RunFolder:
    """Read a run folder, finished or not. Raises ArtefactError for a file that is there but damaged."""
    metrics: dict[str, list[Record]] = defaultdict(list)
    alarms: dict[str, list[Record]] = defaultdict(list)
    for record in read_metrics(path / "metrics.jsonl"):
        (alarms if "alarm" in record else metrics)[str(record.get("stage"))].append(record)
    reports = {name: read_json(path / name / "report.json") for name in REPORTS}
    return RunFolder(
        path=path, recipe=read_json(path / "recipe.json"), machine=read_json(path / "machine.json"),
        metrics=dict(metrics), ledger={str(r.get("stage")): r for r in read_lines(path / "ledger.jsonl")},
        reports={name: report for name, report in reports.items() if report}, manifests=_manifests(path),
        alarms=dict(alarms),
    )  # fmt: skip


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; {} if there is no such file. Raises ArtefactError if it is damaged."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as e:
        hint = "run the same command again"
        raise ArtefactError("a file of the run is damaged", value=file, why=str(e), hint=hint) from e
    if not isinstance(value, dict):
        raise ArtefactError("a file of the run is damaged", value=file, why="it does not hold an object")
    return value


def _manifests(path: Path) -> dict[str, Manifest]:
    """Manifests of the stages in the order of the recipe; folders with other names come last."""
    names = [file.parent.name for file in path.glob(f"*/{MANIFEST}") if not file.parent.name.startswith(".")]
    order = {name: i for i, name in enumerate(STAGES)}
    names.sort(key=lambda name: (order.get(name, len(order)), name))
    return {name: artefact.read(path / name) for name in names}
