"""Distillation on logits: the student learns the teacher's whole distribution at every position (Hinton et al. 2015).

B rows, T tokens, D hidden, P learnt positions (p of them in a piece), V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.core.config import DistilSettings
from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.logprobs import in_chunks
from firesteel.train.losses import targets
from firesteel.train.objective import Metrics, Objective


class Distil(Objective):
    """Another objective's rows, with a teacher's distribution as the target beside the next token.

    The teacher runs where the loss is: a micro-batch at a time, in a pipeline on the last stage alone. It holds the whole
    model, unsharded.
    """

    def __init__(self, rows: Objective, teacher: Transformer, settings: DistilSettings, *, vocabulary: int) -> None:
        """`rows`: whose updates are learnt; what else they want of their loss is left out. `vocabulary`: tokens that the
        student and the teacher share (`shared_vocabulary`); what their tables have beyond is padding."""
        assert vocabulary <= teacher.config.vocab_size, "the teacher has no row for some tokens"
        self.rows, self.settings, self.vocabulary = rows, settings, vocabulary
        self.teacher = teacher.eval()

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """The rows' updates (see Objective)."""
        for batches in self.rows.updates(step, share):
            yield [replace(b, counts=_where(b).sum()[None].double(), objective=None) for b in batches]

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """weight * temperature^2 * KL + (1 - weight) * cross-entropy of the next token, the mean over targets.

        Hinton et al. 2015, §2: eq. 1 makes both distributions; by eq. 2-4 their gradients shrink with 1 / temperature^2.
        `reverse` takes KL(student || teacher), a token at a time, as in GKD (Agarwal et al. 2024, §2).
        """
        assert batch.totals is not None
        s, total, where = self.settings, batch.totals.clamp(min=1).item(), _where(batch)
        with torch.no_grad():
            known = self.teacher(batch.tokens, batch.segments)[:, :-1][where]  # [P, D of the teacher]

        def look(states: Tensor, known: Tensor, following: Tensor) -> tuple[Tensor, ...]:
            logits = head.logits(states)  # [p, V]
            with torch.no_grad():
                wanted = self._softened(self.teacher.logits(known))
            return divergence(self._softened(logits), wanted, reverse=s.reverse), F.cross_entropy(
                logits, following, reduction="none"
            )

        states, following = hidden[:, :-1][where], batch.tokens[:, 1:][where]
        apart, surprise = (x.sum() / total for x in in_chunks(look, head.config.vocab_size, states, known, following))
        loss = s.weight * s.temperature**2 * apart + (1 - s.weight) * surprise
        metrics = {"loss": loss, "divergence": apart, "next_token_loss": surprise}
        return loss, {name: value.detach() for name, value in metrics.items()}

    def _softened(self, logits: Tensor) -> Tensor:
        """log softmax(logits / temperature) over the tokens that both know (Hinton et al. 2015, eq. 1)."""
        return F.log_softmax(logits[:, : self.vocabulary] / self.settings.temperature, dim=-1)


def divergence(student: Tensor, teacher: Tensor, *, reverse: bool = False) -> Tensor:
    """KL(teacher || student) of each row of log-probabilities [P, V], in nats [P]; reverse: KL(student || teacher)."""
    p, q = (student, teacher) if reverse else (teacher, student)
    return (p.exp() * (p - q)).sum(dim=-1)


def shared_vocabulary(student: Tokenizer, teacher: Tokenizer) -> int:
    """How many tokens both have, which must be the same under the same ids. Raises UserError where they differ."""
    own, other = (tokenizer.backend.get_vocab() for tokenizer in (student, teacher))
    if own != other:
        differ = sorted(own.items() ^ other.items(), key=lambda item: (item[1], item[0]))
        token, id = differ[0]
        raise UserError(
            "the teacher's vocabulary is not the student's", value=f"{len(other)} tokens there, {len(own)} here",
            why=f"token {id}, {token!r}, is in one of them only; probabilities are compared token by token",
            hint='distil.kind = "sequences" learns what the teacher writes, with any vocabulary; or take its tokenizer',
        )  # fmt: skip
    return student.vocab_size


def _where(batch: Batch) -> Tensor:
    return targets(batch.learn, batch.segments, 1)
