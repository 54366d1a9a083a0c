"""Plain facts with short answers, in Chinese and English, written for this project (data/knowledge.jsonl): for judging alone.

An answer is looked for among others of its kind (all capitals, all elements), also those that a line `others` lists, so a
reply may be a sentence, and a reply that names two answers has none.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from firesteel.tasks.judging.questions import written
from firesteel.tasks.task import Problem

Row = dict[str, Any]


def rows() -> list[Row]:
    """The lines of the file: questions, and more answers of a kind."""
    text = resources.files("firesteel.tasks.families").joinpath("data/knowledge.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@cache
def problems() -> tuple[Problem, ...]:
    """All questions."""
    found = rows()
    pools: dict[tuple[str, str], list[str]] = {}
    for row in found:
        names = row.get("others") or [row["answer"]]
        pools.setdefault((row["kind"], row["language"]), []).extend(n for n in names if isinstance(n, str))
    return tuple(_problem(row, pools[row["kind"], row["language"]]) for row in found if "question" in row)


def _problem(row: Row, pool: list[str]) -> Problem:
    answer = row["answer"]
    facts = {} if isinstance(answer, int) else {"choices": row.get("choices") or list(dict.fromkeys(pool))}
    return Problem(row["question"], answer, language=row["language"], facts=facts)


TASK = written(
    "knowledge", problems, about="plain facts: capitals, elements, years, counts, authors, grammar", ability="knowledge",
    source="own",
)  # fmt: skip
