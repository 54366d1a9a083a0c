"""Held-out accuracy on tasks: figures with 95 % intervals, what went wrong and how often, and a record of every case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from firesteel.core.sampler import Sampler
from firesteel.core.stats import Estimate, wilson
from firesteel.core.tokenizer import Tokenizer
from firesteel.tasks.judging.answering import Answer, Answerer, Asking, Local
from firesteel.tasks.judging.dialogue import answers_to
from firesteel.tasks.judging.repeats import Vote, clustered, repeated
from firesteel.tasks.score import Score, score
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem

Case = dict[str, Any]  # one answer: see _case
REFUSED = "refused"  # the reason of a case that a server would not answer


def judge(tokenizer: Tokenizer, problem: Problem, ids: list[int], stopped: bool) -> Score:
    """Score sampled ids: the reward of reinforcement learning and the measure of evaluation."""
    reasoning, reply = tokenizer.parse(ids)
    return score(problem, reasoning, reply, stopped=stopped)


def evaluate(
    sampler: Sampler, tokenizer: Tokenizer, tasks: Sequence[str], *, samples: int, seed: int, max_new_tokens: int,
    temperature: float = 0.0, repeats: int = 1, max_turns: int = 4,
) -> dict[str, Any]:  # fmt: skip
    """`judged` for a model of ours: a sampler that has to think."""
    asking = Asking(max_new_tokens, temperature, seed, max_turns)
    return judged(Local(sampler, tokenizer), tasks, asking, samples=samples, repeats=repeats)


def judged(
    answerer: Answerer, tasks: Sequence[str], asking: Asking, *, samples: int, repeats: int = 1, think: bool = True,
    done: Callable[[str, dict[str, Any]], None] = lambda task, figures: None,
) -> dict[str, Any]:  # fmt: skip
    """Ask `samples` different test questions of each task, `repeats` times each.

    Returns {"tasks": {name: figures}, "all": figures, "cases": [...]}; see `figures`. Cases come in the same order for
    every model with the same seed, so results can be compared in pairs. `think`: an answer without a thought is a trick.
    `done` hears of each task. Raises RecipeError for an unknown task.
    """
    known = {name: get_task(name) for name in dict.fromkeys(tasks)}  # a misspelt one is said before any is asked
    cases: list[Case] = []
    by_task: dict[str, dict[str, Any]] = {}
    for name, task in known.items():
        problems = task.distinct("test", asking.seed, samples)
        asked = [(repeat, p) for repeat in range(repeats) for p in problems]
        answers = answers_to(answerer, [p for _, p in asked], asking)
        own = [_case(name, r, p, a, think) for (r, p), a in zip(asked, answers, strict=True)]
        by_task[name] = parted(own) | {"ability": task.ability}
        cases += own
        done(name, by_task[name])
    return {"tasks": by_task, "all": figures(cases), "cases": cases}


def tabled(cases: Sequence[Case]) -> dict[str, Any]:
    """The figures of cases that were kept: {"tasks": {name: figures}, "all": figures}."""
    names = dict.fromkeys(c["task"] for c in cases)
    return {"tasks": {name: parted([c for c in cases if c["task"] == name]) for name in names}, "all": figures(cases)}


def parted(cases: Sequence[Case]) -> dict[str, Any]:
    """The figures of one task's cases, and estimates by language and by level."""
    return figures(cases) | {"by": _by("language", cases), "by_level": _by("level", cases)}


def _case(task: str, repeat: int, problem: Problem, answer: Answer, think: bool) -> Case:
    found = (
        Score(0.0, REFUSED, None, False)
        if answer.refused
        else score(problem, answer.reasoning, answer.reply, stopped=answer.stopped, think=think)
    )
    return {
        "task": task, "language": problem.language, "level": problem.level, "repeat": repeat,
        "question": problem.question, "answer": problem.answer, "reasoning": answer.reasoning, "reply": answer.reply,
        "parsed": found.parsed, "reason": found.reason, "reward": found.reward, "trick": found.trick,
        "stopped": answer.stopped, "tokens": answer.tokens, "correct": found.correct, "well_formed": found.well_formed,
        **({"refused": answer.refused} if answer.refused else {}), **({"calls": answer.calls} if answer.calls else {}),
    }  # fmt: skip


def accuracy(cases: Sequence[Case]) -> Estimate:
    """Share of correct cases with Wilson's interval; over questions, robust to clusters, where each was asked more than once."""
    groups = by_question(cases)
    if len(groups) == len(cases):
        return wilson(sum(c["correct"] for c in cases), len(cases))
    shares = [sum(c["correct"] for c in own) / len(own) for own in groups.values()]
    return clustered(shares, min(len(own) for own in groups.values()))


def by_question(cases: Sequence[Case]) -> dict[tuple[str, str], list[Case]]:
    """The answers to each question, by (task, question)."""
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case["task"], case["question"]), []).append(case)
    return groups


def figures(cases: Sequence[Case]) -> dict[str, Any]:
    """What cases amount to: the estimate of their accuracy (value, low, high, n = questions) and beside it

    `reward` mean, `unfinished` share, `well_formed` share, `reasons` and `tricks` counted, `length` means, and where
    questions were asked K times `repeats` (tasks.repeats).
    """
    n = len(cases)
    tricks = Counter(c["reason"] for c in cases if c["trick"])
    found: dict[str, Any] = accuracy(cases).as_dict() | {
        "reward": sum(c["reward"] for c in cases) / n,
        "unfinished": sum(not c["stopped"] and c["reason"] != REFUSED for c in cases) / n,
        "well_formed": sum(c["well_formed"] for c in cases) / n,
        "reasons": dict(Counter(c["reason"] for c in cases).most_common()), "tricks": dict(tricks.most_common()),
        "length": _lengths(cases),
    }  # fmt: skip
    groups = by_question(cases)
    if len(groups) < n:
        votes = [[Vote(c["parsed"], c["correct"]) for c in own] for own in groups.values()]
        found["repeats"] = repeated(votes)
    return found


def _lengths(cases: Sequence[Case]) -> dict[str, float]:
    """Mean characters of thought and reply, and mean tokens where they were counted."""
    written = sum(len(c["reasoning"] or "") + len(c["reply"]) for c in cases) / len(cases)
    tokens = [c["tokens"] for c in cases if c["tokens"] is not None]
    return {"characters": written} | ({"tokens": sum(tokens) / len(tokens)} if tokens else {})


def _by(key: str, cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    names = sorted({c[key] for c in cases})
    return {str(name): accuracy([c for c in cases if c[key] == name]).as_dict() for name in names}
