"""Evaluation: what is asked, what is counted, and what is kept of every case."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from firesteel.core.errors import RecipeError
from firesteel.core.stats import wilson
from firesteel.tasks.judging.abilities import ABILITIES, GAPS, all_tasks, by_ability
from firesteel.tasks.judging.answering import Answer, Asking, Conversation
from firesteel.tasks.judging.evaluate import judged
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem

TASKS = ("arithmetic", "word-problems/en")


class Pupil:
    """Knows the questions of some tasks, and answers number i of all that it is asked as `how` says."""

    def __init__(self, how: Callable[[int, Problem], Answer], tasks: Sequence[str] = TASKS) -> None:
        self.how, self.asked = how, 0
        self.known = {p.question: p for t in tasks for p in get_task(t).distinct("test", 0, 60)}

    def answer(self, conversations: Sequence[Conversation], asking: Asking) -> list[Answer]:
        problems = [self.known[c[-1]["content"]] for c in conversations]
        start, self.asked = self.asked, self.asked + len(problems)
        return [self.how(start + i, p) for i, p in enumerate(problems)]


def right(i: int, p: Problem) -> Answer:
    return Answer(p.reasoning, p.reply, True, 10)


def mixed(i: int, p: Problem) -> Answer:
    """Right, wrong, unfinished, without a thought, padded, and refused, one after the other."""
    ways = (
        right(i, p), Answer(p.reasoning, "The answer is 123456.", True, 20), Answer(p.reasoning, p.reply, False, 30),
        Answer(None, p.reply, True), Answer(p.reasoning + " and so on" * 200, p.reply, True),
        Answer(None, "", False, refused="status 400"),
    )  # fmt: skip
    return ways[i % len(ways)]


def test_figures_by_task_language_and_level() -> None:
    found = judged(Pupil(right), TASKS, Asking(), samples=30)
    assert found["all"]["value"] == 1 and found["all"]["n"] == 60
    assert set(found["tasks"]["arithmetic"]["by"]) == {"zh", "en"} and set(
        found["tasks"]["word-problems/en"]["by"]
    ) == {"en"}
    assert sum(part["n"] for part in found["tasks"]["arithmetic"]["by"].values()) == 30
    assert found["tasks"]["arithmetic"]["by_level"]["2"]["n"] == 30
    assert found["all"]["length"]["tokens"] == 10 and "repeats" not in found["all"]


def test_what_went_wrong_is_counted_by_name() -> None:
    row = judged(Pupil(mixed), ("arithmetic",), Asking(), samples=60)["all"]
    expected = {"right": 10, "wrong": 10, "unfinished": 10, "no thought": 10, "padding": 10, "refused": 10}
    assert row["reasons"] == expected and row["tricks"] == {"no thought": 10, "padding": 10}
    assert {key: row[key] for key in ("value", "low", "high", "n")} == pytest.approx(wilson(10, 60).as_dict())
    assert row["unfinished"] == pytest.approx(1 / 6) and row["reward"] == pytest.approx(1 / 6)
    assert row["length"]["tokens"] == 20, "answers without a count do not count"


def test_models_without_thoughts_need_none() -> None:
    row = judged(Pupil(mixed), ("arithmetic",), Asking(), samples=60, think=False)["all"]
    assert row["reasons"]["right"] == 20 and "no thought" not in row["reasons"]


def test_every_case_is_kept_in_the_same_order_for_every_model() -> None:
    first, second = (judged(Pupil(how), TASKS, Asking(), samples=10)["cases"] for how in (right, mixed))
    assert [c["question"] for c in first] == [c["question"] for c in second]
    case = second[1]
    assert (case["parsed"], case["reason"], case["reward"], case["correct"]) == ("123456", "wrong", 0.0, False)
    assert {"task", "language", "level", "repeat", "answer", "reasoning", "reply", "stopped", "tokens"} <= case.keys()
    assert second[5]["refused"] == "status 400" and "refused" not in first[5]


def test_repeats_ask_again_and_count_questions() -> None:
    found = judged(
        Pupil(lambda i, p: right(i, p) if i % 2 else mixed(1, p)), ("arithmetic",), Asking(), samples=9, repeats=4
    )
    assert len(found["cases"]) == 36 and found["all"]["n"] == 9
    assert [c["repeat"] for c in found["cases"]] == sorted([0, 1, 2, 3] * 9)
    assert found["all"]["repeats"]["pass@1"]["value"] == found["all"]["value"] == 0.5
    assert found["all"]["repeats"]["pass@4"]["value"] == 1


def test_a_misspelt_task_is_said_before_anybody_is_asked() -> None:
    pupil = Pupil(right)
    with pytest.raises(RecipeError, match="unknown task"):
        judged(pupil, ("arithmetic", "arithmetics"), Asking(), samples=5)
    assert pupil.asked == 0


def test_six_abilities_have_forty_questions_in_two_languages_and_the_seventh_is_a_gap() -> None:
    assert len(ABILITIES) == 6 and set(GAPS) == {"multimodal"}
    for tasks in ABILITIES.values():
        for name in tasks:
            problems = get_task(name).distinct("test", 0, 40)
            assert len({p.question for p in problems}) == 40 and {p.language for p in problems} == {"zh", "en"}, name


def test_abilities_are_summed_over_their_tasks() -> None:
    cases = judged(Pupil(right), ("arithmetic",), Asking(), samples=10)["cases"]
    found = by_ability(cases)
    assert found["mathematics"]["n"] == 10 and found["code"] == {"gap": "no question was asked"}
    assert "not judged" in found["multimodal"]["gap"] and "arithmetic" in all_tasks()
