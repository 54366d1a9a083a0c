"""The `documents` artefact on disk: compressed JSON lines in parts, the counts beside them, and their invariant."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import zstandard

from firesteel.core.errors import ArtefactError

COUNTS = "counts.json"
HELDOUT = "heldout.jsonl.zst"
PARTS = {"train": "part-*.jsonl.zst", "heldout": HELDOUT, "dropped": "dropped/part-*.jsonl.zst"}


def json_line(record: dict[str, Any]) -> bytes:
    """One line of JSON in UTF-8; text that UTF-8 cannot hold (lone surrogates in meta) is escaped."""
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record).encode() + b"\n"


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The records of one compressed file. Raises ArtefactError if it is missing or damaged."""
    try:
        with zstandard.open(file, "rt", encoding="utf-8") as stream:
            yield from map(json.loads, stream)
    except (OSError, ValueError, zstandard.ZstdError) as e:
        hint = "make the documents again"
        raise ArtefactError("documents cannot be read", value=file, why=str(e), hint=hint) from e


def read_documents(folder: Path, split: Literal["train", "heldout", "dropped"] = "train") -> Iterator[dict[str, Any]]:
    """The records of one split: {id, text, source, licence, meta}, dropped ones also {rule, value}."""
    files = sorted(folder.glob(PARTS[split]))
    if not files:
        raise ArtefactError("no documents here", value=folder / PARTS[split], hint="make them with 'firesteel run'")
    for file in files:
        yield from read_lines(file)


def write_counts(folder: Path, total: int, kept: int, heldout: int, dropped: Counter[str]) -> None:
    """Note what went in and where it went."""
    counts = {"in": total, "kept": kept, "heldout": heldout, "dropped": dict(sorted(dropped.items()))}
    (folder / COUNTS).write_text(json.dumps(counts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check_documents(folder: Path) -> dict[str, Any]:
    """The counts of a `documents` artefact, counted again: in = kept + heldout + dropped per rule, and no id twice.

    Raises ArtefactError.
    """
    try:
        counts: dict[str, Any] = json.loads((folder / COUNTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ArtefactError("the counts of the documents cannot be read", value=folder / COUNTS, why=str(e)) from e
    ids: set[str] = set()
    found = {split: _count(read_documents(folder, split), ids) for split in ("train", "heldout", "dropped")}
    kept, heldout, rules = found["train"].total(), found["heldout"].total(), found["dropped"]
    actual = {"in": len(ids), "kept": kept, "heldout": heldout, "dropped": dict(rules)}
    if actual != counts or len(ids) != kept + heldout + rules.total():
        why = f"recorded {counts}, found {actual}"
        raise ArtefactError("documents were lost or doubled", value=folder, why=why, hint="make the documents again")
    return counts


def _count(records: Iterable[dict[str, Any]], ids: set[str]) -> Counter[str]:
    rules: Counter[str] = Counter()
    for record in records:
        ids.add(record["id"])
        rules[record.get("rule", "")] += 1
    return rules
