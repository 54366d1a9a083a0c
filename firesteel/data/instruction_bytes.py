"""The bytes of a file of instruction data as UTF-8, whatever encoding they come in."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from firesteel.data.read.decode import UndecodableError, detect

PIECE = 1 << 20  # bytes read at a time, and those by which the encoding is told
TELLING = 8  # bytes outside ASCII: a line of so many that fits UTF-8 is UTF-8


def utf8_pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The stream in pieces of UTF-8, never b"". Raises UnicodeError where a file stops being in its encoding.

    What is UTF-8 with faults is given out as it is, for the faults have lines to be told with.
    """
    piece = stream.read(PIECE)
    codec = _codec(piece)
    decoder = codecs.getincrementaldecoder(codec)() if codec else None
    while piece:
        if text := decoder.decode(piece).encode() if decoder else piece:
            yield text
        piece = stream.read(PIECE)
    if decoder and (text := decoder.decode(b"", True).encode()):
        yield text


def _codec(head: bytes) -> str:
    """The encoding that is not UTF-8; "" for UTF-8 and for what no encoding fits."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
        if b"\0" not in head:
            return ""
    except UnicodeDecodeError:
        if any(_is_utf8(line) for line in head.split(b"\n")):
            return ""
    end = (head.rfind(b'"') + 1) & ~1  # no encoding has a quote within a character, and UTF-16 has even places
    try:
        codec = detect(lambda: io.BytesIO(head[:end])).codec
    except UndecodableError:
        return ""
    return "" if codec.startswith("utf-8") else codec


def _is_utf8(line: bytes) -> bool:
    try:
        return len(line) - len(line.decode("utf-8").encode("ascii", "ignore")) >= TELLING
    except UnicodeDecodeError:
        return False
