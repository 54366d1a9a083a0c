"""JSON and JSON lines: records with a text and a few facts about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from firesteel.data.read.decode import Opener, UndecodableError, decode_bytes
from firesteel.data.read.piece import Piece, UnreadableError, split

MAX_LINE = 64 << 20  # bytes of one JSON line
MAX_JSON = 256 << 20  # bytes of one .json file, which must be read whole
TEXT_KEYS = ("text", "content", "raw_content", "正文", "内容", "文本")
META_KEYS = ("lang", "title", "url", "id", "date")
LICENCE_KEYS = ("licence", "license")
SPLITTABLE = (".jsonl", ".ndjson")


def splittable(name: str) -> bool:
    """Whether `read_jsonl` may read the file by ranges of bytes: uncompressed JSON lines."""
    return name.lower().endswith(SPLITTABLE)


def read_jsonl(open_: Opener, limit: int, start: int = 0, end: int | None = None) -> Iterator[Piece]:
    """One JSON record a line, of the lines that begin in the bytes [start, end); a line that is none is an error.

    Positions are the byte at which the line begins (in what comes out of the compression, if there is one), so that
    they do not depend on how a file is cut.
    """
    with open_() as f:
        for at, raw, whole in _lines(f, start, end):
            where = f"the line at byte {at}"
            if not whole:
                yield Piece(str(at), "", error=f"{where} is longer than {MAX_LINE} bytes")
            elif raw.strip():
                yield from _record(raw.removeprefix(b"\xef\xbb\xbf") if at == 0 else raw, str(at), where, limit)


def read_json(open_: Opener, limit: int) -> Iterator[Piece]:
    """A JSON file: one record, or a list of records or texts. Raises UnreadableError, UndecodableError."""
    with open_() as f:
        raw = f.read(MAX_JSON + 1)
    if len(raw) > MAX_JSON:
        raise UnreadableError(f"larger than {MAX_JSON >> 20} MiB: use .jsonl, one record a line")
    try:
        value = json.loads(decode_bytes(raw))
    except (ValueError, RecursionError) as e:
        raise UnreadableError(f"not JSON: {e}") from e
    for i, item in enumerate(value if isinstance(value, list) else [value]):
        yield from pieces_of_record(item, str(i), f"item {i + 1}", limit)


def _lines(f: BinaryIO, start: int, end: int | None) -> Iterator[tuple[int, bytes, bool]]:
    """Where a line begins, the line, and whether it is whole: of one over MAX_LINE only the news that it was there."""
    at = start
    if start:  # a line begins here only if the byte before ended one
        f.seek(start - 1)
        while (raw := f.readline(MAX_LINE)) and not raw.endswith(b"\n"):
            at += len(raw)
        at += len(raw) - 1
    while (end is None or at < end) and (raw := f.readline(MAX_LINE)):
        begin, length = at, len(raw)
        whole = raw.endswith(b"\n") or length < MAX_LINE
        rest = raw
        while not rest.endswith(b"\n") and len(rest) == MAX_LINE:
            rest = f.readline(MAX_LINE)
            length += len(rest)
        at += length
        yield begin, raw if whole else b"", whole


def _record(raw: bytes, position: str, where: str, limit: int) -> Iterator[Piece]:
    try:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = decode_bytes(raw)
        value = json.loads(text)
    except UndecodableError as e:
        yield Piece(position, "", error=f"{where}: {e}")
    except (ValueError, RecursionError) as e:
        yield Piece(position, "", error=f"{where} is not JSON: {e}")
    else:
        yield from pieces_of_record(value, position, where, limit)


def pieces_of_record(value: Any, position: str, where: str, limit: int) -> Iterator[Piece]:
    """The pieces of one JSON value: a text, or a record with one of TEXT_KEYS; `where` names it in the error."""
    if isinstance(value, str):
        value = {"text": value}
    key = next((k for k in TEXT_KEYS if isinstance(value, dict) and isinstance(value.get(k), str)), None)
    if key is None:
        yield Piece(position, "", error=f"{where} has no text field ({', '.join(TEXT_KEYS)})")
        return
    meta = dict(value["meta"]) if isinstance(value.get("meta"), dict) else {}
    meta |= {k: value[k] for k in META_KEYS if isinstance(value.get(k), str | int) and value[k] != ""}
    licence = next((value[k] for k in LICENCE_KEYS if isinstance(value.get(k), str)), "")
    pieces = list(split([value[key]], limit)) or [""]
    for i, text in enumerate(pieces):
        yield Piece(position if len(pieces) == 1 else f"{position}.{i}", _whole(text), _whole(licence), _clean(meta))


def _whole(text: str) -> str:
    """The text without lone surrogates, which JSON's escapes can spell and no file can hold."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, dict):
        return {_whole(k): _clean(v) for k, v in value.items()}
    return [_clean(v) for v in value] if isinstance(value, list) else value
