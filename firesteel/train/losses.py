"""Next-token and multi-token losses on selected positions; the vocabulary projection runs only where something is learnt.

B rows, T tokens, D hidden, V vocabulary, P selected positions, M multi-token prediction modules, S sources
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch
from firesteel.train.objective import Metrics

SOURCE = "source"  # Batch.extra: the number of each token's source, [B, T]


@dataclass(frozen=True)
class NextToken:
    """Cross-entropy of the next token, plus lambda times that of those after it (V3 report eq. 24-25), plus a z-loss.

    counts [1 + M + S]: targets of the main model, of each module, and of the main model by source.
    """

    mtp_weight: float = 0.0  # lambda
    modules: int = 0  # M that are trained; none without a weight
    z_weight: float = 0.0  # of log(Z)^2, the mean over targets (PaLM, Chowdhery et al. 2022, §5)
    sources: tuple[str, ...] = ()

    def counts(self, learn: Tensor, segments: Tensor | None, source: Tensor | None = None) -> Tensor:
        """What the loss of these rows is divided by. learn, segments, source [B, T] -> float64."""
        found = [targets(learn, segments, k + 1).sum()[None] for k in range(1 + self.modules)]
        if self.sources:
            assert source is not None
            chosen = source[:, 1:][targets(learn, segments, 1)]
            found.append(torch.bincount(chosen, minlength=len(self.sources)))
        return torch.cat(found).double().cpu()

    def __call__(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """The loss and its parts in nats (see objective.Objective.loss)."""
        assert batch.totals is not None
        totals = batch.totals.clamp(min=1).tolist()
        where = targets(batch.learn, batch.segments, 1)
        logits = head.logits(hidden[:, :-1][where])  # [P, V]
        each = F.cross_entropy(logits, batch.tokens[:, 1:][where], reduction="none")  # [P]
        loss = each.sum() / totals[0]
        metrics = {"loss": loss.detach()}
        if self.z_weight:
            z = torch.logsumexp(logits, dim=-1).square().sum() / totals[0]
            metrics["z_loss"] = z.detach()
            loss = loss + self.z_weight * z
        if self.sources:
            metrics |= self._by_source(each.detach(), batch.extra[SOURCE][:, 1:][where], totals[1 + self.modules :])
        if self.modules:
            further, parts = self._further(head, hidden, batch, totals, _grid(where, logits.detach().argmax(-1)))
            loss, metrics = loss + self.mtp_weight * further, metrics | parts
        return loss, metrics

    def _further(
        self, head: Transformer, hidden: Tensor, batch: Batch, totals: list[float], main: Tensor
    ) -> tuple[Tensor, Metrics]:
        """Mean over modules; module k's state i predicts token i+k+1. `main` [B, T-1]: what the main model says there."""
        tokens, losses, metrics = batch.tokens, [], {}
        for k, states in enumerate(head.predict_further(hidden, tokens, batch.segments), start=1):
            where = targets(batch.learn, batch.segments, k + 1)
            logits = head.logits(states[:, :-1][where])
            losses.append(F.cross_entropy(logits, tokens[:, k + 1 :][where], reduction="sum") / totals[k])
            if k == 1:  # a draft is accepted when the main model, a token later, says the same (V3 report §5.4.3)
                agreed = (logits.detach().argmax(-1) == main[:, 1:][where]).sum()
                metrics["mtp_accepted"] = agreed / totals[1]
        further = torch.stack(losses).sum() / self.modules
        return further, {"mtp_loss": further.detach()} | metrics

    def _by_source(self, each: Tensor, source: Tensor, totals: list[float]) -> Metrics:
        sums = torch.bincount(source, weights=each, minlength=len(self.sources))
        return {f"loss_by_source/{name}": sums[i] / totals[i] for i, name in enumerate(self.sources)}


def targets(learn: Tensor, segments: Tensor | None, ahead: int) -> Tensor:
    """Which tokens are targets of the state `ahead` places before them, [B, T-ahead]: both lie in one segment."""
    where = learn[:, ahead:]
    return where if segments is None else where & (segments[:, ahead:] == segments[:, :-ahead])


def _grid(where: Tensor, values: Tensor) -> Tensor:
    """Values [P] at the places where `where` is true, -1 elsewhere."""
    return torch.full(where.shape, -1, dtype=values.dtype, device=values.device).masked_scatter_(where, values)


def token_logprobs(
    head: Transformer, hidden: Tensor, tokens: Tensor, learn: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies [P] of the tokens where `learn` [B, T] is true, in row order, at a temperature."""
    where = targets(learn, None, 1)
    logp = F.log_softmax(head.logits(hidden[:, :-1][where]) / temperature, dim=-1)  # [P, V]
    chosen = logp.gather(1, tokens[:, 1:][where][:, None])[:, 0]
    entropy = -(logp.detach().exp() * logp.detach()).sum(dim=-1)
    return chosen, entropy
