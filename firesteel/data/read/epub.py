"""Books (.epub): chapters in reading order, each a document. Books with DRM are refused."""

from __future__ import annotations

import posixpath
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from firesteel.data.read.decode import UndecodableError
from firesteel.data.read.html import decode_page, page_text
from firesteel.data.read.piece import Piece, Task, UnreadableError, pieces_of, seekable
from firesteel.data.read.zips import attribute, local, open_zip, read_part, xml_of

CONTAINER, RIGHTS = "META-INF/container.xml", "META-INF/encryption.xml"


def read_epub(task: Task) -> Iterator[Piece]:
    """The chapters of a book in the order of its spine, title and language of the book in `meta`."""
    with seekable(task.open) as f, open_zip(f) as z:
        container = xml_of(read_part(z, CONTAINER, task.budget), CONTAINER)
        package = next((attribute(e, "full-path") for e in container.iter() if local(e) == "rootfile"), "")
        book = xml_of(read_part(z, package, task.budget), package)
        meta, locked = _facts(book), _encrypted(z, task)
        empty = True
        seen: dict[str, int] = {}
        for i, path in enumerate(_spine(book, posixpath.dirname(package))):
            seen[path] = seen.get(path, 0) + 1
            inner = path if seen[path] == 1 else f"{path}#{seen[path]}"
            for piece in _chapter(z, path, task, dict(meta), path in locked):
                empty = False
                yield replace(piece, position=f"{i}.{piece.position}", inner=inner)
        if empty:
            raise UnreadableError("a book without text")


def _chapter(z: zipfile.ZipFile, path: str, task: Task, meta: dict[str, Any], locked: bool) -> Iterator[Piece]:
    if locked:
        yield Piece("0", "", error="encrypted (DRM)")
        return
    try:
        text, title = page_text(decode_page(read_part(z, path, task.budget)), main=False)
    except (UnreadableError, UndecodableError) as e:
        yield Piece("0", "", error=str(e))
        return
    if text.strip():
        yield from pieces_of([text], task.limit, meta=meta | ({"chapter": title} if title else {}))


def _spine(book: Any, folder: str) -> Iterator[str]:
    """Paths of the chapters inside the zip."""
    items = {attribute(e, "id"): e for e in book.iter() if local(e) == "item"}
    for reference in (e for e in book.iter() if local(e) == "itemref"):
        item = items.get(attribute(reference, "idref"))
        if item is not None and "html" in attribute(item, "media-type"):
            href = urllib.parse.unquote(attribute(item, "href").split("#")[0])
            yield posixpath.normpath(posixpath.join(folder, href))


def _facts(book: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for element in book.iter():
        name = {"title": "title", "language": "lang", "creator": "author"}.get(local(element))
        if name and name not in out and (element.text or "").strip():
            out[name] = " ".join(element.text.split())
    return out


def _encrypted(z: zipfile.ZipFile, task: Task) -> set[str]:
    """Paths of members that are encrypted; fonts often are, which does no harm."""
    if RIGHTS not in z.namelist():
        return set()
    rights = xml_of(read_part(z, RIGHTS, task.budget), RIGHTS)
    return {urllib.parse.unquote(attribute(e, "URI")) for e in rights.iter() if local(e) == "CipherReference"}
