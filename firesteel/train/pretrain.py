"""Pretraining: next-token (and next-but-one) prediction on packed documents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from firesteel.core.config import PretrainSettings
from firesteel.core.errors import SourceError
from firesteel.core.shards import TokenShards
from firesteel.model.transformer import Transformer
from firesteel.train.loop import Piece
from firesteel.train.losses import next_token_loss

SHORTEST = 16  # tokens; less than this teaches nothing


class Pretrain:
    """Windows of the token stream in a seeded order, each seen once before any is seen again.

    Documents are packed without a mask between them, as DeepSeek-V3 pretrains (§4.1).
    """

    def __init__(
        self, model: Transformer, shards: TokenShards, settings: PretrainSettings, *, seed: int, aux_weight: float
    ) -> None:
        self.model, self.shards, self.settings, self.seed, self.aux_weight = model, shards, settings, seed, aux_weight
        self.length = min(settings.sequence_length, len(shards))  # a very small corpus is one short window
        if self.length < SHORTEST:
            raise SourceError(
                "too little text to train on", value=f"{len(shards)} tokens", why=f"even {SHORTEST} are not there",
                hint="add documents; 'dropped/' beside them says what was left out, and why",
            )  # fmt: skip
        self.windows = len(shards) // self.length
        self._order = (-1, np.empty(0, dtype=np.int64))

    def pieces(self, step: int) -> Iterator[Piece]:
        """The losses of one step (see loop.Objective)."""
        s = self.settings
        rows = [self._window(step * s.batch_size + i) for i in range(s.batch_size)]
        tokens = torch.from_numpy(np.stack(rows))  # [B, T]
        learn = torch.ones_like(tokens, dtype=torch.bool)
        device = self.model.device
        loss, parts = next_token_loss(self.model, tokens.to(device), learn.to(device), s.mtp_weight, self.aux_weight)
        yield Piece(loss, tokens.numel(), parts)

    def _window(self, number: int) -> np.ndarray:
        epoch, place = divmod(number, self.windows)
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(self.windows))
        return self.shards.slice(int(self._order[1][place]) * self.length, self.length)
