"""The decode batch: the state of every row in arrays, changed only when a sequence joins, leaves or gets a block.

So that a step costs no Python per row. R rows at most, n rows in use, K drafts at most
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch

from firesteel.serve.rectangles import Ints
from firesteel.serve.sampling import Controls
from firesteel.serve.sequence import Sequence


class Rows:
    """`sequences[i]` is in row i. Arrays [R]: `token` is the one that is not cached yet, `cached` how many are."""

    def __init__(self, count: int, widest: int, drafts: int, hidden: torch.Tensor) -> None:
        """`widest` block tables; `hidden` [R, K+1, D] where there are drafts, else empty."""
        self.sequences: list[Sequence] = []
        self.token = np.zeros(count, np.int64)
        self.cached = np.zeros(count, np.int64)
        self.tables = np.zeros((count, widest), np.int64)
        self.room = np.zeros(count, np.int64)  # slots of its blocks
        self.left = np.zeros(count, np.int64)  # tokens that it may still generate
        self.controls = Controls.of([])
        for field in fields(Controls):
            empty = getattr(self.controls, field.name)
            setattr(self.controls, field.name, np.zeros((count, *empty.shape[1:]), empty.dtype))
        # of speculation (drafting.py)
        self.guesses = np.zeros(count, bool)  # whether it may have drafts at all
        self.hidden = hidden  # final states of the tokens cached last
        self.recent = np.zeros((count, drafts + 1), np.int64)  # the token after each of these
        self.fresh = np.zeros(count, np.int64)  # how many these are
        self.first = np.zeros(count, np.int64)  # position from which on the MTP module's cache is whole
        self._arrays = [
            self.token, self.cached, self.tables, self.room, self.left, self.guesses, self.recent, self.fresh,
            self.first, *(getattr(self.controls, field.name) for field in fields(Controls)),
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self.sequences)

    def join(self, sequence: Sequence, block_size: int) -> None:
        """Give a sequence with one pending token the next free row."""
        row = sequence.row = len(self.sequences)
        self.sequences.append(sequence)
        self.token[row] = sequence.tokens(sequence.cached, 1)[0]
        self.cached[row] = sequence.cached
        self.left[row] = sequence.sampling.max_new_tokens - len(sequence.ids)
        one = Controls.of([sequence])
        for field in fields(Controls):
            getattr(self.controls, field.name)[row] = getattr(one, field.name)[0]
        self.tables[row] = 0
        self.fresh[row], self.first[row] = 0, sequence.cached
        self.guesses[row] = self.hidden.numel() > 0 and not sequence.sampling.adjusts and sequence.guide is None
        self.grow(sequence, block_size)

    def grow(self, sequence: Sequence, block_size: int) -> None:
        """Copy a sequence's block table into its row."""
        self.tables[sequence.row, : len(sequence.blocks)] = sequence.blocks
        self.room[sequence.row] = len(sequence.blocks) * block_size

    def leave(self, sequence: Sequence) -> None:
        """Free a sequence's row; the last row moves into the gap."""
        if sequence.row < 0:
            return
        row, last = sequence.row, self.sequences.pop()
        if last is not sequence:
            for array in self._arrays:
                array[row] = array[len(self.sequences)]
            if self.hidden.numel():
                self.hidden[row] = self.hidden[len(self.sequences)]
            self.sequences[row], last.row = last, row
        sequence.row = -1

    def advance(self, among: Ints, tokens: Ints, emitted: Ints) -> None:
        """These rows took the first `emitted` [n] of `tokens` [n, T]; the last of them is not cached yet."""
        self.cached[among] += emitted
        self.left[among] -= emitted
        self.controls.position[among] += emitted.astype(np.uint64)
        self.token[among] = tokens[np.arange(len(among)), emitted - 1]

    def controls_of(self, rows: Ints, columns: int = 1) -> Controls:
        """Settings of the next `columns` tokens of these rows, [n * columns]."""
        parts = {f.name: np.repeat(getattr(self.controls, f.name)[rows], columns, axis=0) for f in fields(Controls)}
        if columns > 1:
            parts["position"] += np.tile(np.arange(columns, dtype=np.uint64), len(rows))
        return Controls(**parts)


def joined(parts: list[Controls]) -> Controls:
    """Settings one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Controls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Controls)})
