"""Group relative policy optimisation with verifiable rewards (DeepSeekMath §4.1; DeepSeek-R1 eq. 1-3).

What we take from other work, each a setting or a line below: credit by step (credit.py), clip-higher and the token-level
mean (DAPO), advantages without the division by the group's deviation (Dr. GRPO; DeepSeek-V3.2 §3.1), no update from groups
that all agree, and a measured gap between the sampler's and the trainer's log-probabilities that stops the run when it grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from firesteel.core.config import GrpoSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.sampler import Sampler
from firesteel.core.tokenizer import Rendered, Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.credit import CREDIT, Verdict
from firesteel.train.loop import Piece
from firesteel.train.losses import token_logprobs
from firesteel.train.sft import pad

T = TypeVar("T")
ROWS = 64  # answers that go through the model together; bounds the memory of a step


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


class Grpo:
    """One step: sample groups, judge them, and learn from how each answer compares with its group."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, sampler: Sampler, questions: Callable[[int, int], list[Question]],
        settings: GrpoSettings, *, seed: int, reference: Transformer | None = None,
    ) -> None:  # fmt: skip
        self.model, self.tokenizer, self.sampler, self.questions = model, tokenizer, sampler, questions
        self.settings, self.seed, self.reference = settings, seed, reference
        assert (reference is not None) == (settings.kl_weight > 0), "a KL penalty needs the model it is taken against"

    def pieces(self, step: int) -> Iterator[Piece]:
        """The losses of one step (see loop.Objective)."""
        answers, metrics = self._rollout(step)
        if not answers:  # every group agrees
            yield Piece(None, 0, metrics, update=False)
        for part in range(self.settings.minibatches):
            batch = answers[part :: self.settings.minibatches]
            yield from self._learn(batch, metrics, first=part == 0)

    def _rollout(self, step: int) -> tuple[list[Answer], dict[str, float]]:
        """Sample and judge `prompts` groups of `group_size` answers."""
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

    def _learn(self, batch: list[Answer], metrics: dict[str, float], *, first: bool) -> Iterator[Piece]:
        """The clipped policy gradient over a batch, in slices of ROWS, as one update."""
        batch = sorted(batch, key=lambda a: len(a.row.ids))
        total = sum(len(a.old) for a in batch)
        slices = [batch[i : i + ROWS] for i in range(0, len(batch), ROWS)]
        gap = entropy = clipped = 0.0
        for i, part in enumerate(slices):
            loss, facts = self._loss(part, total)
            gap, entropy, clipped = gap + facts[0], entropy + facts[1], clipped + facts[2]
            last = i == len(slices) - 1
            if last and first:
                metrics |= {"logprob_gap": gap / total, "entropy": entropy / total, "clipped": clipped / total}
                self._check_gap(gap / total)
            tokens = sum(len(a.row.ids) for a in part)
            yield Piece(loss, tokens, metrics if last else {}, update=last)

    def _loss(self, part: list[Answer], total: int) -> tuple[Tensor, tuple[float, float, float]]:
        """-1/total sum_t min(r A, clip(r) A) [+ beta KL], and sums of |gap|, entropy and clipped tokens."""
        s, device = self.settings, self.model.device
        tokens, spoken = (t.to(device) for t in pad([a.row for a in part], self.tokenizer.pad_id))
        logp, entropy = token_logprobs(self.model, tokens, spoken, s.temperature)  # [P]
        old = torch.tensor([x for a in part for x in a.old], device=device)
        advantage = torch.tensor([x for a in part for x in a.advantages], device=device)
        ratio = (logp - old).exp()
        bounded = ratio.clamp(1 - s.clip_low, 1 + s.clip_high)
        gain = torch.minimum(ratio * advantage, bounded * advantage)
        if self.reference is not None:
            with torch.no_grad():
                ref, _ = token_logprobs(self.reference, tokens, spoken, s.temperature)
            gain = gain - s.kl_weight * ((ref - logp).exp() - (ref - logp) - 1)  # k3 estimator
        moved = (ratio * advantage > bounded * advantage).sum().item()
        return -gain.sum() / total, ((logp.detach() - old).abs().sum().item(), entropy.sum().item(), moved)

    def _check_gap(self, gap: float) -> None:
        if gap > self.settings.max_logprob_gap:
            raise FiresteelError(
                "sampler and trainer disagree", value=f"{gap:.4f} nats a token on average",
                why=f"more than grpo.max_logprob_gap = {self.settings.max_logprob_gap}; learning from it would collapse",
                hint="a kernel or cache differs between the two; the last checkpoint is kept",
            )  # fmt: skip


def _groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]
