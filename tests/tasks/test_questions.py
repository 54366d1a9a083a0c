"""A user's own file of questions, and the sets that ship: read with care, judged as anybody would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.errors import RecipeError, SourceError
from firesteel.tasks.families.knowledge import TASK as KNOWLEDGE
from firesteel.tasks.families.knowledge import rows
from firesteel.tasks.judging.questions import problem_of
from firesteel.tasks.score import score
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem


def problem(**said: Any) -> Problem:
    return problem_of(json.dumps({"question": "Q?", **said}), "here")


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ({"answer": 8}, ("8", "The answer is 8.", "答案是8。", "eight", "8.0"), ("9", "8 or 9", "", "no idea")),
        ({"answer": "42"}, ("42.0", "答案是42。", "\\boxed{42}"), ("24", "4 2 4")),
        ({"answer": 2.5}, ("2.5", "5/2", "The answer is 2.50."), ("2", "25")),
        ({"answer": "007"}, ("007", "The answer is 007."), ("7",)),
        ({"answer": "Hamlet"}, ("hamlet", "The answer is Hamlet."), ("Macbeth", "Hamlet or Macbeth")),
        ({"answer": ["USA", "United States"]}, ("usa", "The answer is United States."), ("UK", "USA and UK")),
        ({"answer": "iron", "choices": ["iron", "wool"]}, ("iron", "It is iron."), ("wool", "iron, wool", "")),
        ({"answer": "B", "choices": ["iron", "wool"]}, ("wool",), ("iron",)),
        ({"answer": 0, "choices": ["iron", "wool"]}, ("iron",), ("wool",)),
        ({"answer": "A", "choices": ["B", "A"]}, ("A",), ("B",)),  # a text before a place
    ],
)
def test_answers_are_judged_by_what_they_are(said: Any, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    p = problem(**said)
    for reply in right:
        assert score(p, None, reply, stopped=True, think=False).correct, reply
    for reply in wrong:
        assert not score(p, None, reply, stopped=True, think=False).correct, reply


def test_choices_are_shown_unless_the_question_shows_them() -> None:
    assert problem(answer="a1", choices=["a1", "b2"]).question == "Q?\nChoose one: a1; b2."
    assert problem(answer="a1", choices=["a1", "b2"], language="zh").question == "Q?\n请从中选择：a1; b2。"
    shown = problem_of('{"question": "A1 or B2?", "answer": "b2", "choices": ["a1", "b2"]}', "")
    assert shown.question == "A1 or B2?"


BAD = {
    "[1]": "not an object", '{"answer": 1}': "needs a question", '{"question": " ", "answer": 1}': "needs a question",
    '{"question": "q"}': "needs an answer", '{"question": "q", "answer": true}': "needs an answer",
    '{"question": "q", "answer": []}': "needs an answer", '{"question": "q", "answer": [1, 2]}': "each is a text",
    '{"question": "q", "answer": NaN}': "finite", '{"question": "q", "anser": 1}': "unknown key 'anser'",
    '{"question": "q", "answer": 1, "level": 0}': "level", '{"question": "q", "answer": "x", "choices": ["x"]}': "two or more",
    '{"question": "q", "answer": "x", "choices": ["y", "z"]}': "none of the choices",
    '{"question": "q", "answer": "C", "choices": ["y", "z"]}': "none of the choices",
    '{"question": "q", "answer": 2, "choices": ["y", "z"]}': "none of the choices",
    '{"question": "q", "answer": "ß", "choices": ["y", "z"]}': "none of the choices",
    '{"question": "q", "answer": "y", "choices": ["y", "Y."]}': "the same", "{": "",
}  # fmt: skip


@pytest.mark.parametrize("line", BAD)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "exam.jsonl"
    file.write_text('{"question": "fine", "answer": 1}\n\n' + line + "\n")
    with pytest.raises(SourceError) as e:
        get_task(str(file))
    assert e.value.value == f"{file}, line 3" and BAD[line] in e.value.why


def test_a_file_is_a_task_for_judging_alone(tmp_path: Path) -> None:
    file = tmp_path / "exam.jsonl"
    lines = [{"question": f"{i}?", "answer": i, "language": "zh" if i % 2 else "en"} for i in range(50)]
    file.write_text("\ufeff" + "\n".join(json.dumps(line) for line in [*lines, lines[0]]), encoding="utf-8")
    task = get_task(str(file))
    asked = task.distinct("test", 0, 1000)
    assert len(asked) == 50 and task.distinct("test", 0, 7) == asked[:7] and task.distinct("test", 1, 50) != asked
    assert {p.language for p in get_task(f"{file}/zh").distinct("test", 0, 99)} == {"zh"}
    with pytest.raises(RecipeError, match="judging alone"):
        task.problems("train", 0, 0, 1)
    for wrong in ("none.jsonl", str(tmp_path)):
        with pytest.raises((SourceError, RecipeError)):
            get_task(wrong)


def test_one_question_has_one_answer(tmp_path: Path) -> None:
    """The same line twice is one question; the same question with another answer is a slip of the pen."""
    file = tmp_path / "exam.jsonl"
    lines = [json.dumps({"question": "q?", "answer": answer}) for answer in (1, 1, 2)]
    file.write_text("\n".join(lines[:2]))
    assert len(get_task(str(file)).distinct("test", 0, 1)) == 1
    file.write_text("\n".join(lines))
    with pytest.raises(SourceError, match="line 3"):
        get_task(str(file))


def test_an_empty_file_is_no_task(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("\n")
    with pytest.raises(SourceError, match="no questions"):
        get_task(str(tmp_path / "e.jsonl"))


FACTS = KNOWLEDGE.distinct("test", 0, 10_000)


def test_the_facts_are_enough_in_both_languages_and_say_whose_they_are() -> None:
    assert len(FACTS) >= 60 and len({p.question for p in FACTS}) == len(FACTS)
    assert all(sum(p.language == language for p in FACTS) >= 60 for language in ("zh", "en"))
    assert {row["source"] for row in rows()} == {"own"}


def test_facts_are_right_when_said_shortly_or_in_a_sentence_and_not_when_guessed() -> None:
    for p in FACTS:
        one = "应该是{}。" if p.language == "zh" else "I think that it is {}."
        for reply in (str(p.answer), one.format(p.answer)):
            assert p.verify(p, reply).reward == 1, (p.question, reply)
        other = next((c for c in p.facts.get("choices", ()) if c != p.answer), "123456")
        for reply in ("", other, f"{p.answer}, {other}", "我不知道。", "I do not know."):
            assert p.verify(p, reply).reward == 0, (p.question, reply)


def test_reading_is_answered_by_the_text_and_not_by_guesses() -> None:
    for level in range(1, 5):
        for p in get_task(f"reading@{level}").distinct("test", 0, 60):
            assert score(p, p.reasoning, p.reply, stopped=True).correct, p
            for other in p.facts["choices"]:
                if other != p.answer:
                    assert not p.verify(p, other).reward and not p.verify(p, f"{other}, {p.answer}").reward
            assert p.answer in p.question, "nothing is asked that the text does not hold"


def test_not_true_is_false_and_not_true() -> None:
    task = get_task("reading@3/zh")
    said = {p.answer: p for p in task.distinct("test", 0, 60)}
    assert not said["对"].verify(said["对"], "不对").reward and said["错"].verify(said["错"], "不对。").reward
