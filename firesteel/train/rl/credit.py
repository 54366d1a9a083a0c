"""Who gets the credit: advantages for whole answers, or for the steps of an answer.

answer   every token of an answer gets the answer's advantage in its group (outcome supervision, DeepSeekMath §4.1.2)
step     the tokens of step i get the advantage of [step i was right] among the group's answers that came so far, and
         nothing is said of what follows an answer's first wrong step (process supervision, DeepSeekMath §4.1.3, with a
         verifier in the place of a reward model). What an answer earns or loses as a whole, for its language and its
         length, every token gets besides.
"""

from __future__ import annotations

from collections.abc import Sequence

from firesteel.core.config import GrpoSettings
from firesteel.train.rl.advantage import ADVANTAGE, Advantage, above_mean
from firesteel.train.rl.reward import beside, reward
from firesteel.train.rl.sampled import Group, Verdict


def credit(group: Group, settings: GrpoSettings) -> list[list[float]]:
    """The advantages of each answer's tokens; fewer than tokens where nothing is said of the rest."""
    verdicts, advantage = [a.verdict for a in group], ADVANTAGE[settings.advantage]
    if settings.credit == "step" and all(v.steps and v.earned in (None, 0.0, 1.0) for v in verdicts):
        return by_step(verdicts, [beside(a, settings) for a in group], advantage)
    return by_answer(verdicts, [reward(a, settings) for a in group], advantage)


def by_answer(group: Sequence[Verdict], rewards: Sequence[float], advantage: Advantage) -> list[list[float]]:
    """One advantage an answer, repeated over its tokens."""
    return [[a] * v.length for v, a in zip(group, advantage(rewards), strict=True)]


def by_step(group: Sequence[Verdict], besides: Sequence[float], advantage: Advantage) -> list[list[float]]:
    """One advantage a step, and on each token what the answer earned `besides` its steps, above the group's mean.

    Steps are right or wrong: for answers that may earn a part, credit is by answer.
    """
    found: list[list[float]] = [[] for _ in group]
    for i in range(max(len(v.steps) for v in group)):
        came = [k for k, v in enumerate(group) if i < len(v.steps)]
        right = advantage([float(group[k].steps[i][1]) for k in came])
        for k, a in zip(came, right, strict=True):
            found[k] += [a] * (group[k].steps[i][0] - len(found[k]))
    if not any(whole := above_mean(besides)):
        return found
    rests = [[0.0] * (v.length - len(own)) for v, own in zip(group, found, strict=True)]
    return [[a + more for a in own + rest] for own, rest, more in zip(found, rests, whole, strict=True)]
