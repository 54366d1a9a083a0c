"""Which encoding a file is in: strict decoding first, then how much the outcome looks like a language.

UTF-8, UTF-16 and UTF-32 with BOM; without one UTF-8, GB18030 (so GBK and GB2312), Big5 (cp950, then HKSCS), UTF-16,
Shift JIS, Korean (cp949) and western text (cp1252). Every decision is made on the whole file, in bounded memory: a
file is never half read in one encoding. A file with a few stray bytes is read with U+FFFD in their place.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from firesteel.data.read.plausible import GOOD_ENOUGH, GOOD_ENOUGH_WIDE, SURE, looks_utf16, score

CHUNK = 1 << 20  # bytes read at a time
SAMPLE = 1 << 16  # characters that are enough to judge a decoding by
STRAY = 1e-3  # share of bytes that may be bad, in a file that is good otherwise
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
WIDE = ("utf-16-le", "utf-16-be")
MULTIBYTE = ("gb18030", "cp950", "big5hkscs", "shift_jis", "cp949")  # in order of preference between equals
DAMAGED = ("gb18030", "cp950")  # read with U+FFFD in place of stray bytes, as UTF-8 is
FOREIGN = re.compile(r".?[^\x00-\x7f]+.?", re.DOTALL)  # with the neighbours that tell a word from a stray letter
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")

Opener = Callable[[], BinaryIO]


class Encoding(NamedTuple):
    """A codec, and what becomes of bytes that do not fit: `strict`, or `replace` in files with a few stray bytes."""

    codec: str
    errors: str = "strict"


class UndecodableError(Exception):
    """The bytes are no text that we know; the message says why."""


class BinaryFileError(UndecodableError):
    """The bytes hold a NUL: no encoding of ours will do."""


class _Survey(NamedTuple):
    """One pass over a file in one encoding."""

    sample: str  # the first characters, or the first that are not ASCII with their neighbours
    size: int  # characters
    foreign: int  # characters that are not ASCII
    bad: int  # bytes replaced
    tail: int  # of them at the very end
    control: bool  # whether there are control characters, which text does not hold


def detect(open_: Opener) -> Encoding:
    """The encoding of a file. Raises UndecodableError."""
    with open_() as f:
        head = f.read(4)
    for bom, codec in BOMS:
        if head.startswith(bom):
            return _with_bom(open_, codec)
    try:
        utf8 = _survey(open_, "utf-8")
    except BinaryFileError:
        wide = _wide(open_)
        if wide is None:
            raise
        return wide[1]
    except UndecodableError as e:
        return _not_utf8(open_, str(e))
    rival = _two_bytes_each(open_, utf8)
    if rival is None and utf8.control:
        wide = _wide(open_)
        rival = wide[1] if wide and wide[0] >= SURE else None
    return rival or Encoding("utf-8")


def text_chunks(open_: Opener, codec: str, errors: str = "strict") -> Iterator[str]:
    """The file's text in pieces of about 1 MiB. Raises UndecodableError at the first byte that does not fit."""
    decoder = codecs.getincrementaldecoder(codec)(errors=errors)
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
    if b"\0" not in raw and raw.isascii():
        return raw.decode("ascii")
    return "".join(text_chunks(lambda: io.BytesIO(raw), *detect(lambda: io.BytesIO(raw))))


def _with_bom(open_: Opener, codec: str) -> Encoding:
    try:
        _survey(open_, codec)
        return Encoding(codec)
    except BinaryFileError:
        raise
    except UndecodableError:
        lenient = _survey(open_, codec, "replace", everything=True)
        if _few(lenient) and looks_utf16(lenient.sample) >= GOOD_ENOUGH_WIDE:
            return Encoding(codec, "replace")
        raise


def _wide(open_: Opener) -> tuple[float, Encoding] | None:
    """UTF-16 without a BOM, by what the characters look like: NULs tell only where there is Latin text."""
    good = []
    for codec in WIDE:
        try:
            found = _survey(open_, codec, "replace", everything=True)
        except UndecodableError:
            continue
        value = looks_utf16(found.sample)
        if value >= GOOD_ENOUGH_WIDE and _few(found):
            good.append((value, Encoding(codec, "replace" if found.bad else "strict")))
    return max(good, default=None)


def _not_utf8(open_: Opener, reason: str) -> Encoding:
    """What bytes are that are not strictly UTF-8."""
    utf8 = _survey(open_, "utf-8", "replace")
    if _few(utf8) and utf8.foreign - utf8.bad >= max(2, 10 * (utf8.bad - utf8.tail)):
        return Encoding("utf-8", "replace")
    scores = _scores(open_, MULTIBYTE)
    best = max(scores, key=lambda codec: scores[codec], default="")
    wide = _wide(open_)
    if wide and wide[0] >= max(SURE, scores.get(best, 0.0)):
        return wide[1]
    if scores.get(best, 0.0) >= GOOD_ENOUGH:
        return Encoding(best)
    if _scores(open_, ("cp1252",)).get("cp1252", 0.0) >= GOOD_ENOUGH:
        return Encoding("cp1252")
    for codec in DAMAGED:
        found = _survey(open_, codec, "replace")
        if _few(found) and score(codec, found.sample.replace("\ufffd", "")) >= GOOD_ENOUGH:
            return Encoding(codec, "replace")
    if wide:
        return wide[1]
    raise UndecodableError(reason + "; not GB18030 or Big5 either")


def _two_bytes_each(open_: Opener, utf8: _Survey) -> Encoding | None:
    """GB18030 that happens to be valid UTF-8: only pairs of bytes, and only in a few characters."""
    if not 0 < utf8.foreign <= 32 or any(c > "\u07ff" for c in utf8.sample):
        return None
    return Encoding("gb18030") if _scores(open_, ("gb18030",)).get("gb18030", 0.0) >= SURE else None


def _few(found: _Survey) -> bool:
    return found.bad <= STRAY * found.size or (found.tail == found.bad <= 2 < found.foreign)


def _scores(open_: Opener, names: tuple[str, ...]) -> dict[str, float]:
    out = {}
    for codec in names:
        try:
            out[codec] = score(codec, _survey(open_, codec).sample)
        except UndecodableError:
            continue
    return out


def _survey(open_: Opener, codec: str, errors: str = "strict", everything: bool = False) -> _Survey:
    """A pass over the whole file. Raises UndecodableError where `errors` is strict and the file is not."""
    kept: list[str] = []
    size = sampled = foreign = bad = tail = 0
    control = False
    for text in text_chunks(open_, codec, errors):
        size += len(text)
        if sampled < SAMPLE and (everything or not text.isascii()):
            part = text if everything else "".join(FOREIGN.findall(text))
            kept.append(part[: SAMPLE - sampled])
            sampled += len(kept[-1])
        control = control or CONTROL.search(text) is not None
        foreign += len(text) - len(text.encode("ascii", "ignore"))
        if errors == "replace" and text:
            bad += text.count("\ufffd")
            end = len(text) - len(text.rstrip("\ufffd"))
            tail = end + (tail if end == len(text) else 0)
    return _Survey("".join(kept), size, foreign, bad, tail, control)
