"""Token shards: `shard-NNNNN.bin` (little-endian uint16 or uint32) and `index.json`; memory-mapped when read.

`documents` in the index are the offsets, in tokens over all shards, at which documents start; `sources` and `source` say
where each came from, if that was given. Beside each shard a `mask-NNNNN.bin` (uint8) may say which tokens are learnt.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from firesteel.core.artefact import write_text
from firesteel.core.errors import ArtefactError


class Entry(NamedTuple):
    """A document to write: its token ids, which of them are learnt (None: all), and the number of its source."""

    ids: Sequence[int]
    mask: Sequence[bool] | None = None
    source: int = 0


def write_shards(
    folder: Path, documents: Iterable[list[int] | Entry], *, vocab_size: int, shard_tokens: int,
    masks: bool = False, sources: Sequence[str] | None = None,
) -> dict[str, int]:  # fmt: skip
    """Write documents (token ids, boundaries included by the caller) back to back; returns counts.

    `masks`: write loss masks beside the tokens. `sources`: names of the sources that entries give by number; documents may
    go on adding names to it until the last one is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [_Files(folder, "shard", np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4"), shard_tokens)]
    files += [_Files(folder, "mask", np.dtype("u1"), shard_tokens)] if masks else []
    starts, numbers, total = array("q"), array("q"), 0
    for document in documents:
        entry = document if isinstance(document, Entry) else Entry(document)
        starts.append(total)
        numbers.append(entry.source)
        total += len(entry.ids)
        files[0].write(entry.ids)
        if masks:
            learnt = [True] * len(entry.ids) if entry.mask is None else entry.mask
            assert len(learnt) == len(entry.ids), "a mask needs one value a token"
            files[1].write(learnt)
    for file in files:
        file.close()
    index: dict[str, Any] = {"dtype": files[0].dtype.str, "vocab_size": vocab_size, "shards": files[0].written}
    index |= {"masks": True} if masks else {}
    index |= {} if sources is None else {"sources": list(sources), "source": numbers.tolist()}
    write_text(folder / "index.json", json.dumps(index | {"documents": starts.tolist()}, ensure_ascii=False))
    return {"tokens": total, "documents": len(starts), "shards": len(files[0].written)}


class _Files:
    """Values cut into files of `size` each."""

    def __init__(self, folder: Path, name: str, dtype: np.dtype[Any], size: int) -> None:
        self._folder, self._name, self.dtype, self._size = folder, name, dtype, size
        self._pending: list[np.ndarray] = []
        self._held = 0
        self.written: list[int] = []

    def write(self, values: Sequence[int]) -> None:
        values_left = np.asarray(values, dtype=self.dtype)
        while len(values_left):
            room = self._size - self._held
            piece, values_left = values_left[:room], values_left[room:]
            self._pending.append(piece)
            self._held += len(piece)
            if self._held == self._size:
                self.close()

    def close(self) -> None:
        if self._held:
            np.concatenate(self._pending).tofile(_file(self._folder, self._name, len(self.written)))
            self.written.append(self._held)
        self._pending, self._held = [], 0


class TokenShards:
    """Read-only view of the tokens in a folder of shards, addressed over all shards by one position.

    `documents` [N]: where each begins; `sources`: names, empty if not recorded; `source` [N]: the number of each one's.
    """

    def __init__(self, folder: Path) -> None:
        try:
            index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            self.documents = np.asarray(index["documents"], dtype=np.int64)
            self.vocab_size = int(index["vocab_size"])
            self.sources = [str(name) for name in index.get("sources", [])]
            self.source = np.asarray(index.get("source", []), dtype=np.int64)
            lengths, dtype = [int(n) for n in index["shards"]], np.dtype(index["dtype"])
            masked = bool(index.get("masks"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            raise ArtefactError("the token index cannot be read", value=folder / "index.json", why=str(e)) from e
        self.maps = [_map(folder, "shard", i, length, dtype) for i, length in enumerate(lengths)]
        self.masks = [_map(folder, "mask", i, length, np.dtype("u1")) for i, length in enumerate(lengths) if masked]
        self.starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def slice(self, start: int, length: int) -> np.ndarray:
        """`length` tokens from position `start`, as int64 [length]; crosses shard borders."""
        out = self._cut(self.maps, start, length)
        if length and int(out.max()) >= self.vocab_size:
            raise ArtefactError(
                "a token shard is corrupt", value=int(out.max()), why=f"vocabulary has {self.vocab_size} entries"
            )
        return out

    def mask(self, start: int, length: int) -> np.ndarray:
        """Which of these tokens are learnt, bool [length]; all of them where no masks were written."""
        return self._cut(self.masks, start, length) != 0 if self.masks else np.ones(length, dtype=bool)

    def document(self, number: int) -> tuple[int, int]:
        """Where document `number` starts, and how many tokens it has."""
        start = int(self.documents[number])
        end = int(self.documents[number + 1]) if number + 1 < len(self.documents) else len(self)
        return start, end - start

    def _cut(self, maps: Sequence[np.ndarray], start: int, length: int) -> np.ndarray:
        assert 0 <= start and start + length <= len(self), (start, length, len(self))
        out = np.empty(length, dtype=np.int64)
        done = 0
        while done < length:
            shard = int(np.searchsorted(self.starts, start + done, side="right")) - 1
            offset = start + done - int(self.starts[shard])
            piece = maps[shard][offset : offset + length - done]
            out[done : done + len(piece)] = piece
            done += len(piece)
        return out


def _file(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}-{number:05d}.bin"


def _map(folder: Path, name: str, number: int, length: int, dtype: np.dtype[Any]) -> np.ndarray:
    file = _file(folder, name, number)
    if not file.is_file() or file.stat().st_size != length * dtype.itemsize:
        why = f"the index records {length * dtype.itemsize} bytes"
        raise ArtefactError("a token shard is missing or truncated", value=file, why=why, hint="make the tokens again")
    return np.memmap(file, dtype=dtype, mode="r", shape=(length,))
