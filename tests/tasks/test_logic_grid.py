"""Logic grids: exactly one solution, no clue to spare, and a working that crosses out only what cannot be."""

import random

import pytest

from firesteel.tasks.families.logic_grid import TASK, drawn, solutions, solve
from tests.tasks.checks import hold_at_every_level, splits_are_disjoint, worked_length


@pytest.mark.parametrize("level,count", [(1, 40), (2, 20), (3, 10), (4, 3)])
def test_there_is_exactly_one_solution_and_no_clue_too_many(level, count):
    for seed in range(count):
        grid, truth, clues = drawn(random.Random(seed), "en", level)
        assert list(solutions(grid, clues)) == [truth]
        for clue in clues:  # without it crossing out does not fill the grid
            cells, _ = solve(grid, [c for c in clues if c != clue])
            assert any(len(values) > 1 for values in cells.values())


def test_the_hardest_grids_are_filled_by_crossing_out_and_their_clues_hold():
    from firesteel.tasks.families.logic_grid import holds

    for seed in range(5):
        grid, truth, clues = drawn(random.Random(seed), "zh", 5)
        cells, steps = solve(grid, clues)
        assert {cell: {value} for cell, value in truth.items()} == cells
        assert all(holds(grid, clue, truth) for clue in clues)
        assert all((truth[s.kind, s.person] == s.value) == s.is_it for s in steps)


def test_every_sort_of_clue_comes_up():
    sorts = {c[0] for seed in range(40) for level in (2, 4) for c in drawn(random.Random(seed), "en", level)[2]}
    assert sorts == {"is", "not", "either", "same", "differ", "before"}


def test_worked_solutions_are_right_and_short_where_they_are_learned():
    hold_at_every_level(TASK, 8)
    assert worked_length(TASK, 1) < 80 and worked_length(TASK, 2) < 160
    clues = [sum(len(p.facts["clues"]) for p in TASK.at(n).problems("train", 0, 0, 10)) for n in range(1, 6)]
    assert clues == sorted(clues)  # harder means more to keep in mind


def test_splits_are_disjoint():
    splits_are_disjoint(TASK, 40)
