"""Best fit decreasing: nothing lost, nothing cut, the twin's rows, and rows close to the fewest possible."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.packing import best_fit


def naive(lengths: list[int], capacity: int) -> list[list[int]]:
    """The same by looking at every row: the least room that suffices; of equals, the row that was filled last."""
    rows: list[list[int]] = []
    order: list[int] = []  # rows by when they were last filled
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        room = {row: capacity - sum(lengths[i] for i in rows[row]) for row in order}
        fitting = [row for row in order if room[row] >= lengths[index]]
        row = min(reversed(fitting), key=lambda r: room[r]) if fitting else len(rows)
        if row == len(rows):
            rows.append([])
        rows[row].append(index)
        order = [r for r in order if r != row] + [row]
    return rows


def fewest(lengths: list[int], capacity: int) -> int:
    """The fewest rows possible, by trying everything."""
    best = len(lengths)

    def place(at: int, rooms: tuple[int, ...]) -> None:
        nonlocal best
        if len(rooms) >= best:
            return
        if at == len(lengths):
            best = len(rooms)
            return
        for i, room in enumerate(rooms):
            if room >= lengths[at]:
                place(at + 1, (*rooms[:i], room - lengths[at], *rooms[i + 1 :]))
        place(at + 1, (*rooms, capacity - lengths[at]))

    place(0, ())
    return best


CASES = st.integers(1, 5000).flatmap(
    lambda capacity: st.tuples(st.lists(st.integers(1, capacity), max_size=60), st.just(capacity))
)


@given(CASES)
def test_every_sample_is_in_one_row_that_holds_it_and_the_rows_are_the_twins(case: tuple[list[int], int]) -> None:
    lengths, capacity = case
    rows = best_fit(lengths, capacity)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    assert all(row and sum(lengths[i] for i in row) <= capacity for row in rows)
    assert rows == naive(lengths, capacity) == best_fit(lengths, capacity)


@given(st.integers(2, 40).flatmap(lambda c: st.tuples(st.lists(st.integers(1, c), max_size=8), st.just(c))))
def test_rows_are_at_most_eleven_ninths_of_the_fewest_possible(case: tuple[list[int], int]) -> None:
    lengths, capacity = case
    assert 9 * len(best_fit(lengths, capacity)) <= 11 * fewest(lengths, capacity) + 6


@pytest.mark.parametrize("longest", [64, 300, 2048])
def test_random_lengths_waste_little(longest: int) -> None:
    rng = random.Random(longest)
    lengths = [rng.randint(1, longest) for _ in range(3000)]
    bound = -(-sum(lengths) // 2048)  # no packing has fewer rows
    large = sum(n > 1024 for n in lengths)  # each of these needs a row of its own
    assert 9 * len(best_fit(lengths, 2048)) <= 11 * max(bound, large) + 6


def test_nothing_and_samples_that_do_not_fit() -> None:
    assert best_fit([], 4) == [] and best_fit([4, 4], 4) == [[0], [1]]
    for wrong in ([5], [0], [-1]):
        with pytest.raises(AssertionError, match="sample"):
            best_fit(wrong, 4)


def test_many_samples_take_seconds_not_minutes() -> None:
    rng = random.Random(0)
    lengths = [min(1 << 18, int(rng.lognormvariate(6, 2)) + 1) for _ in range(50_000)]
    start = time.process_time()
    best_fit(lengths, 1 << 18)
    assert time.process_time() - start < 5  # a scan of all rows takes minutes
