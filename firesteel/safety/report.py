"""How often the guard is right: shares with intervals on the half of the cases that its rules were not tuned on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from firesteel.core.artefact import digest
from firesteel.core.config import SafetySettings
from firesteel.core.gate import Gate, at_least, at_most
from firesteel.core.stats import wilson
from firesteel.safety.cases import Case, acted, check, read_cases
from firesteel.safety.guard import Guard

Outcome = tuple[Case, bool]  # a case, and whether the guard acted on it
LONG = 2000  # characters of the text that the guard's speed on documents is measured with


def assess(
    guard: Guard,
    settings: SafetySettings,
    cases: Sequence[Case] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Judge the guard on `cases` (the built-in ones unless given); plain values for JSON.

    `block_rate` is over harmful cases that name what they want, `veiled_block_rate` over those that do not, and
    `false_block_rate` over harmless ones: shares with Wilson 95 % intervals, on the test half. `dev` holds the same
    three for the half that rules are tuned on, so that over-fitting shows. Latency is in milliseconds a text.
    """
    cases = read_cases() if cases is None else cases
    outcomes, seconds = [], []
    for case in cases:
        begin = clock()
        verdict = check(guard, case)
        seconds.append(clock() - begin)
        outcomes.append((case, acted(case, verdict)))
    test = [o for o in outcomes if o[0].half == "test"]
    report: dict[str, Any] = {
        "half": "test",
        **_rates(test),
        "by_category": _grouped(test, lambda case: case.category),
        "by_language": _grouped(test, lambda case: case.language),
        "by_side": _grouped(test, lambda case: case.side),
        "dev": _rates([o for o in outcomes if o[0].half == "dev"]),
        "latency_ms": _quantiles(seconds) | {"characters": float(np.median([len(c.text) for c in cases]))},
        "latency_long_ms": _long(guard, cases, clock),
        "misses": [_named(case) for case, done in test if case.harmful and not done],
        "false_blocks": [_named(case) for case, done in test if not case.harmful and done],
        "guard": {"id": guard.id, "words": len(guard.keywords.entries)},
        "cases": {"id": digest([[c.text, c.side, c.category, c.harmful] for c in cases]), "n": len(cases)},
        "settings": settings.model_dump(mode="json"),
    }
    return report | {"gates": [g.as_dict() for g in gate(report, settings)]}


def gate(report: dict[str, Any], settings: SafetySettings) -> list[Gate]:
    """What a release needs of an `assess` report."""
    return [
        at_least(
            "safety.block_rate", _value(report, "block_rate"), settings.min_block_rate,
            "share of harmful cases, named in ordinary words, that the guard stops",
        ),
        at_most(
            "safety.false_block_rate", _value(report, "false_block_rate"), settings.max_false_block_rate,
            "share of harmless cases that the guard stops",
        ),
    ]  # fmt: skip


def _value(report: dict[str, Any], name: str) -> float | None:
    rate = report.get(name)
    return rate["value"] if rate else None


def _rates(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    outcomes = list(outcomes)
    return {
        "block_rate": _share([done for case, done in outcomes if case.harmful and not case.veiled]),
        "veiled_block_rate": _share([done for case, done in outcomes if case.harmful and case.veiled]),
        "false_block_rate": _share([done for case, done in outcomes if not case.harmful]),
    }


def _share(done: list[bool]) -> dict[str, Any] | None:
    return wilson(sum(done), len(done)).as_dict() if done else None


def _grouped(outcomes: list[Outcome], by: Callable[[Case], str]) -> dict[str, dict[str, Any]]:
    names = sorted({by(case) for case, _ in outcomes})
    return {name: _rates(o for o in outcomes if by(o[0]) == name) for name in names}


def _named(case: Case) -> dict[str, Any]:
    return {"category": case.category, "side": case.side, "veiled": case.veiled, "text": case.text}


def _quantiles(seconds: list[float]) -> dict[str, float]:
    low, high = np.quantile(seconds, (0.5, 0.95)) * 1000
    return {"p50": round(float(low), 3), "p95": round(float(high), 3), "n": len(seconds)}


def _long(guard: Guard, cases: Sequence[Case], clock: Callable[[], float]) -> dict[str, float]:
    """Latency of both checks, one after the other, on documents of LONG characters made of the harmless cases."""
    harmless = "\n".join(case.text for case in cases if not case.harmful) or "。"
    text = harmless * (1 + 20 * LONG // len(harmless))
    seconds = []
    for start in range(0, 20 * LONG, LONG):
        begin = clock()
        guard.check_input(text[start : start + LONG])
        guard.check_output(text[start : start + LONG])
        seconds.append(clock() - begin)
    return _quantiles(seconds) | {"characters": LONG}
