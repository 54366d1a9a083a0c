"""LaTeX answers: forms are strict, equality is math-verify's, and nothing that a model writes holds us up."""

import re
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.tasks.latex import problems as latex
from firesteel.tasks.latex.forms import FORMS, formed
from firesteel.tasks.latex.process import Judge, judge
from firesteel.tasks.task import Problem
from tests.tasks.checks import hold_at_every_level, splits_are_disjoint

GOLD = Problem("...", "\\frac{1}{2}", verify=latex.equal, facts={"form": "fraction"})


def test_every_gold_has_its_form_and_math_verify_reads_it():
    one = {}
    for level in range(1, 5):
        for problem in latex.TASK.at(level).problems("train", 0, 0, 80):
            assert formed(problem.answer, problem.facts["form"]) is not None, problem.answer
            one.setdefault(problem.facts["form"], problem.answer)
    assert set(one) == set(FORMS)
    for form, gold in one.items():
        assert judge().equal(formed(gold, form), formed(gold, form)) is True, gold
        assert judge().equal(formed(gold, form), "123456789") is False


def test_equations_of_the_working_are_true():
    for level in range(1, 5):
        for problem in latex.TASK.at(level).problems("train", 1, 0, 60):
            text = problem.reasoning.split("gcd")[0]
            for left, right in re.findall(r"(?<![/\d*+-])(-?\d+(?:[-+*]-?\d+)*)=(-?\d+)(?=;|$)", text):
                total = Fraction(0)
                for sign, product in re.findall(r"([-+]?)(-?\d+(?:\*-?\d+)*)", left):
                    value = Fraction(1)
                    for factor in product.split("*"):
                        value *= int(factor)
                    total += -value if sign == "-" else value
                assert total == int(right), (problem.reasoning, left, right)


def test_a_gold_that_cannot_be_read_rewards_nothing():
    for gold in ("\\foo{", "", "\\frac{1}{0}"):
        for reply in ("5", gold, "", "anything"):
            assert latex.equal(Problem("?", gold, verify=latex.equal, facts={"form": "fraction"}), reply).reward == 0
    assert judge().equal("", "5") is None and judge().equal("\\foo{", "\\foo{") is None


@pytest.fixture(scope="module")
def own_judge():
    """One that may be ended; starting it takes longer than anything that it is asked."""
    one = Judge(limit=60.0)
    yield one
    one.close()


def test_what_takes_forever_is_ended_and_the_next_is_judged(own_judge):
    one = own_judge
    assert one.equal("\\frac{1}{2}", "\\frac12") is True
    one.limit = 0.5
    start = time.monotonic()
    assert one.equal("1", "9^{9^{9^{9}}}") is False
    assert time.monotonic() - start < 3
    assert one.process is None
    one.limit = 60.0
    assert one.equal("\\frac{1}{2}", "\\frac{2}{4}") is True


def test_a_judge_that_was_killed_comes_back(own_judge):
    one = own_judge
    assert one.equal("2", "2") is True
    one.process.kill()
    one.process.wait()
    assert one.equal("2", "2") is True
    one.close()
    assert one.process is None


def test_hostile_texts_never_reach_math_verify():
    start = time.monotonic()
    for text in (
        "9^{9^{9^{9}}}",
        "9^9^9^9",
        "999999999999!",
        "\\int_0^1 x dx",
        "\\sum_{n=1}^{99999999} n",
        "{" * 5000,
        "\\frac" * 3000,
    ):
        assert latex.equal(GOLD, text).reward == 0
        for form in FORMS:
            assert formed(text, form) is None, (text[:20], form)
    assert time.monotonic() - start < 2


@settings(max_examples=100, deadline=2000)
@given(st.text(alphabet="0123456789x+-*/^_{}[]()\\,.=<>&$ frac sqrt infty cup pm begin end pmatrix", max_size=120))
def test_forms_never_fail_on_what_a_model_writes(text):
    for form in FORMS:
        formed(text, form)


def test_without_math_verify_the_task_says_what_to_install(monkeypatch):
    from firesteel.core.errors import RecipeError
    from firesteel.tasks.latex import process

    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    process.need.cache_clear()
    with pytest.raises(RecipeError, match="math-verify"):
        latex.TASK.problem("train", 0, 0)
    process.need.cache_clear()


def test_worked_solutions_are_right():
    hold_at_every_level(latex.TASK)


def test_splits_are_disjoint():
    splits_are_disjoint(latex.TASK)
