"""Which test questions stand in documents: every one, by the rules of the data room, and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.errors import SourceError
from firesteel.stages.contamination import contamination, held, texts_of
from firesteel.tasks.table import get_task

NAMED_ZH, NAMED_EN = ("小明", "王芳", "李雷"), ("Anna", "Leo")
ASK_ZH = "{a}带{b}出门，{a}把{b}给了谁，{a}的{b}后来在哪里？"
ASK_EN = "{a} took the {b} along, and {a} lost the {b} there; who found the {b} for {a}?"
ZH = [ASK_ZH.format(a=name, b=thing) for name in NAMED_ZH for thing in ("雨伞", "地图")]
EN = [ASK_EN.format(a=name, b=thing) for name in NAMED_EN for thing in ("map", "lamp")]


def test_all_the_questions_of_a_document_are_found_and_no_others() -> None:
    hidden = f"前言。{ZH[0].replace('，', ' , ')} blah {EN[2].upper()} 后记 {ZH[4]}"
    assert held(ZH + EN, ["nothing here", hidden]) == {ZH[0], ZH[4], EN[2]}
    assert held(ZH + EN, []) == held(ZH + EN, ["", "。"]) == held([], [hidden]) == set()


def test_many_documents_and_many_questions_agree_with_looking_one_by_one() -> None:
    questions = [p.question for p in get_task("word-problems").distinct("test", 0, 80)]
    texts = [" ".join(questions[i : i + i % 5]) + f" page {i}" for i in range(0, 80, 3)]
    found = held(questions, texts)
    assert found == {q for q in questions if held([q], texts)} and 10 < len(found) < 80


def cases() -> list[dict[str, Any]]:
    rows = [{"task": "zh", "question": q, "correct": i < 2} for i, q in enumerate(ZH)]
    return (
        rows
        + [{"task": "en", "question": q, "correct": True} for q in EN]
        + [{"task": "en", "question": "1+1=?", "correct": False}]
    )


def test_accuracy_on_touched_and_on_clean_questions(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x " + ZH[0] + ZH[5], encoding="utf-8")
    row = {"messages": [{"role": "user", "content": EN[1]}]}
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "y"}) + "\n\n" + json.dumps(row) + "\n")
    found = contamination(cases(), [tmp_path])
    assert found["documents"] == 3 and found["questions"] == 11 and found["too_short"] == 1
    assert found["found"] == sorted([ZH[0], ZH[5], EN[1]]) and found["by_task"] == {"zh": 2, "en": 1}
    assert found["touched"] == pytest.approx(3 / 11) and found["right_touched"] == pytest.approx(2 / 6)
    assert (found["accuracy"]["touched"]["value"], found["accuracy"]["touched"]["n"]) == (pytest.approx(2 / 3), 3)
    assert (found["accuracy"]["clean"]["value"], found["accuracy"]["clean"]["n"]) == (0.5, 8)


def test_where_nothing_is_touched_all_is_clean(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("nothing")
    found = contamination(cases(), [tmp_path / "a.md"])
    assert found["touched"] == 0 and set(found["accuracy"]) == {"clean"}


def test_what_cannot_be_looked_into_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}\n{")
    for path in (tmp_path / "none.txt", tmp_path / "x.bin", tmp_path / "bad.jsonl"):
        with pytest.raises(SourceError):
            list(texts_of(path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no documents"):
        contamination(cases(), [tmp_path / "empty"])
