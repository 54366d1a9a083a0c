"""Levels by measured pass rate: most where half is right, none left out, the same after a resumption."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firesteel.tasks.curriculum import FLOOR, Curriculum

LEVELS = {"a": (1, 5), "b": (3, 3), "c": (2, 9)}
ANSWERS = st.lists(
    st.sampled_from(sorted(LEVELS)).flatmap(lambda t: st.tuples(st.just(t), st.integers(*LEVELS[t]), st.booleans())),
    max_size=60,
)
HISTORY = st.lists(ANSWERS, max_size=12)


def told(history, seed=0):
    curriculum = Curriculum(LEVELS, seed)
    for answers in history:
        curriculum.observe(answers)
    return curriculum


@settings(max_examples=30)
@given(HISTORY)
def test_every_level_keeps_its_part_whatever_happened(history):
    for task, (low, high) in LEVELS.items():
        shares = told(history).shares(task)
        assert len(shares) == high - low + 1
        assert abs(sum(shares) - 1) < 1e-9
        assert min(shares) >= FLOOR / len(shares)


@settings(max_examples=30)
@given(HISTORY, st.sampled_from(sorted(LEVELS)), st.integers(0, 10**9))
def test_a_level_is_one_of_the_tasks(history, task, number):
    low, high = LEVELS[task]
    assert low <= told(history).level(task, number) <= high


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])  # as it is on a busy machine
@given(HISTORY, HISTORY, st.randoms())
def test_what_was_kept_in_a_checkpoint_goes_on_as_if_nothing_had_happened(before, after, rng):
    whole = told(before + after, seed=7)
    resumed = Curriculum(LEVELS, seed=7)
    resumed.load(json.loads(json.dumps(told(before).state())))
    for answers in after:
        resumed.observe(rng.sample(answers, len(answers)))  # in any order
    assert resumed.state() == whole.state()
    assert [resumed.level("c", i) for i in range(50)] == [whole.level("c", i) for i in range(50)]


def test_most_questions_come_where_half_of_the_answers_are_right():
    rates = {1: 1.0, 2: 0.95, 3: 0.5, 4: 0.1, 5: 0.0}
    history = [[("a", level, i < 40 * p) for level, p in rates.items() for i in range(40)] for _ in range(5)]
    curriculum = told(history)
    drawn = Counter(curriculum.level("a", i) for i in range(4000))
    assert drawn.most_common(1)[0][0] == 3 and drawn[3] > 0.5 * 4000
    assert min(drawn.values()) > 0.03 * 4000 and len(drawn) == 5
    assert drawn[4] > drawn[5] and drawn[4] > drawn[1]


def test_it_moves_on_to_what_has_become_learnable():
    curriculum = told([[("a", 1, True)] * 20 + [("a", 2, i < 10) for i in range(20)] + [("a", 3, False)] * 20] * 10)
    assert curriculum.shares("a")[1] > curriculum.shares("a")[2]
    for _ in range(20):
        curriculum.observe([("a", 2, True)] * 20 + [("a", 3, i < 10) for i in range(20)])
    assert curriculum.shares("a")[2] > 2 * curriculum.shares("a")[1]


def test_before_anything_was_seen_all_levels_are_alike():
    assert Curriculum(LEVELS).shares("a") == [0.2] * 5
    drawn = Counter(Curriculum(LEVELS).level("a", i) for i in range(5000))
    assert all(800 < n < 1200 for n in drawn.values())
