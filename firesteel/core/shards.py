"""Token shards: `shard-NNNNN.bin` (little-endian uint16 or uint32) and `index.json`; memory-mapped when read.

`documents` in the index are the offsets, in tokens over all shards, at which documents start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from firesteel.core.artefact import write_text
from firesteel.core.errors import ArtefactError


def write_shards(folder: Path, documents: Iterable[list[int]], *, vocab_size: int, shard_tokens: int) -> dict[str, int]:
    """Write documents (token ids, boundaries included by the caller) back to back; returns counts."""
    dtype = np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")
    folder.mkdir(parents=True, exist_ok=True)
    starts: list[int] = []
    shards: list[int] = []
    total = 0
    pending: list[np.ndarray] = []
    held = 0

    def flush() -> None:
        nonlocal pending, held
        if held:
            np.concatenate(pending).tofile(folder / f"shard-{len(shards):05d}.bin")
            shards.append(held)
        pending, held = [], 0

    for ids in documents:
        starts.append(total)
        array = np.asarray(ids, dtype=dtype)
        total += len(array)
        while len(array):
            piece, array = array[: shard_tokens - held], array[shard_tokens - held :]
            pending.append(piece)
            held += len(piece)
            if held == shard_tokens:
                flush()
    flush()
    index = {"dtype": dtype.str, "vocab_size": vocab_size, "shards": shards, "documents": starts}
    write_text(folder / "index.json", json.dumps(index))
    return {"tokens": total, "documents": len(starts), "shards": len(shards)}


class TokenShards:
    """Read-only view of the tokens in a folder of shards, addressed over all shards by one position."""

    def __init__(self, folder: Path) -> None:
        try:
            index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            self.documents = np.asarray(index["documents"], dtype=np.int64)
            self.vocab_size = int(index["vocab_size"])
            lengths, dtype = [int(n) for n in index["shards"]], np.dtype(index["dtype"])
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise ArtefactError("the token index cannot be read", value=folder / "index.json", why=str(e)) from e
        self.maps = []
        for i, length in enumerate(lengths):
            file = folder / f"shard-{i:05d}.bin"
            if not file.is_file() or file.stat().st_size != length * dtype.itemsize:
                why = f"the index records {length * dtype.itemsize} bytes"
                raise ArtefactError(
                    "a token shard is missing or truncated", value=file, why=why, hint="make the tokens again"
                )
            self.maps.append(np.memmap(file, dtype=dtype, mode="r", shape=(length,)))
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def slice(self, start: int, length: int) -> np.ndarray:
        """`length` tokens from position `start`, as int64 [length]; crosses shard borders."""
        assert 0 <= start and start + length <= len(self), (start, length, len(self))
        out = np.empty(length, dtype=np.int64)
        done = 0
        while done < length:
            shard = int(np.searchsorted(self.starts, start + done, side="right")) - 1
            offset = start + done - int(self.starts[shard])
            piece = self.maps[shard][offset : offset + length - done]
            out[done : done + len(piece)] = piece
            done += len(piece)
        if length and int(out.max()) >= self.vocab_size:
            raise ArtefactError(
                "a token shard is corrupt", value=int(out.max()), why=f"vocabulary has {self.vocab_size} entries"
            )
        return out
