"""Where the answers of a step come from: questions, an inference engine that answers them, verifiers that judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from firesteel.core.config import GrpoSettings
from firesteel.core.sampler import Sampler
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.rl.sampled import Group, Question, Sampled

Facts = dict[str, float]


class Rollouts:
    """Groups of judged answers, a function of the weights, the seed and the step."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, sampler: Sampler, questions: Callable[[int, int], Sequence[Question]],
        settings: GrpoSettings, *, seed: int,
    ) -> None:  # fmt: skip
        self.model, self.tokenizer, self.sampler, self.questions = model, tokenizer, sampler, questions
        self.settings, self.seed = settings, seed

    def __call__(self, step: int) -> tuple[list[Group], Facts]:
        """`prompts` groups of `group_size` answers of step number `step`, from 0, and what there is to say of them."""
        s = self.settings
        questions = self.questions(step * s.prompts, s.prompts)
        asked = [q for q in questions for _ in range(s.group_size)]
        self.model.eval()
        done = self.sampler.sample(
            [q.prompt for q in asked], max_new_tokens=s.max_new_tokens, temperature=s.temperature,
            seed=self.seed * 1_000_003 + step, stop_ids=self.tokenizer.stop_ids,
        )  # fmt: skip
        self.model.train()
        answers = [
            Sampled(q, c.ids, c.logprobs, c.finish_reason == "stop", q.judge(c.ids, c.finish_reason == "stop"))
            for q, c in zip(asked, done, strict=True)
        ]
        groups = [answers[i : i + s.group_size] for i in range(0, len(answers), s.group_size)]
        return groups, facts(groups, s)


def facts(groups: Sequence[Group], settings: GrpoSettings) -> Facts:
    """Means over the answers of a step."""
    answers = [a for group in groups for a in group]
    n = len(answers)
    return {
        "reward": sum(a.verdict.reward(settings.format_reward) for a in answers) / n,
        "accuracy": sum(a.verdict.correct for a in answers) / n,
        "well_formed": sum(a.verdict.well_formed for a in answers) / n,
        "length": sum(len(a.ids) for a in answers) / n,
        "truncated": sum(not a.stopped for a in answers) / n,
        "distinct": len({tuple(a.ids) for a in answers}) / n,  # collapse shows here first
    }
