"""What there is to say of the answers of a step: earnings by task, lengths, signal, tricks, tools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from firesteel.core.config import GrpoSettings
from firesteel.train.rl.advantage import ADVANTAGE
from firesteel.train.rl.credit import CREDIT
from firesteel.train.rl.reward import reward
from firesteel.train.rl.sampled import Group, Sampled

Facts = dict[str, Any]  # numbers, and tables {name: number}


def has_signal(group: Group, settings: GrpoSettings) -> bool:
    """Whether there is something to learn from how the group's answers differ."""
    rewards = [reward(a, settings) for a in group]
    credit = CREDIT[settings.credit]([a.verdict for a in group], rewards, ADVANTAGE[settings.advantage])
    return any(map(any, credit))


def facts(groups: Sequence[Group], settings: GrpoSettings) -> Facts:
    """Means and shares over all answers that were sampled at a step, `groups` in which nothing was replaced."""
    answers = [a for group in groups for a in group]
    earned = {id(a): reward(a, settings) for a in answers}
    found: Facts = {
        "reward": _mean(earned.values()),
        "accuracy": _mean(a.verdict.correct for a in answers),
        "well_formed": _mean(a.verdict.well_formed for a in answers),
        "length": _mean(len(a.ids) for a in answers),
        "truncated": _mean(not a.stopped for a in answers),
        "distinct": len({tuple(a.ids) for a in answers}) / len(answers),  # collapse shows here first
        "no_signal": _mean(not has_signal(group, settings) for group in groups),
        "all_right": _mean(all(a.verdict.correct for a in group) for group in groups),
        "all_wrong": _mean(not any(a.verdict.correct for a in group) for group in groups),
        "questions": len(groups),
        "sampled_tokens": sum(sum(a.said) if a.said else len(a.ids) for a in answers),
    }
    for name, right in (("length_right", True), ("length_wrong", False)):
        if own := [len(a.ids) for a in answers if a.verdict.correct is right]:
            found[name] = _mean(own)
    tasks = {a.question.task for a in answers}
    if tasks != {""}:
        found["reward_by_task"] = _by_task(answers, lambda a: earned[id(a)])
        found["accuracy_by_task"] = _by_task(answers, lambda a: float(a.verdict.correct))
    if settings.curriculum:
        found["level_by_task"] = _by_task(answers, lambda a: float(a.question.level))
    if any(a.verdict.trick for a in answers):
        reasons = sorted({a.verdict.reason for a in answers if a.verdict.trick})
        found["tricks"] = {r: _mean(a.verdict.trick and a.verdict.reason == r for a in answers) for r in reasons}
    if settings.max_turns > 1:
        found["tools_called"] = _mean(len(a.called) for a in answers)
    return found


def _mean(values: Iterable[float]) -> float:
    known = [float(v) for v in values]
    return sum(known) / len(known)


def _by_task(answers: Sequence[Sampled], value: Callable[[Sampled], float]) -> dict[str, float]:
    """The mean of each task, in the order of their names."""
    found: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        found[answer.question.task].append(value(answer))
    return {task: round(_mean(found[task]), 5) for task in sorted(found)}
