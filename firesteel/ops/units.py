"""Quantities as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

DASH = "–"
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def number(value: float | None, digits: int = 3) -> str:
    """Whole numbers in full, others to `digits` significant digits; thousands are parted."""
    if value is None or not math.isfinite(value):
        return DASH if value is None else str(value)
    if (value == int(value) and abs(value) < 1e15) or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    return text if "e" not in text or abs(value) < 1e-5 else f"{value:.{digits + 4}f}".rstrip("0")


def large(value: float) -> str:
    """A number in thousands, millions, ... to three digits: 12.3k, 4M; for axes."""
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def size(value: float | None) -> str:
    """Bytes in binary units."""
    if value is None:
        return DASH
    unit = 0
    while abs(value) >= 1024 and unit < len(_BYTES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number(value)} {_BYTES[unit]}"


def duration(seconds: float | None) -> str:
    """Seconds in the largest unit that leaves more than one, to three digits."""
    if seconds is None:
        return DASH
    for length, unit in _TIMES:
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds * 1000)} ms" if seconds < 1 else f"{number(seconds)} s"


def energy(kwh: float | None) -> str:
    """Energy in Wh below one kWh."""
    if kwh is None:
        return DASH
    return f"{number(kwh * 1000)} Wh" if kwh < 1 else f"{number(kwh)} kWh"


def mass(grams: float | None) -> str:
    """Grams, or kilograms from a thousand on."""
    if grams is None:
        return DASH
    return f"{number(grams)} g" if grams < 1000 else f"{number(grams / 1000)} kg"


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent."""
    return DASH if value is None else f"{100 * value:.{digits}f}%"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return DASH if value is None else f"{100 * value:+.1f} pp".replace("-", "−")


def interval(estimate: Mapping[str, Any] | None, *, signed: bool = False) -> str:
    """A share with its 95 % interval and n; as percentage points if `signed`."""
    if not estimate:
        return DASH
    value, low, high = (points(estimate[k]) if signed else percent(estimate[k]) for k in ("value", "low", "high"))
    low, high = (text.removesuffix(" pp").removesuffix("%") for text in (low, high))
    return f"{value} [{low}, {high}] n={estimate['n']:,}"
