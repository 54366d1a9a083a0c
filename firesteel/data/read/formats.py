"""File formats: each suffix has a reader that turns an open file into pieces of text, in bounded memory.

A file whose first bytes clearly say something else than its suffix is read as what it is.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

import zstandard

from firesteel.data.read.archive import read_tar, read_zip
from firesteel.data.read.content import COMPRESSIONS, SUFFIXES, decompressed, kind_of, ole_problem
from firesteel.data.read.decode import Opener, UndecodableError, detect, text_chunks
from firesteel.data.read.epub import read_epub
from firesteel.data.read.html import read_html, read_mhtml
from firesteel.data.read.json_lines import read_json, read_jsonl, splittable
from firesteel.data.read.office import read_docx, read_pptx
from firesteel.data.read.pdf import read_pdf
from firesteel.data.read.piece import MAX_EXPANDED, Piece, Reader, Task, UnreadableError, split, spooled, view
from firesteel.data.read.sheets import read_sheets
from firesteel.data.read.tables import read_csv, read_parquet

__all__ = ["FORMATS", "Piece", "format_of", "read_file", "read_jsonl", "split", "splittable"]

MAX_REASON = 300  # characters of a reason that a library gives


def read_text(task: Task) -> Iterator[Piece]:
    """Plain text and Markdown: one piece, or several of at most `limit` characters."""
    for i, text in enumerate(split(text_chunks(task.open, *detect(task.open)), task.limit)):
        yield Piece(str(i), text)


def _known(name: str) -> bool:
    return format_of(name) is not None


def _zip(task: Task) -> Iterator[Piece]:
    return read_zip(task, _known)


def _tar(task: Task) -> Iterator[Piece]:
    return read_tar(task, _known)


def _jsonl(task: Task) -> Iterator[Piece]:
    return read_jsonl(task.open, task.limit)


def _json(task: Task) -> Iterator[Piece]:
    return read_json(task.open, task.limit)


FORMATS: dict[str, Reader] = {  # each of them also followed by .gz, .zst, .bz2 or .xz
    ".txt": read_text, ".md": read_text, ".markdown": read_text,
    ".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json,
    ".csv": read_csv, ".tsv": read_csv, ".parquet": read_parquet,
    ".html": read_html, ".htm": read_html, ".xhtml": read_html, ".mhtml": read_mhtml, ".mht": read_mhtml,
    ".pdf": read_pdf, ".epub": read_epub,
    ".docx": read_docx, ".pptx": read_pptx, ".xlsx": read_sheets, ".xlsm": read_sheets, ".xls": read_sheets, ".ods": read_sheets,
    ".zip": _zip, ".tar": _tar, ".tgz": _tar, ".tbz2": _tar, ".txz": _tar,
}  # fmt: skip
# What the first bytes say, where they say it clearly.
BY_CONTENT: dict[str, Reader] = {
    "docx": read_docx, "pptx": read_pptx, "sheet": read_sheets, "ole": read_sheets, "epub": read_epub, "pdf": read_pdf,
    "parquet": read_parquet, "zip": _zip, "tar": _tar, "html": read_html,
}  # fmt: skip
BINARY = (read_docx, read_pptx, read_sheets, read_epub, read_pdf, read_parquet, _zip)  # have first bytes of their own
WRITTEN = (read_mhtml, read_html, _json, _jsonl)  # an html head is nothing against these suffixes


def format_of(name: str) -> Reader | None:
    """The reader for a file name, or None."""
    return FORMATS.get(PurePosixPath(_plain(name)).suffix.lower())


def _plain(name: str) -> str:
    """The name without the suffix of a compression."""
    path = PurePosixPath(name)
    return path.name[: -len(path.suffix)] if path.suffix.lower() in SUFFIXES else path.name


def read_file(
    name: str, open_: Opener, limit: int, *, ocr: bool = False, skipped: Counter[str] | None = None
) -> Iterator[Piece]:
    """The pieces of a file whose suffix is known; what cannot be read is a piece with an error, never an exception.

    `skipped` counts the suffixes of members of archives that we do not read, as their kind is not `FORMATS`'.
    """
    assert format_of(name) is not None, name
    counter = Counter() if skipped is None else skipped
    yield from _read(Task(name, open_, limit, _read, ocr=ocr, skipped=counter))


def _read(task: Task) -> Iterator[Piece]:
    try:
        yield from _reader(task)
    except Exception as e:  # whatever a parser makes of a hostile file, it costs that file only
        yield Piece("error", "", error=_reason(e))


def _reason(error: Exception) -> str:
    """Why a file was not read, without paths of this machine."""
    if isinstance(error, UnreadableError | UndecodableError):
        return str(error)
    if isinstance(error, OSError | EOFError | zlib.error | zstandard.ZstdError):
        why = getattr(error, "strerror", None) or str(error) or "it ends too early"
        return f"cannot be read: {why[:MAX_REASON]}"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"damaged, or of a kind that we do not know: {type(error).__name__}: {str(error)[:MAX_REASON]}"


def _reader(task: Task) -> Iterator[Piece]:
    """The pieces by content first, by suffix otherwise."""
    kind = kind_of(task.open)
    for _ in range(2):  # a compressed file that a browser or a proxy compressed again
        if kind in COMPRESSIONS:
            task = replace(task, open=decompressed(task.open, kind))
            kind = kind_of(task.open)
    task = replace(task, name=_plain(task.name))
    if kind == "zip" and not _seekable(task.open):  # only one that can be read from its end says what it is
        with task.open() as f:
            copy, _ = spooled(f, MAX_EXPANDED)
        with copy:
            task = replace(task, open=lambda: view(copy))
            yield from _by_kind(task, kind_of(task.open))
    else:
        yield from _by_kind(task, kind)


def _seekable(open_: Opener) -> bool:
    with open_() as f:
        return f.seekable()


def _by_kind(task: Task, kind: str) -> Iterator[Piece]:
    by_name = format_of(task.name)
    assert by_name is not None, task.name
    by_content = BY_CONTENT.get(kind)
    if kind == "html" and by_name in WRITTEN:
        by_content = by_name
    if by_content is not None:
        if kind == "ole" and (problem := ole_problem(task.open)):
            raise UnreadableError(problem)
        return by_content(task)
    if kind:
        raise UnreadableError(f"holds {kind if kind not in COMPRESSIONS else 'compressed data again and again'}")
    if by_name in BINARY:
        return _plain_text(task, by_name)
    return by_name(task)


def _plain_text(task: Task, by_name: Reader) -> Iterator[Piece]:
    """A file that is not what its suffix says: many systems export text and call it .xls or .docx."""
    suffix = PurePosixPath(task.name).suffix.lower()
    with task.open() as f:
        empty = not f.read(1)
    if empty:
        raise UnreadableError("an empty file")
    try:
        detect(task.open)
    except UndecodableError as e:
        raise UnreadableError(f"is no {suffix} file, and no text either") from e
    if by_name is read_sheets:
        yield from read_csv(task)
    elif by_name in (read_docx, read_pptx):
        yield from read_text(task)
    else:
        raise UnreadableError(f"is no {suffix} file but text")
