"""What a file is by its first bytes, whatever it is called."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import zstandard

from firesteel.data.read.decode import Opener
from firesteel.data.read.piece import RATIO, RATIO_FROM, UnreadableError

HEAD = 4096  # bytes that are looked at
MAX_WINDOW = 1 << 27  # bytes of memory a zstd or xz file may ask for (zstd's own default limit)
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"), (b"PAR1", "parquet"), (b"%PDF-", "pdf"),
    (b"{\\rtf", "an RTF file"), (b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x89PNG\r\n", "an image"), (b"\xff\xd8\xff", "an image"), (b"GIF8", "an image"), (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
)  # fmt: skip
ZIPPED = (  # what a zip file is, by a member that it has
    ("word/document.xml", "docx"), ("ppt/presentation.xml", "pptx"), ("xl/workbook.xml", "sheet"),
    ("xl/workbook.bin", "sheet"), ("META-INF/container.xml", "epub"),
)  # fmt: skip
ODS = b"application/vnd.oasis.opendocument.spreadsheet"
HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,200}(?:<\?xml[^>]{0,200}>\s{0,200})?(?:<!--.{0,500}?-->\s{0,200})?<(?:!doctype\s+html|html[\s>])",
    re.I | re.S,
)


def kind_of(open_: Opener) -> str:
    """What the bytes are: a kind of ours, some other kind in words, or `` where they do not say."""
    with open_() as f:
        head = f.read(HEAD)
    for signature, kind in SIGNATURES:
        if head.startswith(signature):
            return _zip_kind(open_) if kind == "zip" else kind
    if re.match(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", head):
        return "bzip2"
    if head[257:262] == b"ustar":
        return "tar"
    if b"%PDF-" in head[:1024] and b"\0" not in head[: head.index(b"%PDF-")]:
        return "pdf"
    return "html" if HTML.match(head) else ""


def _zip_kind(open_: Opener) -> str:
    try:
        with open_() as f:
            if not f.seekable():
                return "zip"
            with zipfile.ZipFile(f) as z:
                names = set(z.namelist()) if len(z.filelist) < 100_000 else set()
                for member, kind in ZIPPED:
                    if member in names:
                        return kind
                if "mimetype" in names and z.getinfo("mimetype").file_size < 200 and z.read("mimetype").strip() == ODS:
                    return "sheet"
    except Exception:  # the reader of zips will say what is wrong with it
        return "zip"
    return "zip"


class _Guard(io.RawIOBase):
    """A decompressed stream that stops at a ratio no text has."""

    def __init__(self, stream: Any, source: BinaryIO) -> None:
        self._stream, self._source, self._out = stream, source, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raw = self._stream.read(len(buffer))
        self._out += len(raw)
        if self._out > RATIO_FROM and self._out > RATIO * max(1, self._source.tell()):
            raise UnreadableError(f"expands to more than {RATIO} times its size")
        buffer[: len(raw)] = raw
        return len(raw)

    def close(self) -> None:
        if not self.closed:
            try:
                self._stream.close()
            finally:
                self._source.close()
        super().close()


def _zstd(source: BinaryIO) -> Any:
    return zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(source, read_across_frames=True)


class _Xz:
    """The standard library's LZMAFile with a bound on the memory that a file may ask for."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._decoder = source, lzma.LZMADecompressor(memlimit=MAX_WINDOW)

    def read(self, size: int) -> bytes:
        while True:
            if self._decoder.eof:  # files may hold several streams, one after the other
                rest = (self._decoder.unused_data or self._source.read(1 << 16)).lstrip(b"\0")
                if not rest:
                    return b""
                self._decoder = lzma.LZMADecompressor(memlimit=MAX_WINDOW)
            elif self._decoder.needs_input:
                rest = self._source.read(1 << 16)
                if not rest:
                    raise EOFError("compressed file ended before its end mark")
            else:
                rest = b""
            if out := self._decoder.decompress(rest, max_length=size):
                return out

    def close(self) -> None:
        pass


COMPRESSIONS: dict[str, Callable[[BinaryIO], Any]] = {
    "gzip": lambda source: gzip.GzipFile(fileobj=source, mode="rb"),
    "zstd": _zstd,
    "bzip2": lambda source: bz2.BZ2File(source),
    "xz": _Xz,
}
SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}


def decompressed(open_: Opener, kind: str) -> Opener:
    """An opener of what a compressed file holds; bounded in memory, and in how far it expands."""

    def opened() -> BinaryIO:
        source = open_()
        try:
            return cast(BinaryIO, io.BufferedReader(_Guard(COMPRESSIONS[kind](source), source), 1 << 16))
        except BaseException:
            source.close()
            raise

    return opened


def ole_problem(open_: Opener) -> str:
    """Why an OLE file is none of ours, or `` for an old spreadsheet."""
    with open_() as f:
        raw = f.read(1 << 20)
        if f.seekable():
            size = f.seek(0, io.SEEK_END)
            f.seek(max(0, size - (1 << 20)))
            raw += f.read(1 << 20)
    names = {name: name.encode("utf-16-le") in raw for name in ("EncryptedPackage", "Workbook", "Book", "WordDocument")}
    if names["EncryptedPackage"]:
        return "protected by a password"
    if names["WordDocument"]:
        return "an old binary Word document: save it as .docx"
    return "" if names["Workbook"] or names["Book"] else "an old binary Office file: save it in a current format"
