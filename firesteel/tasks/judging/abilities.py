"""Seven abilities by which iFlytek Spark judges models, and the tasks that ask for them here; what nothing asks for is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from firesteel.tasks.judging.evaluate import Case, figures

ABILITIES: dict[str, tuple[str, ...]] = {  # ability -> tasks
    "text generation": ("format",),
    "understanding": ("reading", "tables", "json-extraction"),
    "knowledge": ("knowledge",),
    "reasoning": ("knights", "logic-grid", "sequences"),
    "mathematics": ("arithmetic", "chain", "equations", "word-problems"),
    "code": ("code",),
}
GAPS = {"multimodal": "not judged: there are no questions with images or sound here, and our models read text alone"}
SAMPLES = 48  # questions a task, unless somebody says


def all_tasks() -> tuple[str, ...]:
    """The tasks of all abilities."""
    return tuple(task for tasks in ABILITIES.values() for task in tasks)


def by_ability(cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Figures of each ability over its tasks, and {"gap": why} of those that are not judged."""
    found: dict[str, dict[str, Any]] = {}
    for ability, tasks in ABILITIES.items():
        own = [c for c in cases if c["task"] in tasks]
        found[ability] = figures(own) | {"tasks": list(tasks)} if own else {"gap": "no question was asked"}
    return found | {ability: {"gap": why} for ability, why in GAPS.items()}
