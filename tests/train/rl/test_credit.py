"""Rewards, advantages and credit, against the papers' arithmetic."""

from __future__ import annotations

import statistics

import pytest

from firesteel.core.config import GrpoSettings
from firesteel.train.rl.advantage import above_mean, in_deviations
from firesteel.train.rl.credit import by_answer, by_step, credit
from firesteel.train.rl.reward import overlong_penalty, reward
from firesteel.train.rl.sampled import Question, Sampled, Verdict

QUESTION = Question([1], lambda ids, stopped: Verdict(len(ids), True, True))


def answer(length=4, *, stopped=True, **verdict):
    return Sampled(
        QUESTION,
        [5] * length,
        [0.0] * length,
        stopped,
        Verdict(length, **{"correct": True, "well_formed": True} | verdict),
    )


def test_an_advantage_is_the_reward_above_the_groups_mean_or_that_in_deviations():
    rewards = [1.0, 0.1, 0.0, 0.7]
    mean, deviation = statistics.fmean(rewards), statistics.pstdev(rewards)
    assert above_mean(rewards) == pytest.approx([r - mean for r in rewards])
    assert in_deviations(rewards) == pytest.approx([(r - mean) / deviation for r in rewards])


@pytest.mark.parametrize("value", [0.1, 1.1, 1 / 3])
@pytest.mark.parametrize("advantage", [above_mean, in_deviations])
def test_equal_rewards_have_no_advantage_not_even_a_rounding(advantage, value):
    """The mean of equal numbers can be off in its last bit, which a deviation would blow up to one."""
    assert all(advantage([value] * n) == [0.0] * n for n in range(2, 40))


def test_form_and_language_earn_a_little():
    s = GrpoSettings(format_reward=0.1, language_reward=0.2)
    assert reward(answer(language=0.5), s) == pytest.approx(1.2)
    assert reward(answer(correct=False, well_formed=False, language=0.0), s) == 0.0
    assert reward(answer(earned=0.4, language=1.0), s) == pytest.approx(0.4 + 0.1 + 0.2)


def test_an_answer_that_was_cut_earns_as_the_recipe_says():
    long = answer(100, stopped=False)
    assert reward(long, GrpoSettings(max_new_tokens=100)) == 0.0
    assert reward(long, GrpoSettings(max_new_tokens=100, overlong="mask")) == pytest.approx(1.1)
    soft = GrpoSettings(max_new_tokens=100, overlong="soft", overlong_buffer=20)
    assert reward(long, soft) == pytest.approx(0.1)
    assert [overlong_penalty(n, soft) for n in (10, 80, 85, 90, 100)] == [0.0, 0.0, 0.25, 0.5, 1.0]  # DAPO eq. 13


def test_credit_by_answer_is_repeated_over_its_tokens():
    group = [Verdict(2, True, True), Verdict(3, False, True), Verdict(1, False, False), Verdict(1, True, False)]
    advantages = by_answer(group, [v.reward(0.1) for v in group], above_mean)
    assert [len(a) for a in advantages] == [2, 3, 1, 1]
    assert advantages[0] == [pytest.approx(1.1 - 0.55)] * 2 and advantages[1] == [pytest.approx(0.1 - 0.55)] * 3


STEPS = [
    Verdict(6, True, True, ((2, True), (4, True), (6, True))),
    Verdict(7, False, True, ((2, True), (4, True), (7, False))),
    Verdict(9, False, True, ((3, False),)),
]


def test_credit_by_step_blames_the_first_wrong_step_and_nothing_else():
    advantages = by_step(STEPS, [0.0] * 3, above_mean)
    third = pytest.approx(1 / 3)
    assert advantages[0] == [third] * 2 + [0.0] * 2 + [0.5] * 2  # all who came to step 1 got it right
    assert advantages[1] == [third] * 2 + [0.0] * 2 + [-0.5] * 3
    assert advantages[2] == [pytest.approx(-2 / 3)] * 3  # and nothing is said of its other six tokens


def test_credit_by_step_in_deviations_compares_each_step_by_itself():
    advantages = by_step(STEPS, [0.0] * 3, in_deviations)
    assert advantages[0] == pytest.approx([0.5**0.5] * 2 + [0.0] * 2 + [1.0] * 2)
    assert advantages[2] == pytest.approx([-(2**0.5)] * 3)


def judged(*verdicts: Verdict) -> list[Sampled]:
    return [Sampled(QUESTION, [5] * v.length, [0.0] * v.length, True, v) for v in verdicts]


@pytest.mark.parametrize("earned", [[], [1.0, 0.5, 0.0]], ids=["no steps", "a part earned"])
def test_where_steps_tell_less_than_the_answer_credit_is_by_answer(earned: list[float]):
    """Steps are right or wrong: of half a reward they know nothing."""
    group = [
        Verdict(v.length, v.correct, True, v.steps if earned else (), e)
        for v, e in zip(STEPS, earned or [1, 0, 0], strict=True)
    ]
    found = credit(judged(*group), GrpoSettings(credit="step"))
    rewards = [1.1, (earned or [1, 0, 0])[1] + 0.1, 0.1]
    assert found == by_answer(group, rewards, above_mean) and any(map(any, found))
    assert found == credit(judged(*group), GrpoSettings(credit="answer"))


def test_language_and_length_count_beside_steps():
    """Three answers alike in their steps: what differs is the language of one and the length of another."""
    steps = ((2, True), (4, False))
    group = [Verdict(4, False, True, steps, 0.0, language=x) for x in (1.0, 0.4, 1.0)]
    plain = GrpoSettings(credit="step")
    assert not any(map(any, credit(judged(*group), plain)))
    found = credit(judged(*group), plain.model_copy(update={"language_reward": 0.5}))
    assert [own[0] for own in found] == pytest.approx([0.1, -0.2, 0.1]) and [len(set(own)) for own in found] == [
        1,
        1,
        1,
    ]
    soft = GrpoSettings(credit="step", overlong="soft", overlong_buffer=4, max_new_tokens=8)
    group = [Verdict(n, False, True, steps, 0.0) for n in (4, 4, 7)]
    found = credit(judged(*group), soft)
    assert [len(own) for own in found] == [4, 4, 7]  # the rest of a long answer pays, too
    assert [own[0] for own in found] == pytest.approx([0.25, 0.25, -0.5])
