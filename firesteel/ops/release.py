"""The release folder: weights in Hugging Face layout with everything that tells where they come from and what they can do.

config.json, *.safetensors, tokenizer files, chat template      the model, as other programs load it
README.md                                                       the model card
reports/*.json, data_card.md, lineage.json, recipe.json         the evidence
training_log.jsonl, ledger.jsonl, report.html                   the record of the run
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firesteel.core.errors import ArtefactError
from firesteel.ops.model_card import model_card
from firesteel.ops.run_folder import read_json, read_run

NEEDED = ("config.json", "tokenizer.json")
WELCOME = (
    "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
    "model.safetensors.index.json",
)  # fmt: skip
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")  # can run code when they are opened
RECORDS = {"metrics.jsonl": "training_log.jsonl", "ledger.jsonl": "ledger.jsonl"}  # in the run -> in the release


def write_release(
    folder: Path, *, model_folder: Path, reports: Mapping[str, Path], data_card: Path, run_dir: Path,
    recipe: Mapping[str, Any], lineage: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Fill `folder` with a release; returns facts for the artefact's statistics.

    `reports` by the stage that made them, `recipe` resolved, `lineage` rows with stage, kind, id and inputs. Raises
    ArtefactError for a file that is missing or for weights that are no safetensors.
    """
    from firesteel.ops.report_page import write_report  # matplotlib: slow to import, and every process has this module

    folder.mkdir(parents=True, exist_ok=True)
    weights = _copy_model(model_folder, folder)
    (folder / "reports").mkdir(exist_ok=True)
    for name, file in reports.items():
        _copy(file, folder / "reports" / f"{name}.json")
    _copy(data_card, folder / "data_card.md")
    for name, target in RECORDS.items():
        _copy(run_dir / name, folder / target)
    _write(folder / "lineage.json", list(lineage))
    _write(folder / "recipe.json", dict(recipe))
    write_report(run_dir, folder / "report.html")
    judged = {name: read_json(folder / "reports" / f"{name}.json") for name in reports}
    card = model_card(read_run(run_dir), recipe, judged, lineage, read_json(folder / "config.json"), weights)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return {"weights_bytes": weights, "licence": recipe["release"]["licence"], "reports": sorted(reports)}


def _copy_model(source: Path, target: Path) -> int:
    """Copy the model's files; returns the bytes of its weights."""
    found = {file.name: file for file in source.iterdir() if file.is_file()} if source.is_dir() else {}
    pickles = sorted(name for name in found if name.endswith(PICKLES))
    weights = sorted(name for name in found if name.endswith(".safetensors"))
    missing = [name for name in NEEDED if name not in found] + ([] if weights else ["*.safetensors"])
    if missing:
        raise ArtefactError("not a model that can be released", value=source, why=f"it lacks {', '.join(missing)}")
    if pickles:
        why = f"{', '.join(pickles)} can run code when opened"
        raise ArtefactError(
            "pickled weights are not released", value=source, why=why, hint="keep only safetensors there"
        )
    for name in (*NEEDED, *weights, *(name for name in WELCOME if name in found)):
        _copy(found[name], target / name)
    return sum((target / name).stat().st_size for name in weights)


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise ArtefactError(
            "a release needs a file that is not there", value=source, hint="run the stage that makes it"
        )
    shutil.copyfile(source, target)


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
