"""Learning from chosen and rejected answers: DPO (Rafailov et al. 2023) and SimPO (Meng et al. 2024).

B rows: a chosen answer, the rejected one to the same prompt, and so on; T tokens, D hidden, P learnt positions
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.core.config import PreferenceSettings
from firesteel.core.tokenizer import Rendered
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.logprobs import row_logprobs, row_sums
from firesteel.train.objective import Metrics, Objective
from firesteel.train.sft import pad

REFERENCE = "reference"  # Batch.extra: log pi_ref(y|x) of each row, [B]


class Pairs(Protocol):
    """Preference pairs by number: (chosen, rejected), each the prompt with the answer, whose mask is true on the answer."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> tuple[Rendered, Rendered]: ...


class Preference(Objective):
    """Pairs in a seeded order, each seen once before any is seen again; the chosen answer's reward is to be the higher one.

    The reward of an answer y to x (mean over pairs of -log sigmoid of the difference):
    dpo     beta log(pi(y|x) / pi_ref(y|x))      eq. 5 without the partition function, which cancels in eq. 7
    simpo   beta / |y| log pi(y|x)               eq. 4; the difference less a margin, eq. 6
    """

    def __init__(
        self, pairs: Pairs, settings: PreferenceSettings, *, pad_id: int, seed: int,
        reference: np.ndarray | None = None, across: Callable[[Tensor], Tensor] = lambda x: x,
    ) -> None:  # fmt: skip
        """`reference` [pairs, 2]: what reference_logprobs found, for dpo.

        `across` sums a tensor over the processes that share each sequence, of which each learns its own targets only.
        """
        assert (reference is not None) == (settings.method == "dpo"), "dpo, and dpo alone, has a reference"
        assert reference is None or reference.shape == (len(pairs), 2), "each pair has two log-probabilities"
        self.pairs, self.settings, self.pad_id, self.seed = pairs, settings, pad_id, seed
        self.reference, self.across = reference, across
        self._order = (-1, np.empty(0, dtype=np.int64))

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """One update of `batch_size` pairs (see Objective)."""
        size = self.settings.batch_size
        numbers = [self._number(step * size + i) for i in share.rows(size)]
        own = [(self.pairs[n], n) for n in numbers]
        own.sort(key=lambda pair: max(len(side.ids) for side in pair[0]))  # micro-batches need little padding
        batch = pair_batch([pair for pair, _ in own], self.pad_id)
        if self.reference is not None:
            batch.extra[REFERENCE] = torch.from_numpy(self.reference[[n for _, n in own]].reshape(-1))
        yield [batch]

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """DPO eq. 7, with labels smoothed as in cDPO (Mitchell 2023), or SimPO eq. 6 (see Objective).

        Beside it, with `sft_weight`, the chosen answer's loss a token (Pang et al. 2024, eq. 1).
        """
        assert batch.totals is not None
        s, total = self.settings, batch.totals.clamp(min=1).item()
        said, length = self._rows(head, hidden, batch)
        reward = s.beta * (said - batch.extra[REFERENCE] if s.method == "dpo" else said / length)
        (chosen, rejected), each = (reward[0::2], reward[1::2]), said / length
        ahead = chosen - rejected
        over = ahead - (s.gamma * s.beta if s.method == "simpo" else 0.0)
        loss = -(1 - s.label_smoothing) * F.logsigmoid(over) - s.label_smoothing * F.logsigmoid(-over)
        if s.sft_weight:
            loss = loss - s.sft_weight * each[0::2]
        facts = {
            "loss": loss, "margin": ahead, "accuracy": (ahead > 0).float(),
            "logprob_chosen": each[0::2], "logprob_rejected": each[1::2],  # nats a token
        }  # fmt: skip
        shared = total * self.across(said.new_ones(()))  # each of these processes knows all of a row
        return loss.sum() / total, {name: value.detach().sum() / shared for name, value in facts.items()}

    def _rows(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """log pi(y|x) [B] of each answer, and its tokens |y| [B]; gradients flow through this process's targets."""
        logp, _, rows = row_logprobs(head, hidden, batch.tokens, batch.learn)
        own, length = row_sums(logp, rows, len(batch)), batch.learn[:, 1:].sum(dim=1).to(logp.dtype)
        elsewhere = self.across(own.detach().clone()) - own.detach()
        return own + elsewhere, self.across(length).clamp(min=1)

    def _number(self, place: int) -> int:
        """The pair at a place of the endless, seeded order."""
        epoch, place = divmod(place, len(self.pairs))
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs)))
        return int(self._order[1][place])


def pair_batch(pairs: Sequence[tuple[Rendered, Rendered]], pad_id: int) -> Batch:
    """Pairs as neighbouring rows, chosen first; the loss is a mean over pairs."""
    rows = [side for pair in pairs for side in pair]
    tokens, learn = pad(rows, pad_id)
    lengths, counts = torch.tensor([len(r.ids) for r in rows]), torch.tensor([len(pairs)], dtype=torch.float64)
    return Batch(tokens, learn, counts, lengths=lengths, group=2)
