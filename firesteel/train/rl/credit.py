"""Who gets the credit: advantages for whole answers, or for the steps of an answer.

answer   every token of an answer gets the answer's advantage in its group (outcome supervision, DeepSeekMath §4.1.2)
step     the tokens of step i get the advantage of [step i was right] among the group's answers that came so far, and
         nothing is said of what follows an answer's first wrong step (process supervision, DeepSeekMath §4.1.3, with a
         verifier in the place of a reward model)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from firesteel.train.rl.advantage import Advantage
from firesteel.train.rl.sampled import Verdict

Credit = Callable[[Sequence[Verdict], Sequence[float], Advantage], list[list[float]]]


def by_answer(group: Sequence[Verdict], rewards: Sequence[float], advantage: Advantage) -> list[list[float]]:
    """One advantage an answer, repeated over its tokens."""
    return [[a] * v.length for v, a in zip(group, advantage(rewards), strict=True)]


def by_step(group: Sequence[Verdict], rewards: Sequence[float], advantage: Advantage) -> list[list[float]]:
    """One advantage a step; shorter than the answer where nothing is said of its rest. Without steps, by answer."""
    if not all(v.steps for v in group):
        return by_answer(group, rewards, advantage)
    credit: list[list[float]] = [[] for _ in group]
    for i in range(max(len(v.steps) for v in group)):
        came = [k for k, v in enumerate(group) if i < len(v.steps)]
        right = advantage([float(group[k].steps[i][1]) for k in came])
        for k, a in zip(came, right, strict=True):
            credit[k] += [a] * (group[k].steps[i][0] - len(credit[k]))
    return credit


CREDIT: dict[str, Credit] = {"answer": by_answer, "step": by_step}
