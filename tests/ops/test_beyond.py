"""Tables of what was not trained, and of several answers to a question."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from firesteel.ops.blocks import Cell, Note, Table
from firesteel.ops.page_beyond import carried, voted
from firesteel.stages.summary import _carried


def estimate(value: float, n: int = 100) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": n}


def model(**other: float) -> dict[str, Any]:
    return {
        "all": estimate(0.5),
        "other": {"tasks": {name.replace("_", "@"): estimate(v) for name, v in other.items()}},
    }


REPORT = {
    "models": {
        "pretrain": {"all": estimate(0.0)},
        "sft": model(chain_4=0.2, units_1=0.6), "grpo": model(chain_4=0.4, units_1=0.4),
    },
    "other_gains": {
        "grpo-over-sft": {"chain@4": {"difference": estimate(0.2)}, "units@1": {"difference": estimate(-0.2)}},
    },
}  # fmt: skip


def texts(row: list[Cell | str]) -> list[str]:
    return [cell if isinstance(cell, str) else cell.text for cell in row]


def test_each_other_task_has_a_row_with_the_last_gain_and_what_it_is_worth():
    note, table = carried(REPORT)
    assert isinstance(note, Note) and isinstance(table, Table)
    assert [head.en for head in table.heads] == ["task", "sft", "grpo", "grpo over sft", "beyond chance"]
    better, worse = map(texts, table.rows)
    assert better[0] == "chain@4" and "20.0%" in better[1] and "40.0%" in better[2] and "+20.0" in better[3]
    assert "better" in better[4] and "worse" in worse[4]


def test_nothing_is_said_of_what_was_not_asked():
    bare = {"models": {"sft": {"all": estimate(0.5)}}}
    assert carried(bare) == carried({}) == voted(bare) == voted({}) == []


def test_votes_are_shown_by_measure():
    told = {"pass@1": estimate(0.3), "pass@16": estimate(0.8), "majority@16": estimate(0.5)}
    _, table = voted({"models": {"sft": {"all": estimate(0.3) | {"repeats": told}}}})
    assert isinstance(table, Table) and [head.en for head in table.heads] == [
        "model",
        "pass@1",
        "pass@16",
        "majority@16",
    ]
    assert "80.0%" in texts(table.rows[0])[2]


def test_the_terminal_has_the_same_table():
    console = Console(width=80, record=True)
    console.print(
        _carried({n: m["other"]["tasks"] for n, m in REPORT["models"].items() if "other" in m}, REPORT["other_gains"])
    )
    said = console.export_text()
    assert "chain@4" in said and "20.0 [15.0, 25.0]" in said and "-20.0" in said and "grpo gained [95 %]" in said


def test_a_run_with_one_taught_model_has_shares_and_no_gains():
    lone = {"models": {"distil": model(chain_4=0.2)}}
    console = Console(width=80, record=True)
    console.print(_carried({"distil": lone["models"]["distil"]["other"]["tasks"]}, {}))
    assert "chain@4" in console.export_text()
    _, table = carried(lone)
    assert isinstance(table, Table) and [head.en for head in table.heads] == ["task", "distil"]
