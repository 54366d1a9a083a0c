"""What is counted on the way: every task keeps a tally, and the stage adds them up."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

SAMPLES = 3  # documents shown on the datasheet for each rule, and of those that stayed
SAMPLE_CHARS = 300


@dataclass
class Step:
    """What one step of the work saw, let pass, and took."""

    documents_in: int = 0
    documents_out: int = 0
    chars_in: int = 0
    seconds: float = 0.0  # of the workers' time, added up


class Tally:
    """Named counters, the steps of the work, and samples: the documents whose seeded rank is lowest."""

    def __init__(self) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.steps: dict[str, Step] = {}
        self.samples: defaultdict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)

    def __getitem__(self, name: str) -> Counter[str]:
        return self.counts[name]

    @contextmanager
    def step(self, name: str, documents: int = 0, chars: int = 0) -> Iterator[Step]:
        """Count documents and characters into a step, and the time spent in the block."""
        step = self.steps.setdefault(name, Step())
        step.documents_in += documents
        step.chars_in += chars
        start = time.perf_counter()
        try:
            yield step
        finally:
            step.seconds += time.perf_counter() - start

    def sample(self, name: str, rank: int, record: dict[str, Any]) -> None:
        """Offer a document as a sample."""
        held = self.samples[name]
        if len(held) < SAMPLES or rank < held[-1][0]:
            shown = {key: record[key] for key in ("source", "rule", "value") if key in record}
            held.append((rank, shown | {"text": record["text"][:SAMPLE_CHARS], "chars": len(record["text"])}))
            held.sort(key=lambda one: (one[0], one[1]["source"]))
            del held[SAMPLES:]

    def facts(self) -> dict[str, Any]:
        """As JSON; `add` takes it back."""
        return {
            "counts": {name: dict(counter) for name, counter in self.counts.items()},
            "steps": {name: asdict(step) for name, step in self.steps.items()},
            "samples": dict(self.samples),
        }

    def add(self, facts: dict[str, Any]) -> None:
        """Add another tally's facts."""
        for name, counts in facts["counts"].items():
            self.counts[name].update(counts)
        for name, step in facts["steps"].items():
            own = self.steps.setdefault(name, Step())
            for key, value in step.items():
                setattr(own, key, getattr(own, key) + value)
        for name, held in facts["samples"].items():
            merged = [*self.samples[name], *((rank, record) for rank, record in held)]
            self.samples[name] = sorted(merged, key=lambda one: (one[0], one[1]["source"]))[:SAMPLES]
