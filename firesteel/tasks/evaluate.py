"""Held-out accuracy of a sampler on tasks, with 95 % intervals and a record of every case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from firesteel.core.sampler import Completion, Sampler
from firesteel.core.stats import Estimate, wilson
from firesteel.core.tokenizer import Tokenizer
from firesteel.tasks.score import Score, score
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem


def judge(tokenizer: Tokenizer, problem: Problem, ids: list[int], stopped: bool) -> Score:
    """Score sampled ids: the reward of reinforcement learning and the measure of evaluation."""
    reasoning, reply = tokenizer.parse(ids)
    return score(problem, reasoning, reply, stopped=stopped)


def evaluate(
    sampler: Sampler, tokenizer: Tokenizer, tasks: Sequence[str], *, samples: int, seed: int, max_new_tokens: int,
    temperature: float = 0.0,
) -> dict[str, Any]:  # fmt: skip
    """Ask `samples` different test questions of each task, once each.

    Returns {"tasks": {name: estimate + "by" language}, "all": estimate, "cases": [...]}. Cases come in the same order for
    every model with the same seed, so results can be compared in pairs.
    """
    cases: list[dict[str, Any]] = []
    for name in tasks:
        problems = get_task(name).distinct("test", seed, samples)
        prompts = [tokenizer.prompt(p.prompt()) for p in problems]
        done = sampler.sample(
            prompts, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed, stop_ids=tokenizer.stop_ids
        )
        cases += [_case(tokenizer, name, p, c) for p, c in zip(problems, done, strict=True)]
    by_task = {}
    for name in tasks:
        own = [c for c in cases if c["task"] == name]
        languages = sorted({c["language"] for c in own})
        by = {lang: accuracy([c for c in own if c["language"] == lang]).as_dict() for lang in languages}
        by_task[name] = accuracy(own).as_dict() | {"by": by}
    return {"tasks": by_task, "all": accuracy(cases).as_dict(), "cases": cases}


def accuracy(cases: Sequence[dict[str, Any]]) -> Estimate:
    """Share of correct cases with Wilson's interval."""
    return wilson(sum(c["correct"] for c in cases), len(cases))


def _case(tokenizer: Tokenizer, task: str, problem: Problem, done: Completion) -> dict[str, Any]:
    stopped = done.finish_reason == "stop"
    verdict = judge(tokenizer, problem, done.ids, stopped)
    reasoning, reply = tokenizer.parse(done.ids)
    return {
        "task": task, "language": problem.language, "question": problem.question, "answer": problem.answer,
        "reasoning": reasoning, "reply": reply, "stopped": stopped, "correct": verdict.correct,
        "well_formed": verdict.well_formed,
    }  # fmt: skip
