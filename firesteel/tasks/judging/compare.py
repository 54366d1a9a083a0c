"""Two models on the same questions: the difference with its interval, how surprising it is, and which questions flipped."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.stats import Z95, Estimate, paired_difference
from firesteel.tasks.judging.evaluate import Case, by_question

NEEDED = ("task", "question", "correct")


def exact_sign_test(gained: int, lost: int) -> float:
    """Two-sided p value that as many questions are gained as lost: McNemar's test, exact (binomial, one half)."""
    n, fewer = gained + lost, min(gained, lost)
    term, tail = 1, 0
    for i in range(fewer + 1):
        tail += term
        term = term * (n - i) // (i + 1)
    return min(1.0, 2 * tail / 2**n) if n < 1000 else min(1.0, math.exp(math.log(2 * tail) - n * math.log(2)))


def difference(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """Change of the questions' shares of right answers; of single answers by the interval of paired proportions."""
    if all(share in (0.0, 1.0) for share in (*before, *after)):
        return paired_difference([b == 1 for b in before], [a == 1 for a in after])
    n = len(before)
    changes = [a - b for b, a in zip(before, after, strict=True)]
    mean = math.fsum(changes) / n
    half = Z95 * math.sqrt(math.fsum((c - mean) ** 2 for c in changes) / max(1, n - 1) / n)
    return Estimate(mean, max(-1.0, mean - half), min(1.0, mean + half), n)


def compare(before: Sequence[Case], after: Sequence[Case]) -> dict[str, Any]:
    """What changes from one model's cases to another's, over the questions that both were asked.

    {"difference": estimate, "p": exact, "gained", "lost": questions, "only_before", "only_after": questions that one alone
    was asked, "tasks": the same by task, "flipped": [{task, question, before, after}]}. With repeats, a question counts with
    its share of right answers. Raises UserError if they share no question.
    """
    own, other = by_question(before), by_question(after)
    shared = [key for key in own if key in other]
    if not shared:
        raise UserError(
            "nothing to compare: the two were asked no question in common",
            hint="use the same tasks, seed and --samples",
        )
    rows = [(key, _share(own[key]), _share(other[key])) for key in shared]
    tasks = {name: _found([r for r in rows if r[0][0] == name]) for name in dict.fromkeys(key[0] for key in shared)}
    flipped = [
        {"task": task, "question": question, "before": b, "after": a} for (task, question), b, a in rows if a != b
    ]
    missing = {"only_before": len(own) - len(shared), "only_after": len(other) - len(shared)}
    return {**_found(rows), **missing, "tasks": tasks, "flipped": flipped}


def _share(cases: Sequence[Case]) -> float:
    return float(sum(c["correct"] for c in cases) / len(cases))


def _found(rows: Sequence[tuple[tuple[str, str], float, float]]) -> dict[str, Any]:
    gained, lost = sum(a > b for _, b, a in rows), sum(a < b for _, b, a in rows)
    change = difference([b for _, b, _ in rows], [a for _, _, a in rows])
    return {"difference": change.as_dict(), "p": exact_sign_test(gained, lost), "gained": gained, "lost": lost}


def is_report(path: str) -> bool:
    """Whether a path is a report with cases that was written before: its folder, or one file of cases."""
    found = Path(path)
    return found.suffix == ".jsonl" or bool(found.is_dir() and list(found.glob("cases*.jsonl")) and not _weights(found))


def _weights(folder: Path) -> bool:
    return any(folder.glob("*.safetensors"))  # a compressed model's folder has cases, too


def read_cases(path: str) -> list[Case]:
    """The cases of a report. Raises ArtefactError if there are none, more than one file of them, or they are damaged."""
    found = Path(path)
    if found.is_dir():
        artefact.read(found, verify=True)
        files = sorted(found.glob("cases*.jsonl"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files)
            raise ArtefactError("the report is of several models", value=found, hint=f"name one of its files: {names}")
        found = files[0]
    try:
        cases = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as e:
        raise ArtefactError("the cases cannot be read", value=found, why=str(e)) from e
    if not cases or not all(isinstance(c, dict) and all(key in c for key in NEEDED) for c in cases):
        why = f"each line needs {', '.join(NEEDED)}" if cases else "it is empty"
        raise ArtefactError("not a file of cases", value=found, why=why)
    return cases
