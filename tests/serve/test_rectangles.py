"""Packing rows into rectangles: every row once, and little padding."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firesteel.serve.rectangles import packed, rectangles

lengths = st.lists(st.integers(1, 5000), min_size=1, max_size=60)


@given(lengths, st.integers(1, 4000))
def test_every_row_is_in_one_group_and_padding_costs_less_than_the_groups_it_saves(
    rows: list[int], overhead: int
) -> None:
    groups = rectangles(np.array(rows), overhead)
    assert sorted(i for group in groups for i in group.tolist()) == list(range(len(rows)))
    padding = sum(max(rows[i] for i in group) * len(group) - sum(rows[i] for i in group) for group in groups)
    assert padding <= overhead * len(rows)
    if len(groups) == 1 and max(rows) * len(rows) - sum(rows) <= overhead:
        assert groups[0].tolist() == list(range(len(rows))), "rows that need no groups keep their order"
    ends = [max(rows[i] for i in group) for group in groups]
    assert ends == sorted(ends)


@given(lengths, st.floats(0.0, 0.5))
def test_pieces_of_prompts_are_padded_by_no_more_than_their_share(counts: list[int], share: float) -> None:
    groups = packed(counts, share)
    assert sorted(i for group in groups for i in group) == list(range(len(counts)))
    for group in groups:
        real, widest = sum(counts[i] for i in group), max(counts[i] for i in group)
        assert widest * len(group) <= real * (1 + share) + 1e-6


def test_rows_of_one_length_are_one_rectangle() -> None:
    assert [g.tolist() for g in rectangles(np.array([7] * 9), 1)] == [list(range(9))]
    assert packed([16] * 5) == [[0, 1, 2, 3, 4]]
    assert [g.tolist() for g in rectangles(np.array([4000, 9, 10]), 64)] == [[1, 2], [0]]
