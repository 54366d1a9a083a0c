"""Supervised fine-tuning: the model learns what the assistant says; a little replayed text keeps what it learnt before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from firesteel.core.config import SftSettings
from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import Message, Rendered, Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.loop import Objective, Piece
from firesteel.train.losses import next_token_loss

Conversations = Callable[[int], Sequence[Message]]  # number -> messages; an endless, seeded stream
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
        tokens, learn = pad(self._cached[1][place], self.tokenizer.pad_id)
        device = self.model.device
        s = self.settings
        for piece in self.replay.pieces(step) if self.replay else ():
            assert piece.loss is not None
            yield Piece(
                s.replay_weight * piece.loss, piece.tokens, {"replay_loss": piece.metrics["loss"]}, update=False
            )
        loss, parts = next_token_loss(self.model, tokens.to(device), learn.to(device), s.mtp_weight, self.aux_weight)
        yield Piece(loss, tokens.numel(), parts)

    def _window(self, window: int) -> list[list[Rendered]]:
        """The batches of WINDOW steps: rows sorted by length, batches in a seeded order."""
        size = self.settings.batch_size
        first = window * WINDOW * size
        rows = sorted((self._conversation(first + i) for i in range(WINDOW * size)), key=lambda r: len(r.ids))
        batches = [rows[i : i + size] for i in range(0, len(rows), size)]
        random.Random(f"{self.seed}/{window}").shuffle(batches)
        return batches

    def _conversation(self, number: int) -> Rendered:
        """The first conversation that fits, from this number on in its stream."""
        stream = self.streams[number % len(self.streams)]
        for attempt in range(1000):
            rendered = self.tokenizer.render(stream(number // len(self.streams) + attempt * 1_000_003))
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
