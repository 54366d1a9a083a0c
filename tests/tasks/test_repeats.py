"""Several answers to a question: pass@k by counting, the vote, and intervals that know about clusters."""

from __future__ import annotations

import itertools
import random

import pytest

from firesteel.core.stats import wilson
from firesteel.tasks.judging.repeats import Vote, clustered, majority, pass_at, powers, repeated


@pytest.mark.parametrize(("n", "right"), [(1, 0), (1, 1), (5, 0), (5, 2), (6, 3), (7, 7)])
def test_pass_at_k_is_the_share_of_draws_of_k_with_a_right_one(n: int, right: int) -> None:
    answers = [True] * right + [False] * (n - right)
    for k in range(1, n + 1):
        draws = list(itertools.combinations(answers, k))
        assert pass_at(n, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize(
    ("votes", "share"),
    [
        ([("5", True), ("5", True), ("6", False)], 1.0),
        ([("6", False), ("5", True), ("6", False)], 0.0),
        ([("5", True), ("5.0", True), ("6", False), ("6", False), (" 5 ", True)], 1.0),  # one answer, written thrice
        ([("Anna", True), ("anna.", True), ("Leo", False)], 1.0),
        ([("5", True), ("6", False)], 0.5),  # a draw is shared
        ([(None, False), (None, False), ("5", True)], 1.0),  # who names none does not vote
        ([(None, False)], 0.0),
    ],
)
def test_the_majority_is_of_answers_not_of_their_writing(votes: list[tuple[str | None, bool]], share: float) -> None:
    assert majority([Vote(*vote) for vote in votes]) == share


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (3, 7), (400, 1000)])
def test_with_one_answer_each_the_interval_is_wilsons(right: int, n: int) -> None:
    own, theirs = clustered([1.0] * right + [0.0] * (n - right), 1), wilson(right, n)
    assert own.as_dict() == pytest.approx(theirs.as_dict())


def test_answers_that_agree_within_a_question_do_not_narrow_the_interval_and_those_that_do_not_do() -> None:
    alike = clustered([1.0] * 50 + [0.0] * 50, 16)
    mixed = clustered([0.5] * 100, 16)
    single = wilson(50, 100)
    assert (alike.low, alike.high) == pytest.approx((single.low, single.high))
    assert mixed.high - mixed.low == pytest.approx((single.high - single.low) / 4, rel=0.02)


def test_the_interval_holds_the_truth_about_nineteen_times_in_twenty() -> None:
    rng, held, rounds = random.Random(0), 0, 1000
    for _ in range(rounds):
        shares = []
        for _ in range(100):
            p = rng.betavariate(0.6, 0.4)  # questions differ: mean 0.6
            shares.append(sum(rng.random() < p for _ in range(8)) / 8)
        found = clustered(shares, 8)
        held += found.low <= 0.6 <= found.high
    assert 0.93 <= held / rounds <= 0.975


def test_all_figures_of_repeats() -> None:
    assert list(powers(1)) == [1] and list(powers(6)) == [1, 2, 4, 6] and list(powers(8)) == [1, 2, 4, 8]
    right, wrong = Vote("5", True), Vote("6", False)
    found = repeated([[right, wrong, wrong, wrong], [right, right, right, wrong]])
    assert list(found) == ["pass@1", "pass@2", "pass@4", "majority@4"]
    assert [found[name]["value"] for name in found] == pytest.approx([0.5, 0.75, 1.0, 0.5])
    assert all(row["n"] == 2 for row in found.values())
