"""Phase 3, over all blocks: which documents repeat earlier ones, wholly or nearly, and which paragraphs do.

Each task takes one range of keys (or of documents) from every block's sorted arrays, so memory holds one range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from firesteel.data.dedup.exact import repeats
from firesteel.data.dedup.near import Similarity, pairs, unique_pairs
from firesteel.data.flow.blocks import SHIFT, Block
from firesteel.data.flow.folder import between, building, load, save

PAIR = np.dtype([("later", "<u8"), ("earlier", "<u8")])
SIMILAR = np.dtype([("later", "<u8"), ("earlier", "<u8"), ("similarity", "<f8")])
CUT = np.dtype([("place", "<u8"), ("number", "<u4"), ("start", "<u4"), ("chars", "<u4")])


@dataclass(frozen=True)
class RangeTask:
    """Work on the keys (or places) in [low, high) of `blocks`; `before`: folders of the step before."""

    blocks: tuple[Block, ...]
    low: int
    high: int
    out: Path
    before: tuple[Path, ...] = ()
    threshold: float = 0.0


def _gather(task: RangeTask, name: str) -> np.ndarray:
    arrays = [block.array(name, whole=False) for block in task.blocks]
    found = [piece for _, piece in between(arrays, task.low, task.high, "key")]
    return np.concatenate(found) if found else arrays[0][:0]


def _new(places: np.ndarray, blocks: Sequence[Block]) -> np.ndarray:
    """Whether places belong to this run; seen blocks come first."""
    seen = sum(block.seen for block in blocks)
    return np.asarray(places >= np.uint64(seen << SHIFT))


def lines_of(task: RangeTask) -> np.ndarray:
    """Sorted line keys in the range over the `NNN.lines.npy` of the read units in `before`."""
    arrays = [load(file.parent, file.stem, whole=False) for file in task.before]
    found = [piece for _, piece in between(arrays, task.low, task.high)]
    return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.uint64)


def exact(task: RangeTask) -> None:
    """Documents that equal an earlier one: PAIRs by `later`."""
    entries = _gather(task, "wholes")
    again, first = repeats(entries, ("key", "rest"), ("place",))
    out = np.empty(len(again), dtype=PAIR)
    out["later"], out["earlier"] = entries["place"][again], entries["place"][first]
    with building(task.out) as folder:
        save(folder, pairs=np.sort(out[_new(out["later"], task.blocks)], order="later"))


def candidates(task: RangeTask) -> None:
    """Pairs that share a band, of documents that stand so far (verdicts in `before`): PAIRs by `later`."""
    entries = _left(_gather(task, "bands"), task.before[0])
    found = pairs(entries["key"], entries["place"])
    found = found[_new(found[:, 0], task.blocks)]
    out = np.empty(len(found), dtype=PAIR)
    out["later"], out["earlier"] = found[:, 0], found[:, 1]
    with building(task.out) as folder:
        save(folder, pairs=out)


def _left(entries: np.ndarray, folder: Path) -> np.ndarray:
    """The entries of documents without a verdict in a folder."""
    gone = load(folder, "verdicts")["place"]
    if not len(gone):
        return entries
    at = np.minimum(np.searchsorted(gone, entries["place"]), len(gone) - 1)
    return np.asarray(entries[gone[at] != entries["place"]])


def verify(task: RangeTask) -> None:
    """Of the candidates (`before`) whose later place is in the range, those that are truly similar: SIMILARs."""
    arrays = [load(folder, "pairs", whole=False) for folder in task.before]
    found = [piece for _, piece in between(arrays, task.low, task.high, "later")]
    both = np.concatenate(found) if found else np.empty(0, dtype=PAIR)
    both = unique_pairs(np.stack([both["later"], both["earlier"]], axis=1))
    texts = {block.number: block for block in task.blocks}

    similarity = Similarity(lambda place: texts[place >> SHIFT].record(place)["text"])
    rows = list(similarity.similar(both, task.threshold))
    with building(task.out) as folder:
        save(folder, similar=np.array(rows, dtype=SIMILAR))


def repeated_units(task: RangeTask) -> None:
    """Paragraphs and lines that an earlier document (of those that stay) has, or the same one earlier: CUTs by place."""
    entries = _left(_gather(task, "units"), task.before[0])
    again, _ = repeats(entries, ("key",), ("place", "number"))
    cut = entries[again]
    cut = cut[_new(cut["place"], task.blocks)]
    out = np.empty(len(cut), dtype=CUT)
    for name in CUT.names or ():
        out[name] = cut[name]
    with building(task.out) as folder:
        save(folder, cuts=np.sort(out, order=("place", "number")))


@cache
def _ids(block: Block) -> np.ndarray:
    return np.asarray(block.array("ids"))


def id_of(block: Block, place: int) -> str:
    """The id of the document at a place of the run in its block."""
    return f"{int(_ids(block)[block.rows(np.array([place], dtype=np.uint64))[0]]):016x}"
