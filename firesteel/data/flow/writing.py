"""Phase 4: the artefact's files, each by a task of its own: a range of ranks for kept documents, some blocks for dropped.

Kept documents are in the order of their seeded ranks, so any beginning of them is a fair sample; the lowest ranks are held
out.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from firesteel.data.dedup.exact import without_units
from firesteel.data.filters.language import bare
from firesteel.data.flow.blocks import MASK, RECORDS, SHIFT, Block
from firesteel.data.flow.folder import building, load, read_records, write_facts
from firesteel.data.flow.same import id_of
from firesteel.data.flow.tally import Tally
from firesteel.data.flow.verdicts import EXACT, NEAR, RULES, of_block, standing
from firesteel.data.store import json_line

FILE = "part.jsonl.zst"
PART_BYTES = 48 << 20  # of JSON lines before compression: what a task holds in memory
TOP = 16  # bits of the rank by which sizes are counted


@dataclass(frozen=True)
class Plan:
    """Ranks up to `heldout` are held out; `parts` are ranges (low, high] of the others' ranks."""

    documents: int
    held: int
    heldout: int
    parts: tuple[tuple[int, int], ...]


def plan(blocks: Sequence[Block], verdicts: np.ndarray, share: float) -> Plan:
    """Cut the documents that stay into the held-out ones and parts of about PART_BYTES. Needs two documents."""
    counts, sizes = np.zeros(1 << TOP, dtype=np.int64), np.zeros(1 << TOP, dtype=np.int64)
    for ranks, length in _standing(blocks, verdicts):
        top = (ranks >> np.uint64(64 - TOP)).astype(np.int64)
        counts += np.bincount(top, minlength=1 << TOP)
        sizes += np.bincount(top, weights=length, minlength=1 << TOP).astype(np.int64)
    total = int(counts.sum())
    held = min(total - 1, max(1, math.ceil(share * total)))
    return (
        Plan(total, held, last := _kth(blocks, verdicts, counts, held), _parts(sizes, last))
        if total > 1
        else Plan(total, 0, 0, ())
    )


def _standing(blocks: Sequence[Block], verdicts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ranks and lengths in bytes of each block's documents that stay."""
    for block in blocks:
        stay = standing(block, verdicts)
        yield block.array("ranks")[stay], np.diff(block.array("starts").astype(np.int64))[stay]


def _kth(blocks: Sequence[Block], verdicts: np.ndarray, counts: np.ndarray, k: int) -> int:
    """The k-th lowest rank among the documents that stay."""
    before = np.cumsum(counts)
    bucket = int(np.searchsorted(before, k))
    inside = [ranks[ranks >> np.uint64(64 - TOP) == bucket] for ranks, _ in _standing(blocks, verdicts)]
    ranks = np.sort(np.concatenate(inside))
    return int(ranks[k - 1 - (int(before[bucket - 1]) if bucket else 0)])


def _parts(sizes: np.ndarray, last: int) -> tuple[tuple[int, int], ...]:
    parts, low, held = [], last, 0
    for bucket in range(last >> (64 - TOP), 1 << TOP):
        held += int(sizes[bucket])
        high = ((bucket + 1) << (64 - TOP)) - 1
        if held >= PART_BYTES or bucket == (1 << TOP) - 1:
            parts.append((low, high))
            low, held = high, 0
    return tuple(parts)


@dataclass(frozen=True)
class WriteTask:
    """Write the documents of `blocks` with ranks in (low, high] (low -1: from the lowest) into `out`."""

    blocks: tuple[Block, ...]
    verdicts: Path
    cuts: Path
    low: int
    high: int
    name: str  # "train" or "heldout"
    out: Path


def write(task: WriteTask) -> None:
    """One file of kept documents, with what the data card says of them."""
    verdicts = load(task.verdicts, "verdicts")
    rows: list[
        tuple[int, int, Block]
    ] = []  # (rank, row, block): memory holds no more of the records' texts than one part
    for block in task.blocks:
        ranks = block.array("ranks")
        first = int(np.searchsorted(ranks, np.uint64(task.low), side="right")) if task.low >= 0 else 0
        last = int(np.searchsorted(ranks, np.uint64(task.high), side="right"))
        stay = standing(block, verdicts)[first:last]
        rows += [(int(ranks[row]), row, block) for row in (np.flatnonzero(stay) + first).tolist()]
    tally = Tally()
    with building(task.out) as folder, (folder / FILE).open("wb") as raw:
        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as stream:
            for rank, record in _in_order(rows, task.cuts, tally):
                with tally.step("write", 1, len(record["text"])) as step:
                    line = json_line(record)
                    stream.write(line)
                    step.documents_out += 1
                _count(task.name, rank, record, tally)
        write_facts(folder, tally.facts())


def _in_order(rows: list[tuple[int, int, Block]], cuts: Path, tally: Tally) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of the rows by rank, less what is cut from them."""
    by_block: defaultdict[int, list[tuple[int, int, Block]]] = defaultdict(list)
    for entry in rows:
        by_block[entry[2].number].append(entry)
    found = []
    for entries in by_block.values():
        found += _records(entries, cuts, tally)
    found.sort(key=lambda one: one[:2])
    yield from ((rank, record) for rank, _, record in found)


def _records(entries: list[tuple[int, int, Block]], cuts: Path, tally: Tally) -> list[tuple[int, int, dict[str, Any]]]:
    """(rank, place, record) of rows of one block, which lie side by side."""
    block = entries[0][2]
    order, out = block.array("order"), []
    numbers = _cuts(block, cuts)
    with (block.folder / RECORDS).open("rb") as f:
        for rank, row, _ in entries:
            f.seek(int(block.starts[row]))
            record = json.loads(f.read(int(block.starts[row + 1] - block.starts[row])))
            place = int(order[row])
            if place in numbers:
                record["text"] = without_units(record["text"], numbers[place])
                tally["changes"]["duplicate paragraphs dropped"] += len(numbers[place])
                tally["changed documents"]["duplicate paragraphs dropped"] += 1
            out.append((rank, block.number << SHIFT | place, record))
    return out


def _cuts(block: Block, cuts: Path) -> dict[int, set[int]]:
    if not (cuts / f"{block.number}.npy").is_file():
        return {}
    found: defaultdict[int, set[int]] = defaultdict(set)
    array = load(cuts, str(block.number))
    for place, number in zip((array["place"] & MASK).tolist(), array["number"].tolist(), strict=True):
        found[place].add(number)
    return found


def _count(split: str, rank: int, record: dict[str, Any], tally: Tally) -> None:
    size = len(record["text"].encode("utf-8", "surrogatepass"))
    language = bare(str(record["meta"].get("lang", ""))) or "?"
    label = record["source"].split("/", 1)[0]
    tally["documents"][split] += 1
    tally["bytes"][split] += size
    tally["languages"][language] += 1
    tally["language bytes"][language] += size
    tally["kept by source"][label] += 1
    tally["bytes by source"][label] += size
    tally[f"characters, {language}"][str(max(0, len(record["text"]).bit_length() - 1))] += 1  # by powers of two
    tally["licences"][record["licence"]] += 1
    tally.sample("kept", rank, record)


@dataclass(frozen=True)
class DropTask:
    """Write what was dropped from `mine`, a few of all `blocks`."""

    blocks: tuple[Block, ...]
    mine: tuple[Block, ...]
    verdicts: Path
    out: Path


def write_dropped(task: DropTask) -> None:
    """One file of dropped documents."""
    verdicts, tally = load(task.verdicts, "verdicts"), Tally()
    with building(task.out) as folder, (folder / FILE).open("wb") as raw:
        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as stream:
            for block in task.mine:
                for record in _dropped(block, task.blocks, verdicts, tally):
                    stream.write(json_line(record))
        write_facts(folder, tally.facts())


def _dropped(block: Block, blocks: Sequence[Block], verdicts: np.ndarray, tally: Tally) -> Iterator[dict[str, Any]]:
    yield from read_records(block.folder / "dropped.jsonl.zst")
    for place, kind, other, value in of_block(block, verdicts).tolist():
        record = block.record(place)
        twin = id_of(blocks[other >> SHIFT], other) if kind in (EXACT, NEAR) else ""
        said = {EXACT: twin, NEAR: f"{twin} {value:.3f}"}.get(kind, value)
        record |= {"rule": RULES[kind], "value": said}
        tally["dropped"][RULES[kind]] += 1
        tally.sample(f"dropped: {RULES[kind]}", int(record["id"], 16), record)
        yield record
