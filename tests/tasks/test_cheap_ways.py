"""Cheap ways to be right that were found once, and words for mistakes that newcomers made."""

import pytest

from firesteel.core.errors import UserError
from firesteel.tasks.score import score
from firesteel.tasks.table import get_task

OWN = """
from firesteel.tasks import Problem

def spoken(draw):
    return Problem(f"{draw.rng.random()} in {draw.language()}?", 1)
"""


def test_the_one_named_last_does_not_always_have_the_thing():
    problems = get_task("reading@4").problems("train", 1, 0, 200)
    newest = [max(p.facts["choices"], key=p.question.find) == p.answer for p in problems]
    assert sum(newest) < 0.7 * len(newest)


def test_a_thought_that_only_repeats_the_question_is_none():
    problem = get_task("word-problems/en").problem("train", 0, 0)
    assert score(problem, problem.question, problem.reply, stopped=True).reason == "no thought"
    assert score(problem, f"{problem.question} {problem.reasoning}", problem.reply, stopped=True).correct


@pytest.mark.parametrize("task", ["equations@1", "arithmetic", "sequences", "units", "bases", "latex@2"])
def test_right_answers_among_others_earn_nothing(task):
    problems = get_task(task).distinct("train", 2, 6)
    answers = [str(p.answer) for p in problems]
    for joint in (" ", "\n", "~~ ~~", " <!-- --> "):
        reply = joint.join(answers)
        assert [p.question for p in problems if p.verify(p, reply).reward] == []


def test_an_own_task_that_draws_a_language_is_told_how_to_name_some(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(OWN, encoding="utf-8")
    with pytest.raises(UserError, match="language"):
        get_task(f"{file}:spoken").problem("train", 0, 0)
    file.write_text(f"{OWN}\nspoken.languages = ('zh', 'en')\n", encoding="utf-8")
    assert get_task(f"{file}:spoken").problem("train", 0, 0).question


def test_a_file_without_a_task_says_how_to_name_one():
    with pytest.raises(UserError, match="which of them"):
        get_task("mine.py")
