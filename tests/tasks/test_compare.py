"""Two models on the same questions: the difference, how surprising it is, and reports that were written before."""

from __future__ import annotations

import json
from itertools import product
from math import comb
from pathlib import Path
from typing import Any

import pytest

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.stats import paired_difference
from firesteel.tasks.judging.compare import compare, difference, exact_sign_test, is_report, read_cases


def cases(right: dict[str, list[bool]], task: str = "t") -> list[dict[str, Any]]:
    """Cases of questions by name, each with its answers."""
    return [{"task": task, "question": q, "correct": r} for q, answers in right.items() for r in answers]


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (5, 0), (3, 2), (10, 2), (0, 9), (8, 8)])
def test_the_p_value_is_that_of_counting_coins(gained: int, lost: int) -> None:
    n = gained + lost
    tosses = (
        [sum(t) for t in product((0, 1), repeat=n)] if n <= 12 else [i for i in range(n + 1) for _ in range(comb(n, i))]
    )
    as_far = sum(abs(heads - n / 2) >= abs(gained - n / 2) for heads in tosses)
    assert exact_sign_test(gained, lost) == pytest.approx(as_far / len(tosses))


def test_many_flips_keep_their_p_value() -> None:
    assert exact_sign_test(2000, 2000) == 1
    assert exact_sign_test(1100, 900) == pytest.approx(8.5e-6, rel=0.1)  # normal: z = 199 / sqrt(2000) = 4.45
    assert 0 <= exact_sign_test(0, 40_000) < 1e-300


def test_what_flipped_and_by_how_much() -> None:
    before = cases({"a": [True], "b": [False], "c": [False], "d": [True], "only": [True]})
    after = cases({"a": [True], "b": [True], "c": [True], "d": [False]})
    found = compare(before, after)
    expected = paired_difference([True, False, False, True], [True, True, True, False]).as_dict()
    assert found["difference"] == expected and (found["gained"], found["lost"]) == (2, 1)
    assert (found["only_before"], found["only_after"]) == (1, 0)
    assert {row["question"]: row["after"] - row["before"] for row in found["flipped"]} == {"b": 1, "c": 1, "d": -1}
    assert found["tasks"]["t"]["p"] == found["p"] == 1.0


def test_the_same_question_of_two_tasks_is_two_questions() -> None:
    found = compare(cases({"a": [True]}, "s") + cases({"a": [False]}, "t"), cases({"a": [True]}, "t"))
    assert found["difference"]["n"] == 1 and found["gained"] == 1


def test_repeated_questions_count_with_their_share() -> None:
    before = cases({"a": [True, False], "b": [False, False], "c": [True, True]})
    after = cases({"a": [True, True], "b": [True, False], "c": [True, True]})
    found = compare(before, after)
    assert found["difference"]["value"] == pytest.approx(1 / 3) and found["difference"]["n"] == 3
    assert (found["gained"], found["lost"], found["p"]) == (2, 0, 0.5)
    assert difference([0.5, 0.5], [0.5, 0.5]).as_dict() == {"value": 0, "low": 0, "high": 0, "n": 2}


def test_models_that_share_no_question_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="no question in common"):
        compare(cases({"a": [True]}), cases({"b": [True]}))


def write(folder: Path, *names: str) -> Path:
    with artefact.writing(folder, "report") as draft:
        for name in names:
            (draft.path / name).write_text(json.dumps(cases({"a": [True]})[0]) + "\n")
    return folder


def test_reports_are_told_from_models_and_read(tmp_path: Path) -> None:
    report = write(tmp_path / "report", "cases.jsonl", "against-cases.jsonl")
    run = write(tmp_path / "eval", "cases-sft.jsonl", "cases-grpo.jsonl", "other-cases-sft.jsonl")
    model = write(tmp_path / "model", "cases.jsonl", "model.safetensors")
    assert is_report(str(report)) and is_report(str(run)) and not is_report(str(model)) and not is_report("nowhere")
    assert read_cases(str(report)) == read_cases(str(run / "cases-sft.jsonl")) == cases({"a": [True]})
    with pytest.raises(ArtefactError, match="several models") as e:
        read_cases(str(run))
    assert "cases-grpo.jsonl, cases-sft.jsonl" in e.value.hint


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"task": "t"}', "\x00"])
def test_what_are_no_cases_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(ArtefactError, match="cases"):
        read_cases(str(tmp_path / "x.jsonl"))


def test_a_report_that_was_changed_is_refused(tmp_path: Path) -> None:
    report = write(tmp_path / "report", "cases.jsonl")
    (report / "cases.jsonl").write_text(json.dumps(cases({"b": [True]})[0]) + "\n")  # of the same length
    with pytest.raises(ArtefactError):
        read_cases(str(report))
