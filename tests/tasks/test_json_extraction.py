"""JSON extraction: keys earn part of the reward, and the whole only all together."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.tasks.families.json_extraction import TASK, extracted
from firesteel.tasks.task import Problem
from tests.tasks.checks import hold_at_every_level, splits_are_disjoint

WANTED = {"name": "Ann", "age": 30, "paid": True, "city": "Rome"}
PROBLEM = Problem("...", WANTED, language="en", verify=extracted)


@pytest.mark.parametrize(
    "changed,reward",
    [
        ({}, 1.0),
        ({"age": 31}, 0.375),
        ({"age": 31, "city": "Oslo"}, 0.25),
        ({"extra": 1}, 0.4),  # four of five
        ({"age": 31, "city": "Oslo", "name": "Bob"}, 0.0),  # yes or no alone can be guessed
        ({"paid": False}, 0.375),
    ],
)
def test_each_key_earns_its_share(changed, reward):
    found = extracted(PROBLEM, json.dumps(WANTED | changed))
    assert found.reward == pytest.approx(reward)
    assert (found.reason == "right") == (reward == 1)


def test_many_extra_keys_leave_little():
    guesses = WANTED | {f"k{i}": i for i in range(96)}
    assert extracted(PROBLEM, json.dumps(guesses)).reward == pytest.approx(0.02)


@given(
    st.text(max_size=200) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_it_never_fails_on_what_a_model_writes(reply):
    assert extracted(PROBLEM, reply).reward < 1


def test_the_answer_stands_in_the_text():
    for level in range(1, 5):
        for problem in TASK.at(level).problems("train", 0, 0, 60):
            for value in problem.answer.values():
                if isinstance(value, (str, int)) and not isinstance(value, bool):
                    assert str(value) in problem.question


def test_worked_solutions_are_right():
    hold_at_every_level(TASK)


def test_splits_are_disjoint():
    splits_are_disjoint(TASK)
