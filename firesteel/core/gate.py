"""A gate: one measured value held against one bound. Stages judge with it; a release needs every gate to pass."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Gate:
    """What was judged, whether it passed, the value and the bound it was held against, and why that matters.

    `value` is None when there was nothing to judge; such a gate has not passed.
    """

    name: str
    passed: bool
    value: float | None
    bound: float
    why: str

    def __str__(self) -> str:
        value = "not measured" if self.value is None else f"{self.value:.4g}"
        return f"{self.name}: {value}, bound {self.bound:.4g} ({self.why})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def at_least(name: str, value: float | None, bound: float, why: str) -> Gate:
    """A gate that passes when `value` >= `bound`; NaN and None do not pass."""
    return Gate(name, value is not None and value >= bound, value, bound, why)


def at_most(name: str, value: float | None, bound: float, why: str) -> Gate:
    """A gate that passes when `value` <= `bound`; NaN and None do not pass."""
    return Gate(name, value is not None and value <= bound, value, bound, why)
