"""Folders of intermediate results: built under another name, then renamed, so that one that exists is complete."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from firesteel.data.store import json_line, read_lines

FACTS = "facts.json"
LEVEL = 1  # of zstd: these files are read once and thrown away


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A new folder to write into; it gets its name when the block ends without an exception.

    Two processes may build the same folder (a cluster runs a lost task again): the first to finish wins.
    """
    partial = folder.with_name(f".{folder.name}.{os.uname().nodename}-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for file in partial.iterdir():
            with file.open("rb") as f:
                os.fsync(f.fileno())
        try:
            os.rename(partial, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """What a task counted."""
    (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def read_facts(folder: Path) -> dict[str, Any]:
    """See write_facts."""
    facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return facts


def save(folder: Path, **arrays: np.ndarray) -> None:
    """One .npy file for each array."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load(folder: Path, name: str, *, whole: bool = True) -> np.ndarray:
    """An array of `save`; memory-mapped unless `whole`."""
    array: np.ndarray = np.load(folder / f"{name}.npy", mmap_mode=None if whole else "r", allow_pickle=False)
    return array


def write_records(file: Path, records: Iterable[dict[str, Any]]) -> None:
    """Compressed JSON lines."""
    with file.open("wb") as raw, zstandard.ZstdCompressor(level=LEVEL).stream_writer(raw) as stream:
        stream.write(b"".join(map(json_line, records)))


def read_records(file: Path) -> list[dict[str, Any]]:
    """All records of a file of `write_records`."""
    return list(read_lines(file))


def between(
    arrays: Iterable[np.ndarray], low: int, high: int, key: str | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """(number, slice) of each sorted array whose keys are in [low, high); empty slices are left out.

    An array of a structured type is sorted by its field `key`.
    """
    for i, array in enumerate(arrays):
        keys = array if key is None else array[key]
        first = int(np.searchsorted(keys, np.uint64(low)))
        last = len(keys) if high > MAX_KEY else int(np.searchsorted(keys, np.uint64(high)))
        if last > first:
            yield i, np.asarray(array[first:last])


MAX_KEY = (1 << 64) - 1


def ranges(entries: int, each: int) -> list[tuple[int, int]]:
    """Cut the 64-bit keys into so many equal ranges that each holds about `each` of the (uniform) entries."""
    parts = max(1, -(-entries // each))
    edges = [(i << 64) // parts for i in range(parts + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))
