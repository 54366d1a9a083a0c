"""Bin packing: which samples share a row, so that rows are full and no sample is cut.

Best fit decreasing: the longest sample first, each into the fullest row that still takes it. That needs at most 11/9 of
the fewest rows possible, and a constant (Johnson 1973).
"""

from __future__ import annotations

from collections.abc import Sequence

WORD = 6  # a word of the bit table holds 2^6 rooms


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Rows of indices into `lengths`, each index once, no row longer than `capacity`; the same rows every time.

    O(n log n): rows are found by the room they have left, in a tree of bits. Lengths lie in 1 .. capacity.
    """
    assert capacity >= 1 and all(1 <= n <= capacity for n in lengths), "a sample is empty or longer than a row"
    rows: list[list[int]] = []
    with_room: dict[int, list[int]] = {}  # room left -> rows, the one that came to it last is taken first
    rooms = _Rooms(capacity + 1)
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):  # stable: ties in their order
        room = rooms.at_least(lengths[index])
        if room is None:
            row, room = len(rows), capacity
            rows.append([])
        else:
            row = with_room[room].pop()
            if not with_room[room]:
                rooms.remove(room)
        rows[row].append(index)
        left = room - lengths[index]
        if left:
            with_room.setdefault(left, []).append(row)
            rooms.add(left)
    return rows


class _Rooms:
    """A set of integers below `size` that finds the next one from a place on: words of bits, over them words of words."""

    def __init__(self, size: int) -> None:
        self._levels: list[list[int]] = []
        while not self._levels or len(self._levels[-1]) > 1:
            size = (size + (1 << WORD) - 1) >> WORD
            self._levels.append([0] * size)

    def add(self, value: int) -> None:
        for level in self._levels:
            word, bit = divmod(value, 1 << WORD)
            level[word] |= 1 << bit
            value = word

    def remove(self, value: int) -> None:
        for level in self._levels:
            word, bit = divmod(value, 1 << WORD)
            level[word] &= ~(1 << bit)
            if level[word]:
                return
            value = word

    def at_least(self, value: int) -> int | None:
        """The smallest member that is `value` or more."""
        for depth, level in enumerate(self._levels):
            word, bit = divmod(value, 1 << WORD)
            rest = level[word] >> bit if word < len(level) else 0
            if rest:
                found = value + _lowest(rest)
                for below in reversed(self._levels[:depth]):
                    found = (found << WORD) + _lowest(below[found])
                return found
            value = word + 1
        return None


def _lowest(word: int) -> int:
    return (word & -word).bit_length() - 1
