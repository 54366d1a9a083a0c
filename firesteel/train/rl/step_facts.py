"""What there is to say of the answers of a step: earnings by task, lengths, signal, tricks, tools.

Each process tells of its own groups in plain data; what all have told together makes the step's facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from firesteel.core.config import GrpoSettings
from firesteel.train.rl.credit import credit
from firesteel.train.rl.reward import reward
from firesteel.train.rl.sampled import Group, Sampled

Facts = dict[str, Any]  # numbers, and tables {name: number}
Told = dict[str, Any]  # of an answer: see `told`


def has_signal(group: Group, settings: GrpoSettings) -> bool:
    """Whether there is something to learn from how the group's answers differ."""
    return any(map(any, credit(group, settings)))


def told(group: Group, settings: GrpoSettings) -> list[Told]:
    """What other processes have to know of a group's answers, plain JSON; the first one tells of the group's signal."""
    answers = [_told(answer, settings) for answer in group]
    answers[0]["signal"] = has_signal(group, settings)
    return answers


def facts(groups: Sequence[Sequence[Told]], settings: GrpoSettings) -> Facts:
    """Means and shares over all answers that were sampled at a step, `groups` in which nothing was replaced."""
    answers = [a for group in groups for a in group]
    found: Facts = {
        "reward": _mean(a["reward"] for a in answers),
        "accuracy": _mean(a["right"] for a in answers),
        "well_formed": _mean(a["well_formed"] for a in answers),
        "length": _mean(a["length"] for a in answers),
        "truncated": _mean(not a["stopped"] for a in answers),
        "distinct": len({a["said"] for a in answers}) / len(answers),  # collapse shows here first
        "no_signal": _mean(not group[0]["signal"] for group in groups),
        "all_right": _mean(all(a["right"] for a in group) for group in groups),
        "all_wrong": _mean(not any(a["right"] for a in group) for group in groups),
        "questions": len(groups),
        "sampled_tokens": sum(a["sampled"] for a in answers),
    }
    for name, right in (("length_right", True), ("length_wrong", False)):
        if own := [a["length"] for a in answers if a["right"] is right]:
            found[name] = _mean(own)
    if {a["task"] for a in answers} != {""}:
        found["reward_by_task"] = _by_task(answers, lambda a: a["reward"])
        found["accuracy_by_task"] = _by_task(answers, lambda a: float(a["right"]))
    if settings.curriculum:
        found["level_by_task"] = _by_task(answers, lambda a: float(a["level"]))
    if reasons := sorted({a["trick"] for a in answers} - {""}):
        found["tricks"] = {r: _mean(a["trick"] == r for a in answers) for r in reasons}
    if settings.max_turns > 1:
        found["tools_called"] = _mean(a["called"] for a in answers)
    return found


def _told(answer: Sampled, settings: GrpoSettings) -> Told:
    verdict, question = answer.verdict, answer.question
    return {
        "task": question.task, "level": question.level, "reward": reward(answer, settings), "right": verdict.correct,
        "well_formed": verdict.well_formed, "length": len(answer.ids), "stopped": answer.stopped,
        "sampled": sum(answer.said) if answer.said else len(answer.ids), "said": hash(tuple(answer.ids)),
        "trick": verdict.reason if verdict.trick else "", "called": len(answer.called),
    }  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    known = [float(v) for v in values]
    return sum(known) / len(known)


def _by_task(answers: Sequence[Told], value: Callable[[Told], float]) -> dict[str, float]:
    """The mean of each task, in the order of their names."""
    found: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        found[answer["task"]].append(value(answer))
    return {task: round(_mean(found[task]), 5) for task in sorted(found)}
