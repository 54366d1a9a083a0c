"""How near the plan came: predicted and actual time and memory of every stage of a finished run.

    .venv/bin/python benchmarks/plan.py runs/quickstart [--again] [--json]

Reads `ledger.jsonl` of the run folder: each stage's estimate, written down before it began, beside what it took. `--again`
puts today's planner in the estimate's place (same recipe, this machine's rates as they are kept). Ends with code 1 if time is
off by more than 20 % or memory by more than 15 %; stages under SHORT seconds are left out of the judgement, with a star.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TIME, MEMORY = 0.20, 0.15  # what the predictions promise
SHORT = 10.0  # seconds, under which what surrounds a stage decides


@dataclass(frozen=True)
class Row:
    """A stage: seconds and bytes, predicted and actual."""

    stage: str
    seconds: tuple[float, float]
    bytes: tuple[float, float]

    @property
    def judged(self) -> bool:
        """Whether it took long enough."""
        return self.seconds[1] >= SHORT

    @property
    def good(self) -> bool:
        """Whether both predictions kept their promise."""
        time, memory = ratio(self.seconds), ratio(self.bytes)
        return abs(time - 1) <= TIME and abs(memory - 1) <= MEMORY


def ratio(pair: tuple[float, float]) -> float:
    """Predicted over actual."""
    return pair[0] / pair[1] if pair[1] else float("inf")


def rows(run: Path, *, again: bool = False) -> Iterator[Row]:
    """Every stage's last record in the ledger that has an estimate, then all of them together."""
    records = [json.loads(line) for line in (run / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    last = {record["stage"]: record for record in records}
    planned = today(run) if again else {stage: record["estimate"] for stage, record in last.items()}
    found = []
    for stage, record in last.items():
        if planned.get(stage):
            pairs = [(planned[stage][key], record["actual"][key]) for key in ("seconds", "peak_bytes")]
            found.append(Row(stage, *pairs))
    yield from found
    if found:
        sums = tuple(sum(row.seconds[i] for row in found) for i in (0, 1))
        peaks = tuple(max(row.bytes[i] for row in found) for i in (0, 1))
        yield Row("all", (sums[0], sums[1]), (peaks[0], peaks[1]))


def today(run: Path) -> dict[str, dict[str, float]]:
    """What the planner says now of the run's recipe on this machine."""
    from firesteel.compute.machine import facts
    from firesteel.compute.plan import plan
    from firesteel.core.config import parse_recipe

    recipe = parse_recipe(json.loads((run / "recipe.json").read_text(encoding="utf-8")))
    return plan(recipe, facts(run))


def main() -> int:
    """Print the table; 0 if every judged stage kept its promise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("--again", action="store_true", help="plan again instead of reading what was planned")
    parser.add_argument("--json", action="store_true", help="print facts as JSON")
    given = parser.parse_args()
    found = list(rows(given.run, again=given.again))
    if given.json:
        facts = [
            {"stage": r.stage, "seconds": r.seconds, "bytes": r.bytes, "judged": r.judged, "good": r.good}
            for r in found
        ]
        print(json.dumps(facts, indent=1))
    else:
        print(f"{'stage':12}{'time, s':>20}{'ratio':>8}{'memory, MiB':>20}{'ratio':>8}")
        for row in found:
            time, memory = (f"{a:.1f} / {b:.1f}" for a, b in (row.seconds, tuple(x / 2**20 for x in row.bytes)))
            mark = "*" if not row.judged else "" if row.good else "  <-"
            print(f"{row.stage:12}{time:>20}{ratio(row.seconds):>8.2f}{memory:>20}{ratio(row.bytes):>8.2f}{mark}")
    return int(any(row.judged and not row.good for row in found))


if __name__ == "__main__":
    sys.exit(main())
