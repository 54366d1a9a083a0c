"""File formats: each suffix has a function that turns an open file into pieces of text, in bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import zstandard

from firesteel.data.read.decode import Opener, UndecodableError, decode_bytes, detect, text_chunks

MAX_LINE = 64 << 20  # bytes of one JSON line
MAX_JSON = 256 << 20  # bytes of one .json file, which must be read whole
MAX_WINDOW = 1 << 27  # bytes of memory a zstd file may ask for (zstd's own default limit)
TEXT_KEYS = ("text", "content")
BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)  # what a damaged or vanished file raises


@dataclass(frozen=True)
class Piece:
    """Text with its position in the file; `error` says why there is none."""

    position: str
    text: str
    licence: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def read_text(open_: Opener, limit: int) -> Iterator[Piece]:
    """Plain text and Markdown: one piece, or several of at most `limit` characters."""
    for i, text in enumerate(split(text_chunks(open_, detect(open_)), limit)):
        yield Piece(str(i), text)


def read_jsonl(open_: Opener, limit: int) -> Iterator[Piece]:
    """One JSON record a line; a line that is none becomes a piece with an error."""
    with open_() as f:
        for i, (raw, whole) in enumerate(_lines(f)):
            if not whole:
                yield Piece(str(i), "", error=f"line {i + 1} is longer than {MAX_LINE} bytes")
            elif raw.strip():
                yield from _record(raw.removeprefix(b"\xef\xbb\xbf"), str(i), f"line {i + 1}", limit)


def read_json(open_: Opener, limit: int) -> Iterator[Piece]:
    """A JSON file: one record, or a list of records or texts."""
    with open_() as f:
        raw = f.read(MAX_JSON + 1)
    if len(raw) > MAX_JSON:
        yield Piece("0", "", error=f"larger than {MAX_JSON} bytes: use .jsonl, one record a line")
        return
    try:
        value = json.loads(decode_bytes(raw))
    except (ValueError, RecursionError) as e:
        yield Piece("0", "", error=f"not JSON: {e}")
        return
    for i, item in enumerate(value if isinstance(value, list) else [value]):
        yield from _pieces(item, str(i), f"item {i + 1}", limit)


def _zstd(open_: Opener) -> Opener:
    def opened() -> BinaryIO:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        return cast(
            BinaryIO, io.BufferedReader(decompressor.stream_reader(open_(), read_across_frames=True, closefd=True))
        )

    return opened


def _gzip(open_: Opener) -> Opener:
    def opened() -> BinaryIO:
        raw = cast(io.FileIO, open_())
        stream = gzip.GzipFile(fileobj=raw, mode="rb")
        stream.myfileobj = raw  # closed together with the stream
        return cast(BinaryIO, stream)

    return opened


Reader = Callable[[Opener, int], Iterator[Piece]]
FORMATS: dict[str, Reader] = {  # longest suffix first
    ".jsonl.zst": lambda open_, limit: read_jsonl(_zstd(open_), limit),
    ".jsonl.gz": lambda open_, limit: read_jsonl(_gzip(open_), limit),
    ".txt.zst": lambda open_, limit: read_text(_zstd(open_), limit),
    ".txt.gz": lambda open_, limit: read_text(_gzip(open_), limit),
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".txt": read_text,
    ".md": read_text,
    ".markdown": read_text,
}


def format_of(name: str) -> Reader | None:
    """The reader for a file name, or None."""
    return next((reader for suffix, reader in FORMATS.items() if name.lower().endswith(suffix)), None)


def read_file(name: str, open_: Opener, limit: int) -> Iterator[Piece]:
    """The pieces of a file whose suffix is known; what cannot be read is a piece with an error, never an exception."""
    reader = format_of(name)
    assert reader is not None, name
    try:
        yield from reader(open_, limit)
    except UndecodableError as e:
        yield Piece("error", "", error=str(e))
    except BROKEN as e:
        yield Piece("error", "", error=f"cannot be read: {e}")


def split(chunks: Iterable[str], limit: int) -> Iterator[str]:
    """Pieces of at most `limit` characters, cut at the last paragraph, line, sentence or word end in their second half.

    Joined, the pieces are the chunks: nothing is lost or added.
    """
    buffer = ""
    for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start > limit:
            end = _cut(buffer, start, limit)
            yield buffer[start:end]
            start = end
        buffer = buffer[start:]
    if buffer:
        yield buffer


def _cut(text: str, start: int, limit: int) -> int:
    middle, end = start + limit // 2, start + limit
    for marks in (("\n\n",), ("\n",), ("。", "！", "？", ". ", "! ", "? "), (" ",)):
        at = max(text.rfind(mark, middle, end) + len(mark) if mark in text[middle:end] else 0 for mark in marks)
        if at:
            return at
    return end


def _lines(f: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Lines of at most MAX_LINE bytes; of a longer one only the news that it was there."""
    while raw := f.readline(MAX_LINE):
        whole = raw.endswith(b"\n") or len(raw) < MAX_LINE
        while not raw.endswith(b"\n") and len(raw) == MAX_LINE:
            raw = f.readline(MAX_LINE)
        yield raw if whole else b"", whole


def _record(raw: bytes, position: str, where: str, limit: int) -> Iterator[Piece]:
    try:
        value = json.loads(decode_bytes(raw))
    except UndecodableError as e:
        yield Piece(position, "", error=f"{where}: {e}")
    except (ValueError, RecursionError) as e:
        yield Piece(position, "", error=f"{where} is not JSON: {e}")
    else:
        yield from _pieces(value, position, where, limit)


def _pieces(value: Any, position: str, where: str, limit: int) -> Iterator[Piece]:
    if isinstance(value, str):
        value = {"text": value}
    key = next((k for k in TEXT_KEYS if isinstance(value, dict) and isinstance(value.get(k), str)), None)
    if key is None:
        yield Piece(position, "", error=f"{where} has no text field ({' or '.join(TEXT_KEYS)})")
        return
    meta = dict(value["meta"]) if isinstance(value.get("meta"), dict) else {}
    meta |= {name: value[name] for name in ("lang", "title") if isinstance(value.get(name), str)}
    licence = next((value[k] for k in ("licence", "license") if isinstance(value.get(k), str)), "")
    pieces = list(split([value[key]], limit)) or [""]
    for i, text in enumerate(pieces):
        yield Piece(position if len(pieces) == 1 else f"{position}.{i}", text, licence, meta)
