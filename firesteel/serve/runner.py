"""Runs the model: prompt chunks as one padded batch, and the decode batch whose state is kept in arrays between steps.

Rows of the decode batch are changed only when a sequence joins, leaves or gets a block; a step costs no Python per row.

R rows at most, B rows in use, T new tokens, NB blocks of the longest row
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from firesteel.core.errors import FiresteelError
from firesteel.model.cache import PagedCache
from firesteel.model.transformer import Transformer
from firesteel.serve.sampling import Controls, adjust, choose, likeliest
from firesteel.serve.scheduler import Chunk
from firesteel.serve.sequence import Sequence


class Runner:
    """Model, cache and the decode batch. `rows[i]` is the sequence in row i."""

    def __init__(self, model: Transformer, *, max_sequences: int, num_blocks: int, block_size: int) -> None:
        self.model, self.device = model, model.device
        self.cache = PagedCache(
            model.config, num_blocks=num_blocks, block_size=block_size, device=model.device, dtype=model.dtype
        )
        self.rows: list[Sequence] = []
        widest = min(num_blocks, -(-model.config.max_position_embeddings // block_size))
        self._token = np.zeros(max_sequences, np.int64)
        self._cached = np.zeros(max_sequences, np.int64)
        self._tables = np.zeros((max_sequences, widest), np.int64)
        self._temperature = np.zeros(max_sequences, np.float32)
        self._top_p = np.ones(max_sequences, np.float32)
        self._seed = np.zeros(max_sequences, np.uint64)
        self._position = np.zeros(max_sequences, np.uint64)
        self._arrays = (
            self._token, self._cached, self._tables, self._temperature, self._top_p, self._seed, self._position
        )  # fmt: skip

    def join(self, sequence: Sequence) -> None:
        """Give a sequence with one pending token the next free row."""
        row = sequence.row = len(self.rows)
        self.rows.append(sequence)
        self._token[row] = sequence.tokens(sequence.cached, 1)[0]
        self._cached[row] = sequence.cached
        self._temperature[row], self._top_p[row] = sequence.sampling.temperature, sequence.sampling.top_p
        self._seed[row], self._position[row] = sequence.sampling.seed & (2**64 - 1), len(sequence.ids)
        self._tables[row] = 0
        self.grow(sequence)

    def grow(self, sequence: Sequence) -> None:
        """Copy a sequence's block table into its row."""
        self._tables[sequence.row, : len(sequence.blocks)] = sequence.blocks

    def leave(self, sequence: Sequence) -> None:
        """Free a sequence's row; the last row moves into the gap."""
        if sequence.row < 0:
            return
        row, last = sequence.row, self.rows.pop()
        if last is not sequence:
            for array in self._arrays:
                array[row] = array[len(self.rows)]
            self.rows[row], last.row = last, row
        sequence.row = -1

    def decode(self) -> list[Sequence]:
        """One token for every row; returns the sequences that got it."""
        B = len(self.rows)
        width = int(self._cached[:B].max()) // self.cache.block_size + 1  # NB in use
        view = self.cache.view(
            self._tensor(self._cached[:B]),
            self._tensor(np.ones(B, np.int64)),
            1,
            self._tensor(self._tables[:B, :width]),
        )
        logits = self.model.extend(self._tensor(self._token[:B, None]), view)
        controls = Controls(self._temperature[:B], self._top_p[:B], self._seed[:B], self._position[:B])
        rows = self.rows.copy()
        tokens = self._pick(logits, rows, controls)
        self._token[:B] = tokens
        self._cached[:B] += 1
        self._position[:B] += np.uint64(1)
        for sequence in rows:
            sequence.cached += 1
        return rows

    def prefill(self, chunks: list[Chunk]) -> list[Sequence]:
        """Compute prompt chunks; returns the sequences whose prompt is complete, with their next token."""
        B, T = len(chunks), max(c.count for c in chunks)
        width = max(len(c.sequence.blocks) for c in chunks)
        tokens, tables = np.zeros((B, T), np.int64), np.zeros((B, width), np.int64)
        for i, c in enumerate(chunks):
            tokens[i, : c.count] = c.sequence.tokens(c.start, c.count)
            tables[i, : len(c.sequence.blocks)] = c.sequence.blocks
        start, count = np.array([c.start for c in chunks]), np.array([c.count for c in chunks])
        view = self.cache.view(self._tensor(start), self._tensor(count), T, self._tensor(tables))
        logits = self.model.extend(self._tensor(tokens), view)
        for c in chunks:
            c.sequence.cached += c.count
        done = [i for i, c in enumerate(chunks) if c.sequence.pending == 0]
        sequences = [chunks[i].sequence for i in done]
        if sequences:
            self._pick(logits[torch.tensor(done, device=self.device)], sequences, Controls.of(sequences))
        return sequences

    def _pick(self, logits: Tensor, sequences: list[Sequence], controls: Controls) -> list[int]:
        """Choose and append a token to each sequence. logits [B, V] are consumed."""
        special = [(row, s) for row, s in enumerate(sequences) if s.special]
        adjust(logits, special)
        tops = likeliest(logits, special)
        chosen, chosen_logprobs = choose(logits, controls)
        tokens, logprobs = chosen.tolist(), chosen_logprobs.tolist()
        if not np.isfinite(logprobs).all():
            raise FiresteelError(
                "the model computed logits that are not finite", why="weights are damaged or overflow their dtype"
            )
        for row, (sequence, token, logprob) in enumerate(zip(sequences, tokens, logprobs, strict=True)):
            sequence.append(token, logprob, tops.get(row))
        return tokens

    def _tensor(self, array: np.ndarray) -> Tensor:
        """The array on the model's device; on the CPU the same memory."""
        return torch.from_numpy(array).to(self.device)
