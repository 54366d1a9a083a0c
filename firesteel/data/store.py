"""The `documents` artefact on disk: compressed JSON lines in parts, the counts beside them, and their invariant."""

from __future__ import annotations

import io
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import zstandard

from firesteel.core.errors import ArtefactError

PART_BYTES = 256 << 20  # of JSON before compression, in one part
COUNTS = "counts.json"
HELDOUT = "heldout.jsonl.zst"
PARTS = {"train": "part-*.jsonl.zst", "heldout": HELDOUT, "dropped": "dropped/part-*.jsonl.zst"}


def json_line(record: dict[str, Any]) -> bytes:
    """One line of JSON in UTF-8; text that UTF-8 cannot hold (lone surrogates in meta) is escaped."""
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record).encode() + b"\n"


class Parts:
    """Writes records into `prefix00000.jsonl.zst`, `prefix00001...`; or into one file of a given name."""

    def __init__(self, folder: Path, name: str = "", part_bytes: int = PART_BYTES) -> None:
        self._folder, self._name, self._limit = folder, name, part_bytes
        self._stream: Any = None
        self._held, self.files, self.count = 0, 0, 0
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Parts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.files == 0 and kind is None:
            self._open()  # an empty part says that there was nothing, which a missing one would not
        self._close()

    def write(self, record: dict[str, Any]) -> None:
        """Append one record."""
        if self._stream is None or (self._held >= self._limit and not self._name):
            self._close()
            self._open()
        line = json_line(record)
        self._stream.write(line)
        self._held += len(line)
        self.count += 1

    def _open(self) -> None:
        path = self._folder / (self._name or f"part-{self.files:05d}.jsonl.zst")
        self._stream = zstandard.ZstdCompressor(level=3).stream_writer(path.open("wb"), closefd=True)
        self._held, self.files = 0, self.files + 1

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class Spool:
    """Records on disk that can be read again in any order: what passed so far, while duplicates are not known yet."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._path = path
        self._starts = array("Q")
        self.ids: list[str] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._starts)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record behind the others."""
        self._file.seek(0, io.SEEK_END)
        self._starts.append(self._file.tell())
        self.ids.append(record["id"])
        self._file.write(json_line(record))

    def __getitem__(self, i: int) -> dict[str, Any]:
        self._file.seek(self._starts[i])
        record: dict[str, Any] = json.loads(self._file.readline())
        return record


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
