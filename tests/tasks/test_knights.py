"""Knights and knaves: one solution by trying all, and a working whose every rejection is just."""

import itertools
import random

import pytest

from firesteel.tasks.families.knights import KIND, LETTER, MEANS, TASK, drawn, possible
from tests.tasks.checks import hold_at_every_level, splits_are_disjoint, worked_length


@pytest.mark.parametrize("level", range(1, 6))
def test_there_is_exactly_one_solution(level):
    for seed in range(60):
        said, who = drawn(random.Random(seed), level)
        assert list(possible(said, len(who))) == [who]
        assert all(MEANS[sort](who, about) == bool(who[speaker]) for sort, speaker, about in said)


def test_what_the_working_rejects_cannot_be():
    for problem in TASK.at(3).problems("train", 0, 0, 40):
        people, said = problem.facts["people"], [(s, i, tuple(x)) for s, i, x in problem.facts["said"]]
        for line in (part for part in problem.reasoning.split(";") if "!" in part):
            start, by = line.split("!")
            kinds = tuple(LETTER.index(c) for c in start)
            (blamed,) = [s for s in said if s[1] == int(by) - 1]
            for rest in itertools.product((0, 1), repeat=len(people) - len(kinds)):
                who = (*kinds, *rest)
                assert MEANS[blamed[0]](who, blamed[2]) != who[blamed[1]]


def test_sentences_say_what_is_meant():
    for problem in TASK.at(5).problems("train", 2, 0, 60):
        for (sort, _, about), line in zip(problem.facts["said"], problem.question.split("\n")[1:], strict=False):
            if sort == "if":
                first, second = (KIND[problem.language][kind] for kind in about[2:])
                assert line.index(first) < len(line) and line.rindex(second) > line.index(first)
            assert "{" not in line and "I is" not in line


def test_worked_solutions_are_right_and_short_where_they_are_learned():
    hold_at_every_level(TASK, 25)
    assert worked_length(TASK, 1) < 100 and worked_length(TASK, 2) < 140


def test_splits_are_disjoint():
    splits_are_disjoint(TASK)
