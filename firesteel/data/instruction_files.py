"""Files of instruction data, plain or compressed: lines of JSON, or one list, as records with their places."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from firesteel.core.errors import SourceError
from firesteel.data.instruction_bytes import utf8_pieces
from firesteel.data.instruction_misfit import Misfit
from firesteel.data.instruction_shapes import no_constant

MAX_LINE = 16 << 20  # bytes of one conversation
MAX_JSON = 256 << 20  # bytes of a .json file, which is read whole
MAX_FILE = 64 << 30  # bytes of a file once unpacked: more is a bomb
MAX_WINDOW = 1 << 27  # bytes of memory that a zstd file may ask for


def loaded(raw: bytes) -> Any:
    """What the bytes hold as strict JSON in UTF-8. Raises Misfit."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=no_constant)
    except UnicodeDecodeError as e:
        raise Misfit("line", f"UTF-8 was expected ({e.reason} at byte {e.start}): save the file as UTF-8") from e
    except (ValueError, RecursionError) as e:
        raise Misfit("line", f"JSON was expected ({str(e)[:80]})") from e


def _zstd(path: str) -> BinaryIO:
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    return cast(BinaryIO, decompressor.stream_reader(open(path, "rb"), read_across_frames=True, closefd=True))


def _gzip(path: str) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb"))


OPENERS: dict[str, Callable[[str], BinaryIO]] = {".gz": _gzip, ".zst": _zstd}
BROKEN = (OSError, EOFError, UnicodeError, zlib.error, zstandard.ZstdError)
READABLE = "lines of JSON (.jsonl) or one list (.json) can be read, plain or as .gz or .zst"
TABLES = frozenset(".parquet .arrow .feather .csv .tsv .xlsx .xls .ods .db .sqlite".split())
OTHERS = TABLES | frozenset(".zip .tar .tgz .7z .rar .bz2 .xz .lz4 .docx .pdf .yaml .yml .xml .pkl .pt".split())


def records(file: str) -> Iterator[tuple[str, object]]:
    """Each record of a file with its place: raw bytes of a line, or an item of a .json list. Raises SourceError."""
    path = Path(file)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    opener = OPENERS.get(suffixes[-1] if suffixes else "")
    kind = suffixes[-2 if opener else -1] if len(suffixes) > bool(opener) else ""
    if kind in OTHERS:
        more = "; pandas writes it: to_json(..., orient='records', lines=True)" if kind in TABLES else ""
        why = f"{kind} is no format of instruction data"
        raise SourceError("a file of instruction data cannot be read", value=file, why=why, hint=READABLE + more)
    try:
        with opener(file) if opener else path.open("rb") as f:
            yield from (_items if kind == ".json" else _rows)(utf8_pieces(f), file)
    except UnicodeDecodeError as e:
        why = f"it begins in {e.encoding} and goes on in another encoding or broken ({e.reason})"
        raise SourceError("the file has no one encoding", value=file, why=why, hint="save it as UTF-8") from e
    except BROKEN as e:
        raise SourceError(
            "a file of instruction data cannot be read", value=file, why=str(e) or type(e).__name__
        ) from e


def _rows(pieces: Iterator[bytes], file: str) -> Iterator[tuple[str, object]]:
    buffer, number, total, seen = bytearray(), 0, 0, False
    for piece in chain(pieces, (None,)):
        total += len(piece or b"")
        buffer += piece or b""
        *rows, rest = bytes(buffer).split(b"\n") if piece is not None else (bytes(buffer), b"")
        for row in rows:
            number += 1
            row = row.removeprefix(codecs.BOM_UTF8) if number == 1 else row
            if not row.strip():
                continue
            if not seen and row.strip() in (b"[", b"{"):
                why = "one JSON value stands on several lines, and in this file every line is one of its own"
                raise SourceError("the file is not lines of JSON", value=file, why=why, hint="rename it to .json")
            seen = True
            yield f"{file}:{number}", row
        if len(rest) > MAX_LINE or total > MAX_FILE:
            long = len(rest) > MAX_LINE
            why = f"more than {MAX_LINE >> 20} MiB in a line" if long else f"more than {MAX_FILE >> 30} GiB"
            raise SourceError("the file is too large", value=f"{file}:{number + 1}", why=why, hint="split it")
        buffer = bytearray(rest)


def _items(pieces: Iterator[bytes], file: str) -> Iterator[tuple[str, object]]:
    raw = bytearray()
    for piece in pieces:
        raw += piece
        if len(raw) > MAX_JSON:
            why = f"more than {MAX_JSON >> 20} MiB"
            raise SourceError("the file is too large", value=file, why=why, hint="use .jsonl, one conversation a line")
    text = bytes(raw).removeprefix(codecs.BOM_UTF8)
    try:
        value = loaded(text)
    except Misfit as e:
        hint = "every line is JSON of its own: rename it to .jsonl" if _is_lines(text) else ""
        raise SourceError("a file of instruction data cannot be read", value=file, why=str(e), hint=hint) from e
    for i, item in enumerate(value if isinstance(value, list) else [value]):
        yield f"{file}[{i}]", item


def _is_lines(text: bytes) -> bool:
    first, _, more = text.strip().partition(b"\n")
    try:
        return bool(more) and isinstance(loaded(first), dict)
    except Misfit:
        return False
