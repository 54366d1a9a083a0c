"""A judged block on disk: its documents in the order of their ranks, and what deduplication needs to know of each.

`place` is a document's number in reading order over the whole run: the block's number, then its place in the block.
Earlier places win: of texts that are the same the first in reading order stays. Arrays, N documents of the block:

records.jsonl  one document a line, sorted by rank          starts  uint64 [N+1] byte offsets of the lines
ranks          uint64 [N] ascending                         order   uint32 [N] place in the block
ids            uint64 [N] the document's id                 chars   uint32 [N] characters of the text
wholes         [N] of WHOLE, sorted: hash of the document   bands   [N * bands] of BAND, sorted: keys for near-duplicates
units          [..] of UNIT, sorted: paragraphs and lines   dropped.jsonl.zst  what the rules took out
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from firesteel.data.flow.folder import load, save
from firesteel.data.store import json_line

WHOLE = np.dtype([("key", "<u8"), ("rest", "<u8"), ("place", "<u8")])
BAND = np.dtype([("key", "<u8"), ("place", "<u8")])
UNIT = np.dtype([("key", "<u8"), ("place", "<u8"), ("number", "<u4"), ("start", "<u4"), ("chars", "<u4")])
RECORDS = "records.jsonl"
SHIFT = 32  # a place is block << SHIFT | place in the block
MASK = np.uint64((1 << SHIFT) - 1)


@dataclass(frozen=True)
class Block:
    """A judged block; `seen`: of an earlier run, there to be compared with only."""

    number: int
    folder: Path
    seen: bool = False

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("number", "folder", "seen")}  # arrays do not travel

    def array(self, name: str, *, whole: bool = True) -> np.ndarray:
        """One of its arrays."""
        return load(self.folder, name, whole=whole)

    @cached_property
    def _by_place(self) -> tuple[np.ndarray, np.ndarray]:
        """Places in ascending order (those of dropped documents are missing), and the row of each."""
        order = self.array("order")
        rows = np.argsort(order)
        return order[rows], rows

    def rows(self, places: np.ndarray) -> np.ndarray:
        """The rows of documents by their places in the block or in the run, int64."""
        sorted_places, rows = self._by_place
        return np.asarray(rows[np.searchsorted(sorted_places, (places & MASK).astype(np.uint32))])

    @cached_property
    def starts(self) -> np.ndarray:
        """Byte offsets of the rows."""
        return self.array("starts")

    def record(self, place: int) -> dict[str, Any]:
        """The document at a place in the block or in the run."""
        row = int(self.rows(np.array([place], dtype=np.uint64))[0])
        with (self.folder / RECORDS).open("rb") as f:
            f.seek(int(self.starts[row]))
            record: dict[str, Any] = json.loads(f.read(int(self.starts[row + 1] - self.starts[row])))
        return record


def write_block(folder: Path, records: list[dict[str, Any]], ranks: np.ndarray, places: np.ndarray) -> None:
    """Write records (given in reading order, with `places` in the block) sorted by rank."""
    order = np.argsort(ranks, kind="stable")
    starts = np.zeros(len(records) + 1, dtype=np.uint64)
    with (folder / RECORDS).open("wb") as f:
        for i, row in enumerate(order):
            starts[i + 1] = int(starts[i]) + f.write(json_line(records[row]))
    save(
        folder, starts=starts, ranks=ranks[order], order=places[order].astype(np.uint32),
        ids=np.array([int(records[row]["id"], 16) for row in order], dtype=np.uint64),
        chars=np.array([len(records[row]["text"]) for row in order], dtype=np.uint32),
    )  # fmt: skip
