"""Supervised fine-tuning: the model learns what the assistant says; a little replayed text keeps what it learnt before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from firesteel.core.config import SftSettings
from firesteel.core.errors import SourceError
from firesteel.core.packing import best_fit
from firesteel.core.tokenizer import Message, Rendered, Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.losses import NextToken
from firesteel.train.objective import Metrics, Objective

Conversations = Callable[[int], Sequence[Message] | Rendered]  # number -> one conversation; an endless, seeded stream
REPLAY = "replay_"  # before the metrics of replayed documents
WINDOW = 8  # steps whose conversations are sorted by length together, so that rows of a batch need little padding


class Sft(Objective):
    """Batches drawn evenly from several streams of conversations, with windows of documents beside them (`replay`)."""

    def __init__(
        self, tokenizer: Tokenizer, streams: Sequence[Conversations], settings: SftSettings, *,
        seed: int, longest: int, modules: int = 0, replay: Objective | None = None,
    ) -> None:  # fmt: skip
        self.tokenizer, self.streams, self.settings, self.seed, self.replay = tokenizer, streams, settings, seed, replay
        self.capacity = min(settings.max_tokens, longest)
        self.next_token = NextToken(settings.mtp_weight, modules if settings.mtp_weight else 0, settings.z_loss)
        self._cached: tuple[int, list[list[Rendered]]] = (-1, [])

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """One update of `batch_size` conversations (see Objective)."""
        window, place = divmod(step, WINDOW)
        if self._cached[0] != window:
            self._cached = (window, self._window(window))
        rows = self._cached[1][place]
        batches = [self._batch([rows[i] for i in share.rows(len(rows))])]
        for update in self.replay.updates(step, share) if self.replay else ():
            weight = self.settings.replay_weight
            batches += [replace(batch, weight=weight, name=REPLAY, objective=self.replay) for batch in update]
        yield batches

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """Cross-entropy of what the assistant says (see Objective)."""
        return self.next_token(head, hidden, batch)

    def _batch(self, rows: Sequence[Rendered]) -> Batch:
        if self.settings.packing:
            tokens, learn, segments = packed(
                rows, max(self.capacity, *(len(r.ids) for r in rows)), self.tokenizer.pad_id
            )
            return Batch(tokens, learn, self.next_token.counts(learn, segments), segments)
        tokens, learn = pad(rows, self.tokenizer.pad_id)
        lengths = torch.tensor([len(r.ids) for r in rows])
        return Batch(tokens, learn, self.next_token.counts(learn, None), lengths=lengths)

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
    length = max((len(r.ids) for r in rows), default=2)
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
