"""Which encoding a file is in: strict decoding first, then how Chinese the outcome looks.

UTF-8 with or without BOM, UTF-16 and UTF-32 with BOM, GB18030 (so GBK and GB2312), Big5 (cp950, then HKSCS). Every
decision is made on the whole file, in bounded memory: a file is never half read in one encoding.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from functools import cache
from typing import BinaryIO

from firesteel.data.han import COMMON, is_han

CHUNK = 1 << 20  # bytes read at a time
SAMPLE = 1 << 16  # characters that are enough to judge how Chinese a decoding looks
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
# Candidates for bytes that are not UTF-8, and the bytes of the "frequently used" level of each standard.
LEVEL_ONE = {"gb18030": "gb2312", "cp950": "big5", "big5hkscs": "big5"}
LOOKS_CHINESE = 0.25  # measured: right tables score 0.5-0.9, wrong ones below 0.15

Opener = Callable[[], BinaryIO]


class UndecodableError(Exception):
    """The bytes are no text that we know; the message says why."""


class BinaryFileError(UndecodableError):
    """The bytes hold a NUL: no encoding of ours will do."""


def detect(open_: Opener) -> str:
    """The codec of a file. Raises UndecodableError."""
    with open_() as f:
        head = f.read(4)
    for bom, codec in BOMS:
        if head.startswith(bom):
            _sample(open_, codec)
            return codec
    try:
        _sample(open_, "utf-8")
        return "utf-8"
    except BinaryFileError:
        raise
    except UndecodableError as e:
        reason = str(e)
    scores = {codec: score for codec in LEVEL_ONE if (score := _score(open_, codec)) is not None}
    best = max(scores, key=lambda codec: scores[codec], default=None)
    if best is None or scores[best] < LOOKS_CHINESE:
        raise UndecodableError(reason + "; not GB18030 or Big5 either")
    return best


def text_chunks(open_: Opener, codec: str) -> Iterator[str]:
    """The file's text in pieces of about 1 MiB. Raises UndecodableError at the first byte that does not fit."""
    decoder = codecs.getincrementaldecoder(codec)(errors="strict")
    with open_() as f:
        done = 0
        while True:
            raw = f.read(CHUNK)
            if b"\0" in raw and not codec.startswith(("utf-16", "utf-32")):
                raise BinaryFileError(f"NUL at byte {done + raw.index(0)}: a binary file")
            pending = len(decoder.getstate()[0])  # bytes of a character that the last piece cut in two
            try:
                yield decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as e:
                raise UndecodableError(f"not {codec} at byte {done - pending + e.start}: {e.reason}") from e
            if not raw:
                return
            done += len(raw)


def decode_bytes(raw: bytes) -> str:
    """Text of a short piece of bytes, such as one line. Raises UndecodableError."""
    return "".join(text_chunks(lambda: io.BytesIO(raw), detect(lambda: io.BytesIO(raw))))


def _sample(open_: Opener, codec: str) -> str:
    """The first characters, after the whole file has proved to decode."""
    kept, size = [], 0
    for text in text_chunks(open_, codec):
        if size < SAMPLE:
            kept.append(text[: SAMPLE - size])
            size += len(kept[-1])
    return "".join(kept)


def _score(open_: Opener, codec: str) -> float | None:
    """Mean weight of the non-ASCII characters: common Han 1, Han of the standard's first level 0.4, CJK marks 0.4."""
    try:
        foreign = [c for c in _sample(open_, codec) if c > "\x7f"]
    except UndecodableError:
        return None
    level = _level_one(LEVEL_ONE[codec])
    weights = (
        1.0 if c in COMMON else 0.4 if c in level or c in "，。、；：？！“”‘’（）《》「」『』…—　" else 0.0
        for c in foreign
    )
    return sum(weights) / max(1, len(foreign))


@cache
def _level_one(standard: str) -> frozenset[str]:
    """Frequently used characters as GB 2312 (rows 16-55) and Big5 (A440-C67E) define them."""
    leads, trails = {
        "gb2312": (range(0xB0, 0xD8), range(0xA1, 0xFF)),
        "big5": (range(0xA4, 0xC7), [*range(0x40, 0x7F), *range(0xA1, 0xFF)]),
    }[standard]
    text = b"".join(bytes((lead, trail)) for lead in leads for trail in trails).decode(standard, errors="ignore")
    return frozenset(filter(is_han, text))
