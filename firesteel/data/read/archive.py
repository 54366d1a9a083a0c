"""Archives: every member is read as a file outside would be, by its name, in bounded memory and space.

Members are copied one at a time to a nameless temporary file; no path of an archive is ever used as one of ours.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from firesteel.data.read.decode import UndecodableError, decode_bytes
from firesteel.data.read.piece import MAX_DEPTH, MAX_EXPANDED, Piece, Task, UnreadableError, seekable, spooled, view
from firesteel.data.read.zips import BROKEN_ZIP, MAX_MEMBERS, member_names, member_problem, open_zip

MAX_HEADER = 1 << 20  # bytes of a name or an attribute in a tar file
Known = Callable[[str], bool]


def read_zip(task: Task, known: Known) -> Iterator[Piece]:
    """The members of a zip file whose suffix is `known`. Raises UnreadableError."""
    _check_depth(task)
    with seekable(task.open, MAX_EXPANDED) as f, open_zip(f) as z:
        names = _Names(task, known)
        for info, name in zip(z.filelist, member_names(z), strict=True):
            if info.is_dir() or not (inner := names.wanted(name)):
                continue
            if problem := member_problem(info):
                yield Piece("error", "", error=problem, inner=inner)
            else:
                yield from _member(task, inner, partial(z.open, info))
        names.check()


class _TarInfo(tarfile.TarInfo):
    """A header that does not let a name be as long as the memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        long = self.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        long = long or self.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        if long and self.size > MAX_HEADER:
            raise tarfile.ReadError("a header is larger than 1 MiB")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


def read_tar(task: Task, known: Known) -> Iterator[Piece]:
    """The members of a tar file, read once from front to back, whose suffix is `known`. Raises UnreadableError."""
    _check_depth(task)
    names = _Names(task, known)
    try:
        with task.open() as f, tarfile.open(fileobj=f, mode="r|", tarinfo=_TarInfo, errors="surrogateescape") as t:
            for count, info in enumerate(t):
                t.members = []  # type: ignore[attr-defined]  # the library keeps all headers otherwise
                if count >= MAX_MEMBERS:
                    raise UnreadableError(f"has more than {MAX_MEMBERS} members")
                if info.isfile() and (inner := names.wanted(_readable(info.name))):
                    if info.size > task.budget.left:
                        task.budget.take(info.size)
                    yield from _member(task, inner, partial(t.extractfile, info))
    except tarfile.TarError as e:
        raise UnreadableError(f"a damaged tar file: {e}") from e
    names.check()


def _readable(name: str) -> str:
    """A name that is not UTF-8, decoded as well as can be."""
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return decode_bytes(raw)
    except UndecodableError:
        return raw.decode("utf-8", "replace")


def _check_depth(task: Task) -> None:
    if task.depth >= MAX_DEPTH:
        raise UnreadableError(f"archives inside each other to more than {MAX_DEPTH} levels")


def _member(task: Task, inner: str, open_: Callable[[], Any]) -> Iterator[Piece]:
    try:
        with open_() as source:
            copy, _ = spooled(source, MAX_EXPANDED, task.budget.take)
    except BROKEN_ZIP as e:
        yield Piece("error", "", error=f"damaged: {e}", inner=inner)
        return
    with copy:
        for piece in task.inside(inner, lambda: view(copy)):
            yield replace(piece, inner=f"{inner}/{piece.inner}" if piece.inner else inner)


class _Names:
    """Which members are read, under a name that is clean and the only one of its kind."""

    def __init__(self, task: Task, known: Known) -> None:
        self._task, self._known = task, known
        self._seen: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()

    def wanted(self, name: str) -> str:
        """The member's name for its source, or `` for one that is left: hidden, or of another kind."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
            return ""
        inner = "/".join(parts)
        if not self._known(inner):
            suffix = PurePosixPath(inner).suffix.lower() or "no suffix"
            self._skipped[suffix] += 1
            self._task.skipped[suffix] += 1
            return ""
        self._seen[inner] += 1
        return (
            inner
            if self._seen[inner] == 1
            else f"{inner.rpartition('.')[0]}#{self._seen[inner]}.{inner.rpartition('.')[2]}"
        )

    def check(self) -> None:
        """Raises UnreadableError if nothing in the archive was for us."""
        if not self._seen:
            kinds = ", ".join(f"{suffix} {n}" for suffix, n in self._skipped.most_common(8))
            raise UnreadableError(f"holds nothing to read (found only {kinds})" if kinds else "an empty archive")
