"""Group relative policy optimisation with verifiable rewards (DeepSeekMath §4.1; DeepSeek-R1 eq. 1-3).

What we take from other work, each a setting or a line below: credit by step (credit.py), clip-higher and the token-level
mean (DAPO), advantages without the division by the group's deviation (Dr. GRPO; DeepSeek-V3.2 §3.1), no update from groups
that all agree, and a measured gap between the sampler's and the trainer's log-probabilities that stops the run when it grows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from firesteel.core.config import GrpoSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.tokenizer import Rendered, Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.losses import token_logprobs
from firesteel.train.objective import Metrics, Objective
from firesteel.train.rl.credit import CREDIT
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Group
from firesteel.train.sft import pad


@dataclass
class Answer:
    """The judged part of an answer, ready to learn from."""

    row: Rendered  # prompt and answer; the mask is true on the answer
    old: list[float]  # log-probabilities under the policy that sampled it
    advantages: list[float]  # one a token of the answer


class Grpo(Objective):
    """One step: sample groups, judge them, and learn from how each answer compares with its group."""

    def __init__(
        self, tokenizer: Tokenizer, rollouts: Rollouts, settings: GrpoSettings, *, reference: Transformer | None = None,
    ) -> None:  # fmt: skip
        self.tokenizer, self.rollouts, self.settings, self.reference = tokenizer, rollouts, settings, reference
        assert (reference is not None) == (settings.kl_weight > 0), "a KL penalty needs the model it is taken against"

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """`minibatches` updates on one batch of answers (see Objective)."""
        assert share.of == 1, "answers are sampled in one process"
        groups, facts = self.rollouts(step)
        answers = [answer for group in groups for answer in self._answers(group)]
        facts["used"] = len(answers) / sum(map(len, groups))
        for i in range(self.settings.minibatches):
            part = sorted(answers[i :: self.settings.minibatches], key=lambda a: len(a.row.ids))
            yield [self._batch(part, facts if i == 0 else {})]

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        """-1/P sum_t min(r A, clip(r) A) [- beta KL], the mean over the answers' tokens (see Objective)."""
        assert batch.totals is not None
        s, total = self.settings, batch.totals.clamp(min=1).item()
        logp, entropy = token_logprobs(head, hidden, batch.tokens, batch.learn, s.temperature)  # [P]
        old, advantage = (batch.extra[name][:, 1:][batch.learn[:, 1:]] for name in ("old", "advantage"))
        ratio = (logp - old).exp()
        bounded = ratio.clamp(1 - s.clip_low, 1 + s.clip_high)
        gain = torch.minimum(ratio * advantage, bounded * advantage)
        if self.reference is not None:
            with torch.no_grad():
                states = self.reference(batch.tokens)
                ref, _ = token_logprobs(self.reference, states, batch.tokens, batch.learn, s.temperature)
            gain = gain - s.kl_weight * ((ref - logp).exp() - (ref - logp) - 1)  # k3 estimator
        moved = (ratio * advantage > bounded * advantage).sum()
        gap = (logp.detach() - old).abs().sum()
        return -gain.sum() / total, {
            "logprob_gap": gap / total,
            "entropy": entropy.sum() / total,
            "clipped": moved / total,
        }

    def check(self, metrics: Mapping[str, float]) -> None:
        """End the run when sampler and trainer disagree; on later minibatches the weights have moved, and they may."""
        gap = metrics["logprob_gap"]
        if "reward" in metrics and gap > self.settings.max_logprob_gap:
            raise FiresteelError(
                "sampler and trainer disagree", value=f"{gap:.4f} nats a token on average",
                why=f"more than grpo.max_logprob_gap = {self.settings.max_logprob_gap}; learning from it would collapse",
                hint="a kernel or cache differs between the two; the last checkpoint is kept",
            )  # fmt: skip

    def _batch(self, answers: list[Answer], facts: dict[str, float]) -> Batch:
        tokens, learn = pad([a.row for a in answers], self.tokenizer.pad_id)
        extra = {name: torch.zeros(tokens.shape) for name in ("old", "advantage")}
        extra["old"][learn] = torch.tensor([x for a in answers for x in a.old])
        extra["advantage"][learn] = torch.tensor([x for a in answers for x in a.advantages])
        lengths = torch.tensor([len(a.row.ids) for a in answers])
        return Batch(tokens, learn, learn.sum()[None].double(), extra=extra, lengths=lengths, facts=facts)

    def _answers(self, group: Group) -> list[Answer]:
        """What there is to learn from a group; a group that agrees teaches nothing."""
        advantages = CREDIT[self.settings.credit]([a.verdict for a in group], self.settings.format_reward)
        return [
            Answer(
                Rendered(
                    a.question.prompt + a.ids[: len(own)], [False] * len(a.question.prompt) + [True] * len(own)
                ),
                a.logprobs[: len(own)], own,
            )
            for a, own in zip(group, advantages, strict=True)
            if any(own)
        ]  # fmt: skip
