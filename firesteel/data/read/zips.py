"""Zip files with hostile ones in mind: sizes declared and real, ratios, encryption, names in old encodings, XML parts."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from firesteel.data.read.decode import UndecodableError, decode_bytes
from firesteel.data.read.piece import MAX_EXPANDED, RATIO, RATIO_FROM, Budget, UnreadableError

MAX_MEMBERS = 200_000
MAX_PART = 64 << 20  # bytes of one XML part, which is parsed as a whole
UTF8_FLAG, ENCRYPTED_FLAG = 0x800, 0x1
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError)


def open_zip(f: BinaryIO) -> zipfile.ZipFile:
    """A zip file. Raises UnreadableError if it is none, or declares more than we ever expand."""
    try:
        z = zipfile.ZipFile(f)
    except BROKEN_ZIP as e:
        raise UnreadableError(f"a damaged zip file: {e}") from e
    if len(z.filelist) > MAX_MEMBERS:
        raise UnreadableError(f"has more than {MAX_MEMBERS} members")
    if sum(info.file_size for info in z.filelist) > MAX_EXPANDED:
        raise UnreadableError(f"declares more than {MAX_EXPANDED >> 30} GiB of content")
    return z


def checked_zip(f: BinaryIO, budget: Budget) -> zipfile.ZipFile:
    """A zip file that a library will read whole. Raises UnreadableError where any member is a bomb or encrypted."""
    z = open_zip(f)
    for info in z.filelist:
        if problem := member_problem(info):
            raise UnreadableError(f"{info.filename[:80]} {problem}")
        budget.take(info.file_size)
    return z


def member_problem(info: zipfile.ZipInfo) -> str:
    """Why a member is not read, by what it declares; `` if it may be."""
    if info.flag_bits & ENCRYPTED_FLAG:
        return "is protected by a password"
    if info.file_size > RATIO_FROM and info.file_size > RATIO * info.compress_size:
        return f"expands to more than {RATIO} times its size"
    return ""


def member_names(z: zipfile.ZipFile) -> list[str]:
    """Names in the order of the members: those without the UTF-8 flag are in some encoding, mostly that of the system."""
    old = {i: info.orig_filename for i, info in enumerate(z.filelist) if not info.flag_bits & UTF8_FLAG}
    names = [info.filename for info in z.filelist]
    raw = {i: name.encode("cp437", "replace") for i, name in old.items() if not name.isascii()}
    if not raw:
        return names
    try:
        decoded = decode_bytes(b"\n".join(raw.values())).split("\n")  # together they say more than each alone
    except UndecodableError:
        decoded = []
    if len(decoded) != len(raw):
        decoded = [value.decode("gb18030", "replace") for value in raw.values()]
    for i, name in zip(raw, decoded, strict=True):
        names[i] = name
    return names


def read_part(z: zipfile.ZipFile, name: str, budget: Budget, limit: int = MAX_PART) -> bytes:
    """A member's bytes, at most `limit`. Raises UnreadableError: missing, encrypted, a bomb, damaged."""
    try:
        info = z.getinfo(name)
    except KeyError:
        raise UnreadableError(f"has no {name[:80]}") from None
    if problem := member_problem(info):
        raise UnreadableError(f"{name[:80]} {problem}")
    try:
        with z.open(info) as f:
            raw = f.read(limit + 1)
    except BROKEN_ZIP as e:
        raise UnreadableError(f"{name[:80]} is damaged: {e}") from e
    if len(raw) > limit:
        raise UnreadableError(f"{name[:80]} is larger than {limit >> 20} MiB")
    budget.take(len(raw))
    return raw


def xml_of(raw: bytes, what: str) -> Any:
    """The root element of an XML part; entities stay unexpanded. Raises UnreadableError."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.LxmlError, ValueError) as e:
        raise UnreadableError(f"{what[:80]} is damaged: {str(e)[:200]}") from e
    if root is None:
        raise UnreadableError(f"{what[:80]} is empty")
    return root


def local(element: Any) -> str:
    """An element's name without its namespace: there are two dialects of every office format."""
    tag = element.tag
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str:
    """An attribute's value by its name without namespace, or ``."""
    return next((value for key, value in element.attrib.items() if key.rsplit("}", 1)[-1] == name), "")


def children(element: Any, *names: str) -> Iterator[Any]:
    """The direct children with one of these local names."""
    return (child for child in element if local(child) in names)
