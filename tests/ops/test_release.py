"""The release folder holds the model, its evidence and its card, and nothing that can run code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from firesteel.core import artefact
from firesteel.core.config import parse_recipe
from firesteel.core.errors import ArtefactError
from firesteel.ops.model_card import hub_licence, markdown
from firesteel.ops.release import write_release

REPORTS = ("eval", "compress", "safety")


def release(
    run: Path, folder: Path, recipe: dict[str, Any] | None = None, model: Path | None = None, record: Path | None = None
) -> dict[str, Any]:  # fmt: skip
    """Write a release of a run; `record` is a folder with the run's logs, if not the run's own."""
    lineage = [
        {
            "stage": f.parent.name,
            "kind": (m := artefact.read(f.parent)).kind,
            "id": m.id,
            "inputs": m.inputs,
            "code": m.code,
        }
        for f in sorted(run.glob("*/manifest.json"))
    ]
    return write_release(
        folder, model_folder=model or run / "grpo", reports={name: run / name / "report.json" for name in REPORTS},
        data_card=run / "data/data_card.md", run_dir=record or run, lineage=lineage,
        recipe=recipe or json.loads((run / "recipe.json").read_text()),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the finished run."""
    place = tmp_path_factory.mktemp("release") / "release"
    with artefact.writing(place, "model") as draft:
        draft.stats |= release(finished, draft.path)
    return place


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """The logs of a run that recorded nothing: its page has no figures to draw."""
    (tmp_path / "quiet").mkdir()
    for name in ("metrics.jsonl", "ledger.jsonl"):
        (tmp_path / "quiet" / name).touch()
    return tmp_path / "quiet"


def front_matter(folder: Path) -> dict[str, Any]:
    """The card's YAML."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    parsed: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return parsed


def test_everything_that_belongs_there_is_there(folder: Path) -> None:
    manifest = artefact.read(folder, "model", verify=True)
    assert set(manifest.files) == {
        "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors", "README.md",
        "data_card.md", "lineage.json", "recipe.json", "training_log.jsonl", "ledger.jsonl", "report.html",
        *(f"reports/{name}.json" for name in REPORTS),
    }  # fmt: skip
    assert manifest.stats == {"weights_bytes": 135, "licence": "Apache-2.0", "reports": sorted(REPORTS)}


def test_files_are_copied_byte_for_byte(folder: Path, finished: Path) -> None:
    for copy, source in (
        ("model.safetensors", "grpo/model.safetensors"), ("reports/eval.json", "eval/report.json"),
        ("training_log.jsonl", "metrics.jsonl"), ("ledger.jsonl", "ledger.jsonl"), ("data_card.md", "data/data_card.md"),
    ):  # fmt: skip
        assert (folder / copy).read_bytes() == (finished / source).read_bytes()


def test_the_front_matter_is_what_the_hub_reads(folder: Path) -> None:
    card = front_matter(folder)
    assert card["license"] == "apache-2.0" and card["language"] == ["zh", "en"]
    assert card["pipeline_tag"] == "text-generation" and {"firesteel", "grpo"} <= set(card["tags"])


def test_the_card_tells_what_was_measured_and_where_it_comes_from(folder: Path, finished: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    ids = [artefact.read(f.parent).id[:16] for f in finished.glob("*/manifest.json")]
    for expected in (
        "83.0% [81.3, 84.6] n=2,000", "grpo-over-sft: +22.0 pp [+20.2, +23.8] n=2,000", "98.3% [94.2, 99.5] n=121",
        "9.71 Wh", "0.259", "3,144 of 4,210 documents", *ids,
    ):  # fmt: skip
        assert expected in text
    assert "\n\n\n\n" not in text and "None" not in text


def test_the_tables_of_the_card_are_whole(folder: Path) -> None:
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    widths = [line.count("|") - line.count("\\|") if line.startswith("|") else 0 for line in lines]
    assert sum(width > 0 for width in widths) > 25
    assert all(a == b for a, b in zip(widths, widths[1:], strict=False) if a and b)


def test_the_headings_of_the_card_are_in_both_languages(folder: Path) -> None:
    headings = [
        line for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("## ")
    ]
    assert len(headings) == 8
    assert all(any("\u4e00" <= c <= "\u9fff" for c in h) and any("a" <= c <= "z" for c in h) for h in headings)


def test_int8_weights_are_said_to_be_so_and_judged_as_such(finished: Path, quiet: Path, tmp_path: Path) -> None:
    model = tmp_path / "int8"
    model.mkdir()
    for file in (finished / "grpo").iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    (model / "config.json").write_text(json.dumps({"model_type": "deepseek_v3", "quantization_config": {}}))
    release(finished, tmp_path / "release", model=model, record=quiet)
    assert "int8" in front_matter(tmp_path / "release")["tags"]
    assert "It answers 82.8%" in (tmp_path / "release/README.md").read_text(encoding="utf-8")


def test_a_licence_that_the_hub_does_not_know_is_named(finished: Path, quiet: Path, tmp_path: Path) -> None:
    recipe = parse_recipe({"name": "r", "release": {"licence": 'house: "internal" | use\n- x'}}).model_dump(mode="json")
    release(finished, tmp_path / "release", recipe, record=quiet)
    card = front_matter(tmp_path / "release")
    assert card["license"] == "other" and card["license_name"] == 'house: "internal" | use\n- x'
    assert hub_licence("MIT") == "mit"


def test_pickled_weights_are_refused(finished: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in (finished / "grpo").iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ArtefactError, match=r"pytorch_model\.bin can run code"):
        release(finished, tmp_path / "release", model=model)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_model_that_lacks_a_file_is_refused(finished: Path, tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in (finished / "grpo").iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    (model / name).unlink()
    with pytest.raises(ArtefactError, match=name.replace("model.safe", r"\*.safe")):
        release(finished, tmp_path / "release", model=model)


def test_a_missing_report_is_named(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no-such"):
        write_release(
            tmp_path, model_folder=finished / "grpo", reports={"eval": tmp_path / "no-such.json"}, lineage=[],
            data_card=finished / "data/data_card.md", run_dir=finished, recipe={},
        )  # fmt: skip


def test_markdown_from_files_is_inert() -> None:
    assert markdown("<img src=x>|*a*\n# b") == r"&lt;img src=x&gt;\|\*a\* \# b"
