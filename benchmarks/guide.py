"""Guides against JSONSchemaBench: which schemas we can hold an answer to, whether rightly, and what it costs.

    git clone https://github.com/guidance-ai/jsonschemabench
    python benchmarks/guide.py MODEL --data jsonschemabench/maskbench/data [--count 500] [--show]

Every schema has instances that fit it and some that do not, checked by its authors with two validators. Each is written with
`json.dumps`, cut into the model's tokens and walked through the guide: one that fits must be allowed token by token and
may end there, one that does not must be stopped somewhere. A schema with a keyword that cannot be enforced is refused.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.guides import Grammar, Guides


@dataclass
class Tally:
    """What came of the schemas and instances, and the times in milliseconds."""

    schemas: Counter[str] = field(default_factory=Counter)
    instances: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    compiling: list[float] = field(default_factory=list)
    starting: list[float] = field(default_factory=list)
    masking: list[float] = field(default_factory=list)


def main() -> None:
    """Run the sample and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder with a tokenizer")
    parser.add_argument("--data", type=Path, required=True, help="maskbench/data of guidance-ai/jsonschemabench")
    parser.add_argument("--count", type=int, default=500, help="schemas, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print the cases that went wrong")
    args = parser.parse_args()
    tokenizer = Tokenizer.load(args.model)
    guides, tally = Guides(tokenizer), Tally()
    print(f"{tokenizer.vocab_size} tokens, table built in {guides.vocabulary.seconds:.2f} s")
    files = sorted(args.data.glob("*.json"))
    for file in random.Random(args.seed).sample(files, min(args.count, len(files))):
        _schema(guides, tokenizer, file, tally)
    _report(tally, args.show)


def _schema(guides: Guides, tokenizer: Tokenizer, file: Path, tally: Tally) -> None:
    case = json.loads(file.read_text(encoding="utf-8"))
    start = time.perf_counter()
    try:
        grammar = guides.json_schema(case["schema"])
    except UserError as e:
        tally.schemas["refused"] += 1
        tally.refusals[e.why.partition(":")[0][:60]] += 1
        return
    finally:
        tally.compiling.append((time.perf_counter() - start) * 1e3)
    before = len(tally.wrong)
    for number, test in enumerate(case.get("tests", [])):
        for indent in (None, 2):
            said = _walk(grammar, tokenizer, test["data"], indent, tally)
            right = (said == "accepted") == test["valid"]
            kind = "fitting" if test["valid"] else "unfitting"
            tally.instances[f"{kind}, {'right' if right else 'wrong'}"] += 1
            if not right:
                tally.wrong.append(f"{file.name} test {number} ({kind}, indent {indent}): {said}")
    tested = "no instances" if not case.get("tests") else "passing" if len(tally.wrong) == before else "wrong"
    tally.schemas[tested] += 1


def _walk(grammar: Grammar, tokenizer: Tokenizer, value: Any, indent: int | None, tally: Tally) -> str:
    start = time.perf_counter()
    guide = grammar.guide(opened=False)
    tally.starting.append((time.perf_counter() - start) * 1e3)
    ids = [*tokenizer.encode(json.dumps(value, ensure_ascii=False, indent=indent)), tokenizer.stop_ids[0]]
    for at, id in enumerate(ids):
        start = time.perf_counter()
        mask = guide.allowed()
        tally.masking.append((time.perf_counter() - start) * 1e3)
        if mask is not None and not mask[id]:
            return f"stopped after {tokenizer.decode(ids[:at])[-60:]!r} at {tokenizer.decode([id])!r}"
        guide.push(id)
    return "accepted"


def _report(tally: Tally, show: bool) -> None:
    print("schemas:  ", ", ".join(f"{n} {what}" for what, n in sorted(tally.schemas.items())))
    print(
        "instances:", ", ".join(f"{n} {what}" for what, n in sorted(tally.instances.items())), "(each in two spacings)"
    )
    for what, times in (("compile", tally.compiling), ("begin", tally.starting), ("mask", tally.masking)):
        p50, p95, p99 = np.percentile(times, [50, 95, 99])
        print(f"{what} ms:  p50 {p50:.3f}  p95 {p95:.3f}  p99 {p99:.3f}  most {max(times):.1f}  (n = {len(times)})")
    print("refused for:", dict(tally.refusals.most_common(12)))
    print("\n".join(tally.wrong) if show else f"{len(tally.wrong)} walks went wrong (--show)")


if __name__ == "__main__":
    main()
