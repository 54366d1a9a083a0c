"""Pretraining: next-token (and next-but-one) prediction on packed documents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from firesteel.core.config import PretrainSettings
from firesteel.core.errors import SourceError
from firesteel.core.shards import TokenShards
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.losses import SOURCE, NextToken
from firesteel.train.objective import Metrics, Objective
from firesteel.train.schedule import Ramp

SHORTEST = 16  # tokens; less than this teaches nothing


class Pretrain(Objective):
    """Windows of the token stream in a seeded order, each seen once before any is seen again.

    Documents are packed without a mask between them, as DeepSeek-V3 pretrains (§4.1).
    """

    def __init__(self, shards: TokenShards, settings: PretrainSettings, *, seed: int, modules: int = 0) -> None:
        self.shards, self.seed = shards, seed
        self.ramp = Ramp(settings.batch_size, settings.batch_start, settings.batch_ramp_steps)
        self.length = min(settings.sequence_length, len(shards))  # a very small corpus is one short window
        if self.length < SHORTEST:
            raise SourceError(
                "too little text to train on", value=f"{len(shards)} tokens", why=f"even {SHORTEST} are not there",
                hint="add documents; 'dropped/' beside them says what was left out, and why",
            )  # fmt: skip
        trained = modules if settings.mtp_weight else 0
        several = tuple(shards.sources) if len(shards.sources) > 1 else ()
        self.next_token = NextToken(settings.mtp_weight, trained, settings.z_loss, several)
        self.windows = len(shards) // self.length
        self._order = (-1, np.empty(0, dtype=np.int64))

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """One update of `batch_size` windows (see Objective)."""
        first = self.ramp.before(step)
        starts = [self._start(first + i) for i in share.rows(self.ramp.rows(step))]
        rows = [self.shards.slice(start, self.length) for start in starts]
        tokens = torch.from_numpy(np.asarray(rows, dtype=np.int64).reshape(-1, self.length))  # [B, T]
        learn = torch.ones_like(tokens, dtype=torch.bool)
        extra = {SOURCE: self._sources(starts)} if self.next_token.sources else {}
        yield [Batch(tokens, learn, self.next_token.counts(learn, None, extra.get(SOURCE)), extra=extra)]

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """V3 report eq. 24-25 (see Objective)."""
        return self.next_token(head, hidden, batch)

    def _start(self, number: int) -> int:
        """Where the window that has this number begins in the stream."""
        epoch, place = divmod(number, self.windows)
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(self.windows))
        return int(self._order[1][place]) * self.length

    def _sources(self, starts: list[int]) -> Tensor:
        """The number of each token's source, [B, T]."""
        places = np.asarray(starts)[:, None] + np.arange(self.length)
        document = np.searchsorted(self.shards.documents, places, side="right") - 1
        return torch.from_numpy(self.shards.source[document])
