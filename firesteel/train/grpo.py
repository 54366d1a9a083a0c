"""Group relative policy optimisation with verifiable rewards (DeepSeekMath §4.1; DeepSeek-R1 eq. 1-3).

What we take from other work, each a setting or a line below: credit by step (credit.py), clip-higher and the token-level
mean (DAPO), advantages without the division by the group's deviation (Dr. GRPO; DeepSeek-V3.2 §3.1), no update from groups
that all agree, and a measured gap between the sampler's and the trainer's log-probabilities that stops the run when it grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from firesteel.core.config import GrpoSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.sampler import Sampler
from firesteel.core.tokenizer import Rendered, Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.credit import CREDIT, Verdict
from firesteel.train.losses import token_logprobs
from firesteel.train.objective import Metrics, Objective
from firesteel.train.sft import pad

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A prompt [ids] and the verifier of its answers: (ids, stopped by itself) -> verdict."""

    prompt: list[int]
    judge: Callable[[list[int], bool], Verdict]


@dataclass
class Answer:
    """The judged part of an answer, ready to learn from."""

    row: Rendered  # prompt and answer; the mask is true on the answer
    old: list[float]  # log-probabilities under the policy that sampled it
    advantages: list[float]  # one a token of the answer


class Grpo(Objective):
    """One step: sample groups, judge them, and learn from how each answer compares with its group."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, sampler: Sampler, questions: Callable[[int, int], list[Question]],
        settings: GrpoSettings, *, seed: int, reference: Transformer | None = None,
    ) -> None:  # fmt: skip
        self.model, self.tokenizer, self.sampler, self.questions = model, tokenizer, sampler, questions
        self.settings, self.seed, self.reference = settings, seed, reference
        assert (reference is not None) == (settings.kl_weight > 0), "a KL penalty needs the model it is taken against"

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        """`minibatches` updates on one batch of answers (see Objective)."""
        answers, facts = self._rollout(step, share)
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

    def _rollout(self, step: int, share: Share) -> tuple[list[Answer], dict[str, float]]:
        """Sample and judge `prompts` groups of `group_size` answers."""
        assert share.of == 1, "answers are sampled in one process"
        s = self.settings
        questions = self.questions(step * s.prompts, s.prompts)
        prompts = [q.prompt for q in questions for _ in range(s.group_size)]
        self.model.eval()
        done = self.sampler.sample(
            prompts, max_new_tokens=s.max_new_tokens, temperature=s.temperature, seed=self.seed * 1_000_003 + step,
            stop_ids=self.tokenizer.stop_ids,
        )  # fmt: skip
        self.model.train()
        verdicts = [
            q.judge(c.ids, c.finish_reason == "stop")
            for q, group in zip(questions, _groups(done, s.group_size), strict=True)
            for c in group
        ]
        advantages = [
            own for group in _groups(verdicts, s.group_size) for own in CREDIT[s.credit](group, s.format_reward)
        ]
        answers = [
            Answer(Rendered(p + c.ids[: len(own)], [False] * len(p) + [True] * len(own)), c.logprobs[: len(own)], own)
            for p, c, own in zip(prompts, done, advantages, strict=True)
            if any(own)  # a group that agrees teaches nothing
        ]
        metrics = {
            "reward": sum(v.reward(s.format_reward) for v in verdicts) / len(verdicts),
            "accuracy": sum(v.correct for v in verdicts) / len(verdicts),
            "well_formed": sum(v.well_formed for v in verdicts) / len(verdicts),
            "length": sum(len(c.ids) for c in done) / len(done),
            "truncated": sum(c.finish_reason != "stop" for c in done) / len(done),
            "used": len(answers) / len(done),
            "distinct": len({tuple(c.ids) for c in done}) / len(done),  # collapse shows here first
        }
        return answers, metrics


def _groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]
