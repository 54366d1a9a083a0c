"""Phase 1, a unit at a time: read, normalise, and cut into blocks of documents, with the keys of their lines.

A unit's folder holds `NNN.jsonl.zst` (documents in reading order, unreadable ones with their error), `NNN.ranks.npy`,
`NNN.lines.npy` (sorted keys for boilerplate, one for each line and document) and facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firesteel.core.config import DataSettings
from firesteel.data.clean.normalise import KEPT, TRADITIONAL, normalise
from firesteel.data.dedup.boilerplate import counted
from firesteel.data.document import Document, Dropped
from firesteel.data.flow.folder import building, save, write_facts, write_records
from firesteel.data.flow.tally import Tally
from firesteel.data.read.source import Item, Unit, rank, read_unit
from firesteel.data.store import read_lines

BLOCK_CHARS = 2 << 20  # a block ends at whichever comes first; memory holds one block of a worker at a time
BLOCK_DOCUMENTS = 1 << 15
CLASSICAL = frozenset("classical poem verse shi ci qu 诗 詩 词 詞 曲 赋 賦 古诗 古文 文言 文言文 诗词".split())


@dataclass(frozen=True)
class ReadTask:
    """One unit to read into `out`. `seen`: files of an earlier artefact, which only tell what has been seen before."""

    unit: Unit | None
    seen: tuple[str, ...]
    settings: DataSettings
    seed: int
    out: Path
    broken: frozenset[str] = frozenset()


def read(task: ReadTask) -> None:
    """Make a unit's folder."""
    tally = Tally()
    with building(task.out) as folder:
        block = _Block(folder, task.settings, task.seed)
        for item in _timed(_items(task, tally["skipped in archives"]), tally):
            block.add(_record(item, task, tally))
        block.flush()
        write_facts(folder, tally.facts() | {"blocks": block.written})


def try_file(task: ReadTask) -> None:
    """Read a unit for no result: does it survive? Given one file at a time, to find the one that kills its reader."""
    for _ in _items(task, Counter()):
        pass


def _items(task: ReadTask, skipped: Counter[str]) -> Iterator[Item | dict[str, Any]]:
    if task.unit is not None:
        yield from read_unit(task.unit, task.settings, task.broken, skipped)
    for file in task.seen:
        yield from read_lines(Path(file))


def _timed(items: Iterator[Any], tally: Tally) -> Iterator[Any]:
    """The same items, the time to get them counted as reading."""
    while True:
        with tally.step("read") as step:
            item = next(items, None)
        if item is None:
            return
        step.documents_in += 1
        if isinstance(item, Document):
            step.documents_out += 1
            step.chars_in += len(item.text)
        yield item


def _record(item: Item | dict[str, Any], task: ReadTask, tally: Tally) -> dict[str, Any]:
    if isinstance(item, dict):
        return item  # of an earlier artefact: clean already
    if isinstance(item, Dropped):
        item.document.text = item.document.text.encode("utf-8", "replace").decode()
        return item.record()
    with tally.step("normalise", 1, len(item.text)) as step:
        text, changes = normalise(
            item.text, str(item.meta.get("lang", "")), simplify=task.settings.simplify, classical=_classical(item.meta)
        )
        step.documents_out += 1
    if changes[TRADITIONAL]:
        item.meta["simplified_share"] = round(changes[TRADITIONAL] / max(1, len(text)), 4)
    tally["changes"].update(changes)
    tally["changed documents"].update(rule for rule in changes if rule not in KEPT)
    item.text = text
    return item.record()


def _classical(meta: dict[str, Any]) -> bool:
    """Whether a document's own metadata says that it is classical Chinese."""
    return meta.get("classical") is True or any(
        meta.get(key) in CLASSICAL for key in ("genre", "style", "体裁", "文体")
    )


class _Block:
    """Collects records and writes a block whenever one is full."""

    def __init__(self, folder: Path, settings: DataSettings, seed: int) -> None:
        self.folder, self.settings, self.seed = folder, settings, seed
        self.written: list[dict[str, int]] = []  # documents and line keys of each block
        self._clear()

    def _clear(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.keys: list[int] = []
        self.chars = 0

    def add(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        self.chars += len(record["text"])
        if self.settings.boilerplate and "rule" not in record:
            self.keys += counted(record["text"])
        if self.chars >= BLOCK_CHARS or len(self.records) == BLOCK_DOCUMENTS:
            self.flush()

    def flush(self) -> None:
        if not self.records:
            return
        name = f"{len(self.written):03d}"
        write_records(self.folder / f"{name}.jsonl.zst", self.records)
        ranks = np.array([rank(record["id"], self.seed) for record in self.records], dtype=np.uint64)
        lines = np.sort(np.array(self.keys, dtype=np.uint64))
        save(self.folder, **{f"{name}.ranks": ranks, f"{name}.lines": lines})
        self.written.append({"documents": len(self.records), "lines": len(lines)})
        self._clear()
