"""What `show` tells of an artefact and of a run."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError
from firesteel.ops.show import MAX_FILES, render, show


def printed(path: Path) -> str:
    """What `render` prints of a path."""
    out = io.StringIO()
    render(show(path), Console(file=out, width=160))
    return out.getvalue()


def test_an_artefact_is_described(finished: Path) -> None:
    facts = show(finished / "grpo")
    manifest = artefact.read(finished / "grpo")
    assert (facts["kind"], facts["id"], facts["files"]["model.safetensors"]) == ("model", manifest.id, 135)
    assert facts["bytes"] == sum(facts["files"].values())
    json.dumps(facts)


def test_lineage_is_followed_through_the_folders_beside_it(finished: Path) -> None:
    lineage = {row["folder"]: row for row in show(finished / "compress")["lineage"]}
    assert {"grpo", "sft", "pretrain", "tokens", "data"} <= set(lineage)
    assert lineage["grpo"]["distance"] == 1 and lineage["data"]["distance"] > 2
    assert lineage["data"]["id"] == artefact.read(finished / "data").id


def test_an_artefact_that_is_not_here_is_said_to_be_elsewhere(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "grpo", tmp_path / "grpo")
    lineage = show(tmp_path / "grpo")["lineage"]
    assert [(row["found"], row["folder"]) for row in lineage] == [(False, None)] * 2
    assert "not in this folder" in printed(tmp_path / "grpo")


def test_a_report_is_summed_up_with_intervals(finished: Path) -> None:
    report = show(finished / "eval")["report"]
    assert report["grpo accuracy"] == "83.0% [81.3, 84.6] n=2,000"
    assert show(finished / "safety")["report"]["false block rate"].endswith("n=121")
    assert "perplexity 26.76" in show(finished / "compress")["report"]["after"]


def test_a_run_is_described(finished: Path) -> None:
    facts = show(finished)
    assert (facts["kind"], facts["name"], facts["missing"]) == ("run", "quickstart", ["release"])
    assert facts["last_step"] == {"pretrain": 300, "sft": 600, "grpo": 30}
    assert facts["spent"]["seconds"] == pytest.approx(777) and facts["currency"] == "CNY"
    assert len(facts["gates"]) == 5 and all(gate["passed"] for gate in facts["gates"])
    json.dumps(facts)


def test_a_sealed_run_is_a_run_still(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    artefact.seal(tmp_path / "run", "run", ["recipe.json"], inputs={})
    assert show(tmp_path / "run")["kind"] == "run"


def test_a_release_is_an_artefact_though_it_holds_a_recipe(finished: Path, tmp_path: Path) -> None:
    with artefact.writing(tmp_path / "release", "model") as draft:
        (draft.path / "recipe.json").write_text("{}")
    assert show(tmp_path / "release")["kind"] == "model"


def test_what_is_printed_holds_the_facts(finished: Path) -> None:
    run, model, data = printed(finished), printed(finished / "grpo"), printed(finished / "data")
    assert "release" in run and "not run" in run and "12.9 min" in run and "safety.block_rate" in run
    assert "model.safetensors" in model and "tokenizer" in model
    assert "statistics" in data and "  near duplicate   402" in data and "    licence        CC BY 4.0" in data
    assert "pretrain: loss" in run and "grpo: reward" in run and "⠒" in run


def test_alarms_are_told_and_kept_out_of_the_curves(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    with (tmp_path / "run/metrics.jsonl").open("a", encoding="utf-8") as f:
        for step in range(400, 412):
            f.write(json.dumps({"stage": "sft", "step": step, "alarm": "spike", "text": "far [above]"}) + "\n")
    facts, text = show(tmp_path / "run"), printed(tmp_path / "run")
    assert len(facts["alarms"]) == 12 and facts["last_step"]["sft"] == 600
    assert "the last 10 of 12" in text and "far [above]" in text and "401" not in text


def test_markup_in_names_is_printed_as_it_is(tmp_path: Path) -> None:
    with artefact.writing(tmp_path / "a", "report") as draft:
        (draft.path / "[bold]x").write_text("x")
        draft.stats["[red]note"] = "[/red]"
    assert "[bold]x" in printed(tmp_path / "a") and "[red]note" in printed(tmp_path / "a")


def test_only_the_largest_files_are_listed(tmp_path: Path) -> None:
    with artefact.writing(tmp_path / "a", "tokens") as draft:
        for i in range(MAX_FILES + 5):
            (draft.path / f"file-{i:02}").write_bytes(bytes(i))
    text = printed(tmp_path / "a")
    assert f"the largest {MAX_FILES}" in text and "file-16" in text and "file-02" not in text


@pytest.mark.parametrize("make", [False, True])
def test_what_is_no_artefact_is_an_error(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "a").mkdir()
    with pytest.raises(ArtefactError, match="hint:"):
        show(tmp_path / "a")
