"""What readers take and give: a `Task` (a file to read, with its limits) becomes `Piece`s of text."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO, Any, BinaryIO, cast

from firesteel.data.read.decode import Opener

COPY = 1 << 20  # bytes copied at a time
IN_MEMORY = 8 << 20  # bytes of a copy that stay in memory; more goes to a nameless temporary file
MAX_FILE = 512 << 20  # bytes of one office file, PDF or book, which a library reads as a whole
MAX_EXPANDED = 4 << 30  # bytes that one file may expand to, with all archives inside it
RATIO, RATIO_FROM = 200, 10 << 20  # more than 200:1 is refused, once that many bytes have come out
MAX_DEPTH = 3  # archives inside archives


class UnreadableError(Exception):
    """A file that we refuse, or that is not what it should be; the message is for the user."""


@dataclass(frozen=True)
class Piece:
    """Text with its position in the file; `error` says why there is none; `inner` is the path inside an archive."""

    position: str
    text: str
    licence: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    inner: str = ""


@dataclass
class Budget:
    """The bytes that one file may still expand to, shared by all the archives inside it."""

    left: int = MAX_EXPANDED

    def take(self, size: int) -> None:
        """Count `size` bytes. Raises UnreadableError when they are too many."""
        self.left -= size
        if self.left < 0:
            raise UnreadableError(f"expands to more than {MAX_EXPANDED >> 30} GiB")


Reader = Callable[["Task"], Iterator[Piece]]


@dataclass(frozen=True)
class Task:
    """A file to read: pieces of at most `limit` characters; `read` reads what is inside it, by name."""

    name: str
    open: Opener
    limit: int
    read: Reader
    ocr: bool = False
    depth: int = 0  # archives around it
    budget: Budget = field(default_factory=Budget)
    skipped: Counter[str] = field(default_factory=Counter)  # suffixes inside archives that we do not read

    def inside(self, name: str, open_: Opener) -> Iterator[Piece]:
        """The pieces of a member, one level deeper."""
        return self.read(replace(self, name=name, open=open_, depth=self.depth + 1))


class _View(io.RawIOBase):
    """A reader over a shared file with a position of its own; closing it leaves the file open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset += self._file.seek(0, io.SEEK_END)
        elif whence == io.SEEK_CUR:
            offset += self._at
        if offset < 0:
            raise OSError("seek before the beginning")
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._at)
        raw = self._file.read(len(buffer))
        buffer[: len(raw)] = raw
        self._at += len(raw)
        return len(raw)


def spooled(source: BinaryIO, limit: int, charge: Callable[[int], None] = lambda size: None) -> tuple[IO[bytes], int]:
    """A copy of a stream that can be read again and its size; `charge` is told of every piece.

    Raises UnreadableError past `limit` bytes.
    """
    copy = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    size = 0
    try:
        while raw := source.read(COPY):
            size += len(raw)
            if size > limit:
                raise UnreadableError(f"larger than {limit >> 20} MiB")
            charge(len(raw))
            copy.write(raw)
    except BaseException:
        copy.close()
        raise
    return copy, size


def view(copy: IO[bytes]) -> BinaryIO:
    """A new reader from the beginning of a copy."""
    return cast(BinaryIO, io.BufferedReader(_View(copy)))


def seekable(open_: Opener, limit: int = MAX_FILE) -> BinaryIO:
    """The open file, copied if it cannot seek. Raises UnreadableError for one larger than `limit` bytes."""
    f = open_()
    try:
        if f.seekable():
            if f.seek(0, io.SEEK_END) > limit:
                raise UnreadableError(f"larger than {limit >> 20} MiB")
            f.seek(0)
            return f
        with f:
            copy, _ = spooled(f, limit)
    except BaseException:
        f.close()
        raise
    copy.seek(0)
    return cast(BinaryIO, copy)


def pieces_of(
    texts: Iterable[str], limit: int, position: str = "", meta: dict[str, Any] | None = None
) -> Iterator[Piece]:
    """Pieces of one document: `position` alone if one is enough, else `position.0`, `position.1`, ..."""
    parts = split(texts, limit)
    first, second = next(parts, ""), next(parts, None)
    if second is None:
        yield Piece(position or "0", first, meta=meta or {})
        return
    prefix = f"{position}." if position else ""
    yield Piece(f"{prefix}0", first, meta=dict(meta or {}))
    yield Piece(f"{prefix}1", second, meta=dict(meta or {}))
    for i, text in enumerate(parts, 2):
        yield Piece(f"{prefix}{i}", text, meta=dict(meta or {}))


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
