"""Files of instruction data, plain or compressed: lines of JSON, or one list, as records with their places."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from firesteel.core.errors import SourceError
from firesteel.data.instruction_shapes import Misfit, no_constant

MAX_LINE = 16 << 20  # bytes of one conversation
MAX_JSON = 256 << 20  # bytes of a .json file, which is read whole
MAX_FILE = 64 << 30  # bytes of a file once unpacked: more is a bomb
MAX_WINDOW = 1 << 27  # bytes of memory that a zstd file may ask for


def loaded(raw: bytes) -> Any:
    """What the bytes hold as strict JSON in UTF-8. Raises Misfit."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=no_constant)
    except UnicodeDecodeError as e:
        raise Misfit("line", f"UTF-8 was expected ({e.reason} at byte {e.start})") from e
    except (ValueError, RecursionError) as e:
        raise Misfit("line", f"JSON was expected ({str(e)[:80]})") from e


def _zstd(path: str) -> BinaryIO:
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    return cast(BinaryIO, decompressor.stream_reader(open(path, "rb"), read_across_frames=True, closefd=True))


def _gzip(path: str) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb"))


OPENERS: dict[str, Callable[[str], BinaryIO]] = {".gz": _gzip, ".zst": _zstd}
BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)


def records(file: str) -> Iterator[tuple[str, object]]:
    """Each record of a file with its place: raw bytes of a line, or an item of a .json list. Raises SourceError."""
    path = Path(file)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    opener = OPENERS.get(suffixes[-1] if suffixes else "")
    kind = suffixes[-2 if opener else -1] if len(suffixes) > bool(opener) else ""
    try:
        with opener(file) if opener else path.open("rb") as f:
            yield from _items(f, file) if kind == ".json" else _rows(f, file)
    except BROKEN as e:
        raise SourceError(
            "a file of instruction data cannot be read", value=file, why=str(e) or type(e).__name__
        ) from e


def _rows(stream: BinaryIO, file: str) -> Iterator[tuple[str, object]]:
    buffer, number, total = bytearray(), 0, 0
    while True:
        piece = stream.read(1 << 20)
        total += len(piece)
        buffer += piece
        *rows, rest = bytes(buffer).split(b"\n") if piece else (bytes(buffer), b"")
        for row in rows:
            number += 1
            row = row.removeprefix(b"\xef\xbb\xbf") if number == 1 else row
            if row.strip():
                yield f"{file}:{number}", row
        if len(rest) > MAX_LINE or total > MAX_FILE:
            why = (
                f"more than {MAX_LINE >> 20} MiB in a line"
                if len(rest) > MAX_LINE
                else f"more than {MAX_FILE >> 30} GiB"
            )
            raise SourceError("the file is too large", value=f"{file}:{number + 1}", why=why, hint="split it")
        if not piece:
            return
        buffer = bytearray(rest)


def _items(stream: BinaryIO, file: str) -> Iterator[tuple[str, object]]:
    raw = stream.read(MAX_JSON + 1)
    if len(raw) > MAX_JSON:
        why = f"more than {MAX_JSON >> 20} MiB"
        raise SourceError("the file is too large", value=file, why=why, hint="use .jsonl, one conversation a line")
    try:
        value = loaded(raw.removeprefix(b"\xef\xbb\xbf"))
    except Misfit as e:
        raise SourceError("a file of instruction data cannot be read", value=file, why=str(e)) from e
    for i, item in enumerate(value if isinstance(value, list) else [value]):
        yield f"{file}[{i}]", item
