"""What the stage says of its documents: the statistics in the manifest, on the card and on the datasheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from firesteel.data.decontaminate import Contamination
from firesteel.data.flow.intake import Read
from firesteel.data.flow.tally import Tally
from firesteel.data.read.source import Found


def statistics(
    tally: Tally, found: Sequence[Found], read: Read, contamination: Contamination, seconds: float
) -> dict[str, Any]:
    """Counts, sizes and times; `seconds` is the stage's own wall time, those of its steps are of all processors."""
    documents, size = tally["documents"], tally["bytes"]
    return {
        "in": documents["in"], "kept": documents["train"], "heldout": documents["heldout"],
        "dropped": dict(sorted(tally["dropped"].items())),
        "kept_mb": round(size["train"] / 1e6, 3), "heldout_mb": round(size["heldout"] / 1e6, 3),
        "languages": dict(tally["languages"].most_common()),
        "language_mb": {name: round(n / 1e6, 3) for name, n in tally["language bytes"].most_common()},
        "personal_data": dict(tally["personal data"].most_common()),
        "changes": {
            rule: {"documents": tally["changed documents"][rule], "places": n}
            for rule, n in tally["changes"].most_common()
        },
        "contamination": {
            task: facts | {"documents": tally["contamination"][task]} for task, facts in contamination.facts().items()
        },
        "quality": read.quality_facts, "skipped_in_archives": dict(tally["skipped in archives"].most_common()),
        "sources": {one.source.label: _source(one, i, read, tally) for i, one in enumerate(found)},
        "lengths": {
            name.removeprefix("characters, "): {f"{1 << int(bits)}": n for bits, n in sorted(counter.items(), key=_bits)}
            for name, counter in sorted(tally.counts.items()) if name.startswith("characters, ")
        },
        "licences": dict(tally["licences"].most_common()),
        "stages": {
            name: {
                "documents_in": s.documents_in, "documents_out": s.documents_out,
                "million_chars_in": round(s.chars_in / 1e6, 3), "seconds": round(s.seconds, 3),
            }
            for name, s in tally.steps.items()
        },
        "seconds": round(seconds, 3),
    }  # fmt: skip


def _bits(item: tuple[str, int]) -> int:
    return int(item[0])


def _source(one: Found, number: int, read: Read, tally: Tally) -> dict[str, Any]:
    label = one.source.label
    return {
        "licence": one.source.licence, "origin": one.source.origin, "found": read.found[number],
        "read": read.chosen[number], "kept": tally["kept by source"][label],
        "mb": round(tally["bytes by source"][label] / 1e6, 3), "skipped_files": dict(one.skipped),
    }  # fmt: skip
