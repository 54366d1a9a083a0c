"""Nested facts, such as a manifest's statistics, as rows of a table: a name, indented by its depth, and a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from firesteel.ops import units

MANY = 12  # entries of one branch that are shown; the rest is counted
INDENT = "  "


def rows(facts: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, str]]:
    """The rows of a mapping, branches after their own name; an empty branch is a dash."""
    shown = list(facts.items())[:MANY] if depth else list(facts.items())
    for name, value in shown:
        label = INDENT * depth + str(name)
        if _is_branch(value):
            yield label, ""
            yield from rows(_branch(value), depth + 1)
        else:
            yield label, _leaf(value)
    if len(facts) > len(shown):
        yield INDENT * depth + f"and {len(facts) - len(shown)} more", ""


def _is_branch(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and not _is_estimate(value)
    return _is_list(value) and any(isinstance(each, Mapping) or _is_list(each) for each in value)


def _branch(value: Any) -> Mapping[str, Any]:
    """A mapping as it is, a list by number."""
    return value if isinstance(value, Mapping) else {str(i): each for i, each in enumerate(value, 1)}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_estimate(value: Mapping[str, Any]) -> bool:
    return {"value", "low", "high", "n"} <= set(value)


def _leaf(value: Any) -> str:
    if isinstance(value, Mapping):
        return units.interval(value) if value else units.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return units.number(value)
    if _is_list(value):
        more = f", and {len(value) - MANY} more" if len(value) > MANY else ""
        return (", ".join(_leaf(each) for each in value[:MANY]) or units.DASH) + more
    return units.DASH if value is None or value == "" else str(value)
