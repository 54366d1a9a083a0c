"""Packing rows of different lengths into rectangles, for attention. Numbers only; there is no tensor here."""

from __future__ import annotations

from collections.abc import Sequence as Items

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def rectangles(lengths: Ints, overhead: int) -> list[Ints]:
    """Rows in groups of about equal length: a group is padded to its longest row.

    `overhead`: positions of padding that cost as much as one more group. Indices of the rows, shortest group first; all
    of them in their own order where one group will do.
    """
    longest = int(lengths.max())
    if longest * len(lengths) - int(lengths.sum()) <= overhead:
        return [np.arange(len(lengths))]
    order = np.argsort(lengths, kind="stable")
    groups, start = [], 0
    for i in range(1, len(order)):
        if (int(lengths[order[i]]) - int(lengths[order[i - 1]])) * (i - start) > overhead:
            groups.append(order[start:i])
            start = i
    return [*groups, order[start:]]


def packed(counts: Items[int], share: float = 0.2) -> list[list[int]]:
    """Pieces of prompts in groups that are computed padded to the longest, which wastes at most `share` of their tokens."""
    order = sorted(range(len(counts)), key=lambda i: counts[i])
    groups: list[list[int]] = []
    real = 0
    for i in order:
        real += counts[i]
        if groups and counts[i] * (len(groups[-1]) + 1) <= real * (1 + share):
            groups[-1].append(i)
        else:
            groups.append([i])
            real = counts[i]
    return groups
