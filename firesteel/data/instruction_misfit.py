"""The one kind of mistake that a line of instruction data can hold; who reads the file adds its name and line."""

from __future__ import annotations


class Misfit(Exception):
    """A mistake: at which field, and what it should be."""

    def __init__(self, field: str, expected: str, found: object = None) -> None:
        shown = "" if found is None else f", not {_short(found)}"
        super().__init__(f"{field}: {expected}{shown}")


def _short(value: object) -> str:
    text = repr(value[:80] if isinstance(value, str | list | tuple) else value)
    return text if len(text) <= 60 else text[:57] + "..."
