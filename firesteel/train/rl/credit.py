"""Who gets the credit: group-relative advantages for whole answers, or for the steps of an answer.

answer   every token of an answer gets reward - mean reward of its group (GRPO; Dr. GRPO leaves out the deviation)
step     the tokens of step i get [step i was right] - share of the group's answers that got it right, among those
         that came so far; nothing after an answer's first wrong step (process supervision, DeepSeekMath §4.1.3,
         with a verifier in the place of a reward model)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from firesteel.train.rl.sampled import Verdict

Credit = Callable[[Sequence[Verdict], float], list[list[float]]]


def by_answer(group: Sequence[Verdict], format_reward: float) -> list[list[float]]:
    """One advantage an answer, repeated over its tokens."""
    rewards = [v.reward(format_reward) for v in group]
    mean = sum(rewards) / len(rewards)
    return [[r - mean] * v.length for v, r in zip(group, rewards, strict=True)]


def by_step(group: Sequence[Verdict], format_reward: float) -> list[list[float]]:
    """One advantage a step; shorter than the answer where nothing is said of its rest. Without steps, by answer."""
    if not all(v.steps for v in group):
        return by_answer(group, format_reward)
    advantages: list[list[float]] = [[] for _ in group]
    for i in range(max(len(v.steps) for v in group)):
        there = [v.steps[i][1] for v in group if i < len(v.steps)]
        share = sum(there) / len(there)
        for v, own in zip(group, advantages, strict=True):
            if i < len(v.steps):
                end, right = v.steps[i]
                own += [float(right) - share] * (end - len(own))
    return advantages


CREDIT: dict[str, Credit] = {"answer": by_answer, "step": by_step}
