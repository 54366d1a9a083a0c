"""Group relative policy optimisation with verifiable rewards (DeepSeekMath §4.1; DeepSeek-R1 eq. 1-3), and its kin.

A step: sample groups of answers, judge them (rollouts.py), compare (reward.py, advantage.py, credit.py), learn
(policy_loss.py, kl.py). Each variant is a setting, whose description names its source. A group that all agree teaches nothing.

B answers, T tokens, P learnt tokens, L layers with experts, K experts a token
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from firesteel.core.config import GrpoSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.logprobs import row_logprobs
from firesteel.train.objective import Metrics, Objective
from firesteel.train.rl.experience import ADVANTAGE, SAMPLER, Experience, batch_of, experiences, left_out
from firesteel.train.rl.kl import KL, k3
from firesteel.train.rl.policy_loss import Tokens, policy_loss, shares
from firesteel.train.rl.reference import Reference
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Group
from firesteel.train.rl.scoring import scored

# Batch.extra: log-probabilities under the trainer before it learns, and under the reference, [B, T] each
BEFORE, REFERENCE = "before", "reference"
MEANS = (  # metrics that are means over a step's updates; of the others the first update tells
    "loss", "policy_loss", "kl", "entropy", "ratio", "importance", "clipped_low", "clipped_high", "masked_off_policy",
    "grad_norm",
)  # fmt: skip


class Grpo(Objective):
    """One step: sample groups, judge them, and learn from how each answer compares with its group."""

    falls = False  # a policy loss goes about zero

    def __init__(self, tokenizer: Tokenizer, rollouts: Rollouts, settings: GrpoSettings) -> None:
        self.tokenizer, self.rollouts, self.settings = tokenizer, rollouts, settings
        self.model: Transformer | None = None
        self.reference: Reference | None = None

    def begin(self, parts: Sequence[Transformer]) -> None:
        """Keep the policy as it starts, if a KL penalty wants it (see Objective)."""
        (self.model,) = parts
        if self.settings.kl_weight:
            self.reference = Reference(self.model, self.settings.reference_every)

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """`minibatches` updates on one batch of answers (see Objective)."""
        if self.reference is not None:
            self.reference.follow(step)
        groups, facts = self.rollouts(step, share)
        learnt = [row for group in groups for row in experiences(group, self.settings)]
        facts |= self._facts(groups, learnt)
        count = self.settings.minibatches
        batches = [self._batch(learnt[i::count], facts if i == 0 else {}) for i in range(count)]
        for batch in batches:  # all of them, before the first one changes the policy
            self._score(batch)
        for batch in batches:
            yield [batch]

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """sum_t share_t (policy_t + beta KL_t); the shares say what it is a mean over (see Objective)."""
        assert batch.totals is not None
        s, (total, answers) = self.settings, batch.totals.clamp(min=1).tolist()
        tokens, entropy = self._tokens(head, hidden, batch)
        share = shares(tokens, s, total=total, answers=answers)
        parts = policy_loss(tokens, s)
        loss = policy = (parts.loss * share).sum()
        against = tokens.sampler, tokens.logp.detach()
        if tokens.reference is not None:
            against = tokens.logp.detach(), tokens.reference
            loss = loss + s.kl_weight * (KL[s.kl](tokens.logp, tokens.reference, tokens.sampler) * share).sum()
        sums = {
            "logprob_gap": (tokens.logp.detach() - tokens.sampler).abs(), "kl": k3(*against, tokens.sampler),
            "entropy": entropy, "ratio": parts.ratio, "clipped_low": parts.low, "clipped_high": parts.high,
        }  # fmt: skip
        if parts.importance is not None:
            sums["importance"] = parts.importance
        found = {"loss": loss.detach(), "policy_loss": policy.detach()}
        found |= {name: values.sum() / total for name, values in sums.items()}
        if s.off_policy_delta:
            found["masked_off_policy"] = tokens.row[parts.off_policy].unique().numel() / tokens.logp.new_tensor(answers)
        return loss, found

    def check(self, metrics: Mapping[str, float]) -> None:
        """End the run when sampler and trainer disagree; on later minibatches the weights have moved, and they may."""
        gap = metrics["logprob_gap"]
        if "reward" in metrics and gap > self.settings.max_logprob_gap:
            raise FiresteelError(
                "sampler and trainer disagree", value=f"{gap:.4f} nats a token on average",
                why=f"more than grpo.max_logprob_gap = {self.settings.max_logprob_gap}; learning from it would collapse",
                hint="a kernel or cache differs between the two; the last checkpoint is kept. grpo.importance_cap = 2 corrects "
                "for a small gap, grpo.routing_replay = true for experts that are chosen otherwise",
            )  # fmt: skip

    def summary(self, updates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Means over the updates of what learning changes; the rest from the first, before which nothing has moved."""
        found = super().summary(updates)
        for name in found.keys() & set(MEANS):
            values = [update[name] for update in updates if name in update]
            found[name] = sum(values) / len(values)
        return found

    def tensors(self) -> Mapping[str, Tensor]:
        """The reference, where it moves (see Objective)."""
        return {} if self.reference is None else self.reference.tensors()

    def state(self) -> dict[str, Any]:
        """How often the reference has moved, and what the rollouts keep (see Objective)."""
        reference = {} if self.reference is None else self.reference.state()
        return {"reference": reference, "rollouts": self.rollouts.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint (see Objective)."""
        if self.reference is not None:
            self.reference.load(state["reference"])
        self.rollouts.load(state["rollouts"])

    def _facts(self, groups: Sequence[Group], learnt: Sequence[Experience]) -> dict[str, float]:
        """Shares of the step's answers: learnt from, and left out because they were cut."""
        answers = [answer for group in groups for answer in group]
        masked = sum(left_out(a, self.settings) for a in answers)
        own = [len(answers), len(learnt), masked]
        count, used, masked = (sum(each) for each in zip(*self.rollouts.mesh.everyone(own), strict=True))
        facts = {"used": used / count}
        return facts | ({"masked_truncated": masked / count} if self.settings.overlong == "mask" else {})

    def _batch(self, learnt: Sequence[Experience], facts: dict[str, float]) -> Batch:
        return batch_of(sorted(learnt, key=lambda a: len(a.row.ids)), self.tokenizer.pad_id, facts)

    def _score(self, batch: Batch) -> None:
        """Add what has to be known of the answers before the policy moves."""
        s = self.settings
        if s.importance_cap:
            assert self.model is not None, "begin() comes first"
            batch.extra[BEFORE] = scored(self.model, batch, temperature=s.temperature, rows=s.micro_batch)
        if s.kl_weight:
            assert self.reference is not None, "begin() comes first"
            batch.extra[REFERENCE] = self.reference.logprobs(batch, temperature=s.temperature, rows=s.micro_batch)

    def _tokens(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tokens, Tensor]:
        """The batch's learnt tokens, and entropies [P] there."""
        logp, entropy, row = row_logprobs(head, hidden, batch.tokens, batch.learn, self.settings.temperature)

        def of(name: str) -> Tensor | None:
            return batch.extra[name][batch.learn].to(logp.dtype) if name in batch.extra else None

        sampler, advantage = of(SAMPLER), of(ADVANTAGE)
        assert sampler is not None and advantage is not None
        tokens = Tokens(logp, sampler, advantage, row, batch.learn.sum(dim=1), of(BEFORE), of(REFERENCE))
        return tokens, entropy.detach()
