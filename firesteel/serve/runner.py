"""Runs the model: one pass a step, in which rows that decode and chunks of prompts go through the layers together.

Tokens lie one after the other, so linear maps waste nothing; for attention they are packed into rectangles of rows that are
about equally long. With speculation a row brings its drafts along, and keeps those that the sampler would have said anyway.

n rows of the decode batch, T tokens a row, N tokens of the step, M positions whose logits are wanted, D hidden
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from firesteel.core.errors import FiresteelError
from firesteel.model.cache import CacheView, PagedCache
from firesteel.model.cache import Rows as Rectangle
from firesteel.model.transformer import Transformer
from firesteel.serve.drafting import Drafting
from firesteel.serve.reading import Reading
from firesteel.serve.rectangles import Ints, packed, rectangles
from firesteel.serve.routing import RoutingStore
from firesteel.serve.rows import Rows, joined
from firesteel.serve.sampling import Controls, adjust, choose, likeliest
from firesteel.serve.scheduler import Chunk
from firesteel.serve.sequence import Alternatives, Sequence

SHORT = 32  # tokens of a chunk that goes together with others
GROUP = 1024  # positions of padding that cost about as much as attention for one more group of rows


class Runner:
    """Model, cache and the decode batch. `drafts`: how many tokens a row may ever have drafted; 0 = no speculation."""

    def __init__(
        self, model: Transformer, *, max_sequences: int, num_blocks: int, block_size: int, drafts: int = 0
    ) -> None:
        self.model, self.device = model, model.device
        config = model.config
        self.cache = PagedCache(
            config, num_blocks=num_blocks, block_size=block_size, device=model.device, dtype=model.dtype,
            drafts=min(drafts, 1),
        )  # fmt: skip
        widest = min(num_blocks, -(-config.max_position_embeddings // block_size))
        hidden = torch.zeros(max_sequences if drafts else 0, drafts + 1, config.hidden_size, dtype=model.dtype)
        self.rows = Rows(max_sequences, widest, drafts, hidden.to(model.device))
        self.drafting = Drafting(model, self.cache, self.rows, self._tensor) if drafts else None
        self._reading = Reading(model)
        self.routing: RoutingStore | None = None  # where the experts of each token are recorded, if they are
        self.drafted = self.accepted = 0  # tokens, so far

    def join(self, sequence: Sequence) -> None:
        """Give a sequence with one pending token the next free row."""
        self.rows.join(sequence, self.cache.block_size)
        if self.drafting is not None:
            self.drafting.join(sequence)

    def grow(self, sequence: Sequence) -> None:
        """A sequence of the decode batch got blocks."""
        self.rows.grow(sequence, self.cache.block_size)
        if self.drafting is not None:
            self.drafting.renew(sequence.blocks[-(-sequence.cached // self.cache.block_size) :])

    def leave(self, sequence: Sequence) -> None:
        """A sequence is over or pre-empted: free its row, if it has one, and forget what was read of its prompt."""
        self.rows.leave(sequence)
        self._reading.forget(sequence)
        if self.drafting is not None:
            self.drafting.forget(sequence)

    def step(self, chunks: list[Chunk], drafts: int = 0, only: Ints | None = None) -> list[tuple[Sequence, int]]:
        """A token at least for every row (or `only` these), and these chunks of prompts.

        Returns the sequences that advanced to a token, and how many they got; 0 where the prompt was all that was asked for.
        """
        among = np.arange(len(self.rows)) if only is None else only
        guesses, counts = self._guesses(among, drafts)
        batch = _Batch()
        at = self._add_rows(batch, among, guesses, counts)
        starts = self._add_chunks(batch, chunks)
        view = CacheView(self.cache, batch.parts)
        states = self.model.extended(self._tensor(batch.tokens), view)
        if self.routing is not None:
            self.routing.write(view.slots)
        self._read(chunks, starts, states, drafts > 0)
        done = [(c.sequence, at + c.count - 1) for c, at in zip(chunks, starts, strict=True) if not c.sequence.pending]
        told = [(sequence, at) for sequence, at in done if sequence.sampling.max_new_tokens]
        where = np.concatenate((at.reshape(-1), np.array([at for _, at in told], np.int64)))
        new = [sequence for sequence, _ in told]
        chosen = self._choose(states, where, among, at.shape[1], new)
        emitted = self._accept(among, guesses, counts, chosen, states, at)
        for i, sequence in enumerate(new, at.size):
            sequence.append(*chosen.of(i))
        for sequence, _ in done:
            if not sequence.sampling.max_new_tokens:
                sequence.finish_reason = "length"
        advanced = [(self.rows.sequences[row], n) for row, n in zip(among.tolist(), emitted.tolist(), strict=True)]
        return advanced + [(sequence, min(sequence.sampling.max_new_tokens, 1)) for sequence, _ in done]

    def _guesses(self, among: Ints, drafts: int) -> tuple[Ints, Ints]:
        """Drafts [n, K] of these rows and how many each has [n]."""
        if self.drafting is None or not drafts or not len(among):
            return np.zeros((len(among), 0), np.int64), np.zeros(len(among), np.int64)
        return self.drafting.guess(among, drafts)

    def _add_rows(self, batch: _Batch, among: Ints, guesses: Ints, counts: Ints) -> Ints:
        """Put the next token and the drafts of these rows into the batch; where each of them is in it, [n, T]."""
        rows, T = self.rows, guesses.shape[1] + 1
        at = np.zeros((len(among), T), np.int64)
        if not len(among):
            return at
        tokens = np.concatenate((rows.token[among, None], guesses), axis=1)
        lengths = rows.cached[among] + counts + 1
        for group in rectangles(lengths, GROUP):
            own = among[group]
            width = int(lengths[group].max() - 1) // self.cache.block_size + 1
            part = self._rectangle(rows.cached[own], counts[group] + 1, T, rows.tables[own, :width])
            at[group] = batch.add(part, tokens[group])
        return at

    def _add_chunks(self, batch: _Batch, chunks: list[Chunk]) -> list[int]:
        """Put chunks of prompts into the batch; where each begins in it."""
        starts = [0] * len(chunks)
        for group in _alike(chunks):
            own = [chunks[i] for i in group]
            T, width = max(c.count for c in own), max(-(-(c.start + c.count) // self.cache.block_size) for c in own)
            tokens, tables = np.zeros((len(own), T), np.int64), np.zeros((len(own), width), np.int64)
            for i, c in enumerate(own):
                tokens[i, : c.count] = c.sequence.tokens(c.start, c.count)
                tables[i, : len(c.sequence.blocks)] = c.sequence.blocks[:width]
            start, count = np.array([c.start for c in own]), np.array([c.count for c in own])
            at = batch.add(self._rectangle(start, count, T, tables, fresh=own[0].start == 0), tokens)
            for i, begin in zip(group, at[:, 0].tolist(), strict=True):
                starts[i] = begin
        return starts

    def _rectangle(self, cached: Ints, new: Ints, T: int, tables: Ints, fresh: bool = False) -> Rectangle:
        t = self._tensor
        return self.cache.rows(t(cached), t(new), T, t(tables), fresh=fresh)

    def _read(self, chunks: list[Chunk], starts: list[int], states: Tensor, drafting: bool) -> None:
        """The chunks are in the cache now; give their states to who wants more of them."""
        for chunk, at in zip(chunks, starts, strict=True):
            chunk.sequence.cached += chunk.count
            own = states[at : at + chunk.count]
            if chunk.sequence.whole:
                self._reading.read(chunk, own)
            if self.drafting is not None:
                self.drafting.read(chunk, own, drafting)

    def _choose(self, states: Tensor, where: Ints, among: Ints, T: int, new: list[Sequence]) -> _Chosen:
        """Tokens after the states at `where` [M]: T for each row, then one for each new sequence."""
        if not len(where):
            return _Chosen([], [], {})
        logits = self.model.logits(states[self._tensor(where)])
        rows = self.rows.sequences
        special = [(i * T + j, rows[r]) for i, r in enumerate(among.tolist()) if rows[r].special for j in range(T)]
        special += [(i, s) for i, s in enumerate(new, len(among) * T) if s.special]
        adjust(logits, special)
        tops = likeliest(logits, special)
        chosen, logprobs = choose(logits, joined([self.rows.controls_of(among, T), Controls.of(new)]))
        out = _Chosen(chosen.tolist(), logprobs.tolist(), tops)
        if not np.isfinite(out.logprobs).all():
            raise FiresteelError(
                "the model computed logits that are not finite", why="weights are damaged or overflow their dtype"
            )
        return out

    def _accept(
        self, among: Ints, guesses: Ints, counts: Ints, chosen: _Chosen, states: Tensor, at: Ints
    ) -> Ints:  # fmt: skip
        """Give each row its tokens up to the first that its draft had not foreseen; how many these are, [n]."""
        (n, T), rows = at.shape, self.rows
        tokens = np.array(chosen.tokens[: n * T], np.int64).reshape(n, T)
        emitted = np.ones(n, np.int64)
        for i, row in enumerate(among.tolist()):
            sequence, drafts = rows.sequences[row], int(counts[i])
            for j in range(drafts + 1):
                sequence.append(*chosen.of(i * T + j))
                if sequence.finish_reason or (j < drafts and guesses[i, j] != tokens[i, j]):
                    break
            emitted[i] = j + 1
            sequence.cached += j + 1
        self.drafted += int(counts.sum())
        self.accepted += int(emitted.sum()) - n
        if n:
            rows.advance(among, tokens, emitted)
            if self.drafting is not None:
                self.drafting.verified(among, counts, tokens, emitted, states[self._tensor(at)])
        return emitted

    def _tensor(self, array: np.ndarray) -> Tensor:
        """The array on the model's device; on the CPU the same memory."""
        return torch.from_numpy(array).to(self.device)


def _alike(chunks: list[Chunk]) -> list[list[int]]:
    """Chunks that go through attention together: beginnings; short ends of about as long sequences, such as those of a prompt
    that the cache knew in part; each other one for itself."""
    found: list[list[int]] = []
    kinds: dict[int, list[int]] = defaultdict(list)
    for i, c in enumerate(chunks):
        if c.start and c.count > SHORT:
            found.append([i])
        else:
            kinds[(c.start + c.count).bit_length() if c.start else 0].append(i)
    for own in kinds.values():
        found += [[own[i] for i in group] for group in packed([chunks[i].count for i in own])]
    return found


class _Batch:
    """The tokens of a step as they are gathered, rectangle after rectangle."""

    def __init__(self) -> None:
        self.parts: list[Rectangle] = []
        self._tokens: list[Ints] = []
        self._size = 0

    def add(self, part: Rectangle, tokens: Ints) -> Ints:
        """Append a rectangle of tokens [B, T]; where each of them is, [B, T]."""
        self.parts.append(part)
        self._tokens.append(tokens.reshape(-1))
        at = self._size + np.arange(tokens.size).reshape(tokens.shape)
        self._size += tokens.size
        return at

    @property
    def tokens(self) -> Ints:
        """All of them, [N]."""
        return np.concatenate(self._tokens)


@dataclass
class _Chosen:
    """Tokens, their logprobs, and the alternatives of those that asked for them."""

    tokens: list[int]
    logprobs: list[float]
    tops: dict[int, Alternatives]

    def of(self, i: int) -> tuple[int, float, Alternatives | None]:
        """What Sequence.append takes. A token has one logprob, also where it is among the alternatives."""
        token, logprob, top = self.tokens[i], self.logprobs[i], self.tops.get(i)
        return token, logprob, top and [(id, logprob if id == token else other) for id, other in top]
