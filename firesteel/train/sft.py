"""Supervised fine-tuning: the model learns what the assistant says; a little replayed text keeps what it learnt before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from firesteel.core.config import SftSettings
from firesteel.core.errors import SourceError
from firesteel.core.packing import best_fit
from firesteel.core.tokenizer import Message, Rendered, Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.loop import Objective, Piece
from firesteel.train.losses import next_token_loss

Conversations = Callable[[int], Sequence[Message] | Rendered]  # number -> one conversation; an endless, seeded stream
WINDOW = 8  # steps whose conversations are sorted by length together, so that rows of a batch need little padding


class Sft:
    """Batches drawn evenly from several streams of conversations, with windows of documents beside them (`replay`)."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, streams: Sequence[Conversations], settings: SftSettings, *,
        seed: int, aux_weight: float, replay: Objective | None = None,
    ) -> None:  # fmt: skip
        self.model, self.tokenizer, self.streams, self.settings = model, tokenizer, streams, settings
        self.seed, self.aux_weight, self.replay = seed, aux_weight, replay
        self._cached: tuple[int, list[list[Rendered]]] = (-1, [])

    def pieces(self, step: int) -> Iterator[Piece]:
        """The losses of one step (see loop.Objective)."""
        window, place = divmod(step, WINDOW)
        if self._cached[0] != window:
            self._cached = (window, self._window(window))
        s, device, rows = self.settings, self.model.device, self._cached[1][place]
        tokens, learn, segments = self._tensors(rows)
        for piece in self.replay.pieces(step) if self.replay else ():
            assert piece.loss is not None
            yield Piece(
                s.replay_weight * piece.loss, piece.tokens, {"replay_loss": piece.metrics["loss"]}, update=False
            )
        loss, parts = next_token_loss(
            self.model, tokens.to(device), learn.to(device), s.mtp_weight, self.aux_weight,
            None if segments is None else segments.to(device),
        )  # fmt: skip
        yield Piece(loss, tokens.numel(), parts)

    def _tensors(self, rows: Sequence[Rendered]) -> tuple[Tensor, Tensor, Tensor | None]:
        """A batch as tokens, learn-mask and, if packed, segments [B, T]."""
        if not self.settings.packing:
            return *pad(rows, self.tokenizer.pad_id), None
        capacity = min(self.settings.max_tokens, self.model.config.max_position_embeddings)
        return packed(rows, max(capacity, *(len(r.ids) for r in rows)), self.tokenizer.pad_id)

    def _window(self, window: int) -> list[list[Rendered]]:
        """The batches of WINDOW steps: conversations sorted by length, batches in a seeded order; as they come if packed."""
        size = self.settings.batch_size
        first = window * WINDOW * size
        rows = [self._conversation(first + i) for i in range(WINDOW * size)]
        if not self.settings.packing:
            rows.sort(key=lambda r: len(r.ids))
        batches = [rows[i : i + size] for i in range(0, len(rows), size)]
        random.Random(f"{self.seed}/{window}").shuffle(batches)
        return batches

    def _conversation(self, number: int) -> Rendered:
        """The first conversation that fits, from this number on in its stream."""
        stream = self.streams[number % len(self.streams)]
        for attempt in range(1000):
            found = stream(number // len(self.streams) + attempt * 1_000_003)
            rendered = found if isinstance(found, Rendered) else self.tokenizer.render(found)
            if len(rendered.ids) <= self.settings.max_tokens and any(rendered.mask):
                return rendered
        raise SourceError(
            "no conversation is short enough to learn from", value=f"sft.max_tokens = {self.settings.max_tokens}"
        )


def pad(rows: Sequence[Rendered], pad_id: int) -> tuple[Tensor, Tensor]:
    """Rows to tokens [B, T] and learn-mask [B, T], padded on the right."""
    length = max(len(r.ids) for r in rows)
    tokens = torch.full((len(rows), length), pad_id, dtype=torch.long)
    learn = torch.zeros((len(rows), length), dtype=torch.bool)
    for i, row in enumerate(rows):
        tokens[i, : len(row.ids)] = torch.tensor(row.ids)
        learn[i, : len(row.mask)] = torch.tensor(row.mask)
    return tokens, learn


def packed(rows: Sequence[Rendered], capacity: int, pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Conversations to tokens, learn-mask and segments [B, T], T <= capacity: several in a row, padding a segment of its own.

    The first token of a conversation is never learnt: nothing of its own stands before it. So the loss is that of padded
    rows; only the balance loss differs, which is a mean over rows.
    """
    bins = best_fit([len(r.ids) for r in rows], capacity)
    shape = (len(bins), max(sum(len(rows[i].ids) for i in row) for row in bins))
    tokens, learn = torch.full(shape, pad_id, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
    segments = torch.full(shape, -1, dtype=torch.long)
    for b, row in enumerate(bins):
        at = 0
        for segment, i in enumerate(row):
            end = at + len(rows[i].ids)
            tokens[b, at:end], learn[b, at:end] = torch.tensor(rows[i].ids), torch.tensor(rows[i].mask)
            segments[b, at:end] = segment
            at = end
    return tokens, learn, segments
