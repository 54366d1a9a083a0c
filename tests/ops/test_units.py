"""Quantities as people read them."""

from __future__ import annotations

import pytest

from firesteel.ops import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.number(1234), "1,234"),
        (units.number(26.76), "26.8"),
        (units.number(1.00225, 4), "1.002"),
        (units.number(0.000667), "0.000667"),
        (units.number(None), "–"),
        (units.number(float("nan")), "nan"),
        (units.size(1536), "1.5 KiB"),
        (units.size(3 << 40), "3 TiB"),
        (units.duration(0.02), "20 ms"),
        (units.duration(95), "95 s"),
        (units.duration(180), "3 min"),
        (units.duration(10 * 86400), "10 d"),
        (units.energy(0.0097), "9.7 Wh"),
        (units.energy(2.5), "2.5 kWh"),
        (units.mass(1500), "1.5 kg"),
        (units.percent(0.12345), "12.3%"),
        (units.points(-0.05), "−5.0 pp"),
        (units.interval({"value": 0.5, "low": 0.4, "high": 0.6, "n": 1000}), "50.0% [40.0, 60.0] n=1,000"),
        (units.interval({"value": 0.1, "low": -0.1, "high": 0.3, "n": 9}, signed=True), "+10.0 pp [−10.0, +30.0] n=9"),
        (units.interval(None), "–"),
    ],
)
def test_quantities(text: str, expected: str) -> None:
    assert text == expected


def test_large_numbers_on_axes_are_short() -> None:
    assert [units.large(v) for v in (0, 0.5, 999, 12_345, 4e6, 1.5e9)] == ["0", "0.5", "999", "12.3k", "4M", "1.5G"]
