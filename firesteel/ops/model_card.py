"""The model card: README.md with the front matter that Hugging Face reads, in English and Chinese."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from firesteel import __version__
from firesteel.ops import units
from firesteel.ops.blocks import STAGE_NAMES
from firesteel.ops.gate import accuracy
from firesteel.ops.page_record import SHOWN
from firesteel.ops.run_folder import QUANTITIES, STAGES, TRAINED, RunFolder

TEMPLATES = Path(__file__).with_name("templates")
HUB_LICENCES = (  # identifiers that the hub knows; any other is named beside "other"
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "unlicense",
)  # fmt: skip


def model_card(
    run: RunFolder, recipe: Mapping[str, Any], reports: Mapping[str, Mapping[str, Any]],
    lineage: Sequence[Mapping[str, Any]], config: Mapping[str, Any], weights_bytes: int,
) -> str:  # fmt: skip
    """The card's Markdown; `config` is the model's config.json. A report that is missing is said to be so."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": markdown, "yaml": json.dumps}
    evaluation, compressed, int8 = reports.get("eval", {}), reports.get("compress", {}), "quantization_config" in config
    order = {stage: i for i, stage in enumerate(STAGES)}
    return environment.get_template("model_card.md.jinja").render(
        name=recipe["name"], version=__version__, licence=recipe["release"]["licence"], hub_licence=hub_licence,
        config=config, weights=units.size(weights_bytes), int8=int8, accuracy=accuracy(reports, int8=int8),
        trained=[stage for stage in TRAINED if stage in run.metrics], recipe=recipe,
        data=run.stats("data"), evaluation=evaluation, tasks=_tasks(evaluation), compress=compressed,
        safety=reports.get("safety", {}), interval=units.interval, number=units.number, size=units.size,
        spent=_spent(run), methods=_methods(run), stages=STAGE_NAMES,
        lineage=sorted(lineage, key=lambda row: order.get(row["stage"], len(order))),
    )  # fmt: skip


def markdown(value: Any) -> str:
    """A value as inert Markdown text on one line: no markup, table or HTML can come from it."""
    text = " ".join(str(value).split())
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def hub_licence(licence: str) -> str:
    """The hub's identifier of a licence, or `other`."""
    return licence.lower() if licence.lower() in HUB_LICENCES else "other"


def _tasks(evaluation: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(task for m in evaluation.get("models", {}).values() for task in m["tasks"]))


def _spent(run: RunFolder) -> list[tuple[str, str, str]]:
    """(what, estimate, actual) of the whole run."""
    names = {
        "seconds": "time 时间", "peak_bytes": "peak memory 峰值内存", "kwh": "energy 电量", "co2e_g": "carbon 碳排 (CO2e)",
        "cost": f"cost 费用 ({run.currency})",
    }  # fmt: skip
    return [(names[q], *(SHOWN[q](run.total(which, q)) for which in ("estimate", "actual"))) for q in QUANTITIES]  # type: ignore[misc]


def _methods(run: RunFolder) -> str:
    return "; ".join(dict.fromkeys(str(r["method"]) for r in run.ledger.values() if r.get("method"))) or units.DASH
