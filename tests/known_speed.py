"""A cache in which this machine's speed is known: a run on a busy machine would measure it anew, for some seconds each time."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from firesteel.compute import machine
from firesteel.compute.rates import MACHINES, cache_file


def known_speed(folder: Path) -> dict[str, str]:
    """Variables for processes that shall take this machine for the table's laptop; `folder` becomes their cache."""
    facts = machine.facts()
    file = cache_file(facts, facts["cores"], folder)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(MACHINES["laptop-2core"])), encoding="utf-8")
    return {"FIRESTEEL_CACHE": str(folder)}
