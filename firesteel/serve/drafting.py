"""Drafts from the model's own MTP module (DeepSeek-V3 report §2.2): what the sampler will probably say next.

The module's cache holds, for each position i, what it makes of the state at i and of token i+1; it is one more layer of the
paged cache. A row's entries are whole from position `first` on; what lies below was computed while nobody drafted, or by
another sequence, and is not looked at. The entry of a block's last token knows the first token of the next block of whoever
wrote it last, although others may share the block: a guess may suffer from that, never a result.

n rows, T new positions of the longest, D hidden, K drafts at most
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from firesteel.model.cache import CacheView, PagedCache
from firesteel.model.cache import Rows as Rectangle
from firesteel.model.transformer import Transformer
from firesteel.serve.rectangles import Ints
from firesteel.serve.rows import Rows
from firesteel.serve.sampling import choose
from firesteel.serve.scheduler import Chunk
from firesteel.serve.sequence import Sequence


class Drafting:
    """Guesses for the rows of the decode batch, and the module's cache kept up to date."""

    def __init__(
        self, model: Transformer, cache: PagedCache, rows: Rows, tensor: Callable[[np.ndarray], Tensor]
    ) -> None:
        self.model, self.cache, self.rows, self._tensor = model, cache, rows, tensor
        self._whole = np.zeros(cache.num_blocks, bool)  # blocks whose entries were all written
        self._prompts: dict[Sequence, tuple[int, Tensor]] = {}  # being read: `first`, and the state of the last token

    def guess(self, among: Ints, most: int) -> tuple[Ints, Ints]:
        """Drafts of these rows: tokens [n, most], and how many of them there are [n]."""
        rows = self.rows
        blocks = [len(rows.sequences[row].blocks) for row in among.tolist()]  # tables may have lost what was reserved
        rows.room[among] = np.array(blocks) * self.cache.block_size
        counts = np.minimum(rows.room - rows.cached, rows.left)[among] - 1
        counts = np.where(rows.guesses[among] & (rows.fresh[among] > 0), counts.clip(0, most), 0)
        drafts = np.zeros((len(among), most), np.int64)
        able = np.flatnonzero(counts)
        if len(able):
            drafts[able] = self._drafts(among[able], most)
        return drafts, counts

    def verified(self, among: Ints, counts: Ints, tokens: Ints, emitted: Ints, states: Tensor) -> None:
        """The rows advanced: `tokens` [n, T] that the sampler said, so many of which hold; states [n, T, D] before them."""
        rows, T = self.rows, tokens.shape[1]
        rows.hidden[self._tensor(among), :T] = states
        rows.recent[among, :T] = tokens
        rows.fresh[among] = emitted
        broken = among[counts == 0]  # the module has not seen their last tokens, and will not
        rows.first[broken] = rows.cached[broken] - emitted[counts == 0]

    def read(self, chunk: Chunk, states: Tensor, wanted: bool) -> None:
        """Enter a chunk of a prompt, [count, D] of states, into the module's cache; its last token waits for the one after."""
        sequence, end = chunk.sequence, chunk.start + chunk.count
        self._whole[sequence.blocks[chunk.start // self.cache.block_size :]] = False
        first, _ = self._prompts.get(sequence) or (self._first_of(sequence.blocks, chunk.start), states)
        following = sequence.tokens(chunk.start + 1, chunk.count)
        if not wanted or sequence.special:
            first = end - 1
        elif following:
            part = self._rectangle(
                np.array([chunk.start]), np.array([len(following)]), len(following), np.array([sequence.blocks]),
                np.array([first]),
            )  # fmt: skip
            ids = self._tensor(np.array(following, np.int64))
            self.model.drafted(states[: len(following)], ids, CacheView(self.cache, [part]))
            self._complete(sequence.blocks, first, chunk.start + len(following))
        self._prompts[sequence] = (first, states[-1])

    def join(self, sequence: Sequence) -> None:
        """A sequence whose prompt was read got a row."""
        first, state = self._prompts.pop(sequence, (0, None))
        if state is not None and sequence.ids:
            rows, row = self.rows, sequence.row
            rows.hidden[row, 0], rows.recent[row, 0] = state, sequence.ids[-1]
            rows.fresh[row], rows.first[row] = 1, first

    def forget(self, sequence: Sequence) -> None:
        """A sequence is over, or will begin anew."""
        self._prompts.pop(sequence, None)

    def renew(self, blocks: list[int]) -> None:
        """These blocks are about to be written anew."""
        self._whole[blocks] = False

    def _drafts(self, among: Ints, most: int) -> Ints:
        rows = self.rows
        fresh, upto = rows.fresh[among], rows.cached[among]
        T = int(fresh.max())
        hidden = rows.hidden[self._tensor(among), :T].flatten(0, 1)
        states = self._module(among, upto - fresh, fresh, hidden, rows.recent[among, :T].reshape(-1), T)
        self._complete_rows(among[(upto % self.cache.block_size < T) & (upto > 0)])
        out = np.zeros((len(among), most), np.int64)
        for k in range(most):
            controls = rows.controls_of(among)
            controls.position += np.uint64(k)  # the sampler's own random number for that place
            out[:, k] = choose(self.model.logits(states), controls)[0].cpu().numpy()
            if k + 1 < most:
                at = np.minimum(upto + k, rows.room[among] - 1)
                states = self._module(among, at, np.ones_like(at), states, out[:, k], 1)
        return out

    def _module(self, among: Ints, start: Ints, new: Ints, hidden: Tensor, following: Ints, T: int) -> Tensor:
        """One pass of the module over `new` positions of each row from `start`; its last state of each, [n, D]."""
        width = int((start + new).max() - 1) // self.cache.block_size + 1
        part = self._rectangle(start, new, T, self.rows.tables[among, :width], self.rows.first[among])
        view = CacheView(self.cache, [part])
        return self.model.drafted(hidden, self._tensor(following), view)[view.last]

    def _rectangle(self, start: Ints, new: Ints, T: int, tables: Ints, first: Ints) -> Rectangle:
        t = self._tensor
        return self.cache.rows(t(start), t(new), T, t(tables), first=t(np.minimum(first, start)))

    def _first_of(self, blocks: list[int], cached: int) -> int:
        """From where on the entries below position `cached` are whole, in blocks that were computed before."""
        size, block = self.cache.block_size, cached // self.cache.block_size
        while block > 0 and self._whole[blocks[block - 1]]:
            block -= 1
        return block * size

    def _complete_rows(self, among: Ints) -> None:
        for row in among.tolist():
            blocks = self.rows.sequences[row].blocks
            self._complete(blocks, int(self.rows.first[row]), int(self.rows.cached[row]), last=1)

    def _complete(self, blocks: list[int], first: int, upto: int, last: int | None = None) -> None:
        """Entries of positions first .. upto - 1 are there: so are the blocks that lie within (the `last` so many)."""
        size = self.cache.block_size
        low, high = -(-first // size), upto // size
        self._whole[blocks[max(low, high - last) if last else low : high]] = True
