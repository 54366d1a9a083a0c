"""`firesteel eval` of a model here and of the same model behind our own server, alone and against each other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firesteel.commands.eval import _candidates, lines
from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, SourceError, UserError
from firesteel.ops.show import show
from firesteel.stages.evaluating import Candidate, Exam, evaluate_model
from firesteel.stages.models import identity_of
from tests.serve.api import NAME

ROWS = [
    {"question": "六乘七等于几", "answer": 42, "language": "zh"},
    {"question": "count", "answer": "eleven", "language": "en"},
    {"question": "forever", "answer": 1, "language": "en"},
]


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    file = tmp_path_factory.mktemp("exams") / "exam.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return Exam((str(file),), temperature=0.0, max_new_tokens=90, think=False)


def said(report: dict[str, Any], out: Path) -> list[tuple[str, str, str | None, str, bool]]:
    cases = [json.loads(line) for line in (out / "cases.jsonl").read_text().splitlines()]
    return [(c["question"], c["reply"], c["reasoning"], c["reason"], c["stopped"]) for c in cases]


def test_here_and_behind_a_url_are_the_same_model(folder: Path, url: str, exam: Exam, tmp_path: Path) -> None:
    here = evaluate_model(Candidate(str(folder)), exam, out=tmp_path / "here")
    there = evaluate_model(Candidate(url), exam, out=tmp_path / "there")
    assert said(here, tmp_path / "here") == said(there, tmp_path / "there")
    right = next(c for c in said(here, tmp_path / "here") if c[3] == "right")
    assert right[:3] == ("六乘七等于几", "答案是 42。", "先算六乘七，得四十二。")
    assert here["all"]["value"] == there["all"]["value"] == pytest.approx(1 / 3)
    assert here["weights_sha256"] == identity_of(folder) and artefact.read(tmp_path / "here", "report").inputs == {
        "model": identity_of(folder)
    }
    assert (there["url"], there["model_id"]) == (url, NAME) and not list(tmp_path.glob(".*"))
    assert "100.0 %" not in " ".join(show(tmp_path / "here")["report"].values()) and show(tmp_path / "there")["report"]


def test_nothing_that_lies_at_the_reports_place_is_replaced(folder: Path, exam: Exam, tmp_path: Path) -> None:
    """Neither the user's own files nor a model, not even an earlier report; said before a question is asked."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.txt").write_text("mine")
    shutil.copytree(folder, tmp_path / "model")
    for taken in ("own", "model"):
        kept = sorted(p.name for p in (tmp_path / taken).iterdir())
        with pytest.raises(ArtefactError, match="the place is taken"):
            evaluate_model(Candidate("not there"), exam, out=tmp_path / taken)
        assert sorted(p.name for p in (tmp_path / taken).iterdir()) == kept
    with pytest.raises(SourceError, match="none"):
        evaluate_model(Candidate("not there"), exam, data=(tmp_path / "none",))
    with pytest.raises(SourceError, match="no such model"):
        evaluate_model(Candidate(str(folder)), exam, against=Candidate("not there"))


def test_two_are_compared_from_their_reports_as_when_they_were_asked(
    folder: Path, url: str, exam: Exam, tmp_path: Path
) -> None:
    asked = evaluate_model(Candidate(str(folder)), exam, against=Candidate(url), out=tmp_path / "both")
    evaluate_model(Candidate(url), replace(exam, max_new_tokens=5), out=tmp_path / "short")
    read = evaluate_model(Candidate(str(tmp_path / "both")), Exam(()), against=Candidate(str(tmp_path / "short")))
    assert asked["comparison"]["difference"]["value"] == 0 and asked["comparison"]["unlike"] == []
    assert "max_new_tokens: 90 against 5" in read["comparison"]["unlike"]
    assert {name: own["value"] for name, own in read["tasks"].items()} == {
        name: own["value"] for name, own in asked["tasks"].items()
    }
    found = read["comparison"]
    assert (found["gained"], found["lost"], found["p"]) == (1, 0, 1.0)
    assert [row["question"] for row in found["flipped"]] == ["六乘七等于几"]
    assert read["gains"] == {"both-over-short": found["difference"]}
    text = "\n".join(lines(read))
    assert "+33.3 points" in text and "+ 六乘七等于几" in text and "accuracy [95 %]" in text
    unlike = evaluate_model(
        Candidate(str(folder)), replace(exam, max_new_tokens=None), against=Candidate(url)
    )["comparison"]["unlike"]  # fmt: skip
    assert unlike == ["max_new_tokens: 256 against 2048"]


def test_repeats_and_documents_and_abilities_in_the_terminal(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("nothing to see")
    exam = Exam(("arithmetic",), samples=2, repeats=3, max_new_tokens=4, abilities=True)
    report = evaluate_model(Candidate(str(folder)), exam, data=(tmp_path / "d.txt",))
    assert set(report["abilities"]) >= {"code", "multimodal"} and "cases" not in report
    text = "\n".join(lines(report))
    for words in ("multimodal       -", "pass@3", "majority@3", "unfinished", "stand in 1 documents", "too short"):
        assert words in text, words
    assert all(report["tasks"][task]["n"] == 2 for task in report["tasks"])


MISTAKES = {
    ("nowhere",): "no task to judge by",
    ("nowhere", "--task", "x"): "unknown task",
    ("nowhere", "--task", "arithmetic", "--repeats", "2", "--temperature", "0"): "above 0",
    ("nowhere", "--task", "arithmetic", "--model-name", "x"): "is for a URL",
    ("http://me:secret@h/v1", "--task", "arithmetic"): "without name, key or query",
    ("http://127.0.0.1:9/v1", "--task", "arithmetic"): "no server there",
    ("http://127.0.0.1:9/v1", "--task", "arithmetic", "--key-file", "nowhere"): "the key cannot be read",
}


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_mistakes_are_said_with_a_way_out(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from firesteel import cli

    monkeypatch.setattr(sys, "argv", ["firesteel", "eval", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, error = capfd.readouterr()
    assert (ended.value.code, out) == (2, "") and MISTAKES[arguments] in error and "secret" not in error


def test_a_key_goes_to_its_own_server_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTEEL_API_KEY", "env")
    (tmp_path / "key").write_text("own")
    own, same = _candidates(("http://a/v1", tmp_path / "key", ""), ("http://a:80/v2", None, ""))
    assert own.key == "own" and same is not None and same.key == "own"
    for where in ("http://b/v1", "https://a/v1", "http://a:81/v1"):
        other = _candidates(("http://a/v1", tmp_path / "key", ""), (where, None, ""))[1]
        assert other is not None and other.key == "" and "own" not in repr(own)
    local = _candidates(("model", None, ""), ("http://b/v1", None, ""))
    assert local[0].key == "" and local[1] is not None and local[1].key == "env"


def test_the_command_prints_json_and_nothing_else_on_stdout(url: str, exam: Exam, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "firesteel", "eval", url, "--task", exam.tasks[0], "--temperature", "0", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "http_proxy": "http://127.0.0.1:9", "FIRESTEEL_API_KEY": "k3y"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["all"]["n"] == 3 and report["decoding"]["temperature"] == 0 and "k3y" not in done.stdout + done.stderr
    assert f"{NAME}: " in done.stderr


def test_an_exam_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no task"):
        evaluate_model(Candidate("nowhere"), Exam(()))
