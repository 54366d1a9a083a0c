"""The report page's tables of how far a skill carries: tasks that were not trained, and several answers to each question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firesteel.core.config import placeless
from firesteel.ops import units
from firesteel.ops.blocks import STAGE_NAMES, Block, Cell, Note, Row, Table, Words, stage_cell

CARRIED = Words(
    "Questions unlike those that were trained (eval.other): longer, worded otherwise, in another language, or of other tasks.",
    "与训练不同的题（eval.other）：更长、换了说法、换了语言，或是别的任务。",
)
VOTED = Words(
    "Several answers to each question: what one is worth (pass@1), whether any of k is right (pass@k), what most of them say.",
    "每题多次作答：单次正确率（pass@1）、k 次中至少一次正确（pass@k），以及多数票。",
)


def beyond_chance(gain: Mapping[str, Any]) -> Cell:
    """Whether a gain's interval leaves zero out, and on which side."""
    if gain["low"] > 0:
        return Cell("yes, better 变好", "pass")
    return Cell("yes, worse 变差", "fail") if gain["high"] < 0 else Cell("no 否")


def carried(report: Mapping[str, Any]) -> list[Block]:
    """Each task of `eval.other` by model, with the last model's gain over the one before."""
    models = {name: m["other"]["tasks"] for name, m in report.get("models", {}).items() if m.get("other")}
    if not models:
        return []
    gains = report.get("other_gains", {})
    last = next(reversed(gains), "")
    heads = [Words("task", "任务"), *(Words(name, STAGE_NAMES.get(name, "")) for name in models)]
    heads += [Words(last.replace("-", " "), ""), Words("beyond chance", "超出偶然")] if last else []
    rows: list[Row] = []
    for task in next(iter(models.values())):
        row: Row = [Cell(placeless(task), "code"), *(units.interval(own.get(task)) for own in models.values())]
        if last:
            gain = gains[last][task]["difference"]
            row += [Cell(units.interval(gain, signed=True), "strong"), beyond_chance(gain)]
        rows.append(row)
    return [Note(CARRIED), Table(heads, rows, "l" + "r" * len(models) + ("rl" if last else ""))]


def voted(report: Mapping[str, Any]) -> list[Block]:
    """pass@k and the majority's answer of each model, where questions were asked more than once."""
    found = {name: m["all"]["repeats"] for name, m in report.get("models", {}).items() if "repeats" in m.get("all", {})}
    if not found:
        return []
    measures = list(next(iter(found.values())))  # pass@1 ... majority@K
    heads = (Words("model", "模型"), *(Words(measure, "") for measure in measures))
    rows: list[Row] = [
        [stage_cell(name), *(units.interval(own[measure]) for measure in measures)] for name, own in found.items()
    ]
    return [Note(VOTED), Table(heads, rows, "l" + "r" * len(measures))]
