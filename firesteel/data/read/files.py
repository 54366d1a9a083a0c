"""Finding files: folders, single files and fsspec URLs become named openers, in a stable order."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from firesteel.core.errors import SourceError


@dataclass(frozen=True)
class File:
    """A file that can be opened again and again; `name` is relative to its source."""

    name: str
    open: Callable[[], BinaryIO]


def find_files(source: str) -> list[File]:
    """The files of a folder, a file or a URL, sorted by name. Raises SourceError for what does not exist."""
    return _remote(source) if "://" in source else _local(Path(source).expanduser())


def _local(path: Path) -> list[File]:
    try:
        mode = path.stat().st_mode
    except OSError as e:
        hint = "check data.sources: paths are taken relative to the recipe's folder"
        raise SourceError("no such file or folder", value=path, why=e.strerror or str(e), hint=hint) from e
    if stat.S_ISREG(mode):
        return [File(path.name, _opener(path))]
    if not stat.S_ISDIR(mode):
        raise SourceError("not a regular file or folder", value=path, why="devices, pipes and sockets are not read")
    return [File(file.relative_to(path).as_posix(), _opener(file)) for file in _walk(path)]


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def _walk(root: Path) -> Iterator[Path]:
    """Regular files below `root`, without hidden names and devices; follows links, but enters no folder twice."""
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            facts = folder.stat()
            entries = sorted(folder.iterdir())
        except OSError as e:
            raise SourceError("a folder cannot be read", value=folder, why=e.strerror or str(e)) from e
        if (facts.st_dev, facts.st_ino) in seen:
            continue
        seen.add((facts.st_dev, facts.st_ino))
        inner = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                inner.append(entry)
            elif entry.is_file():  # false for devices, pipes, broken links
                yield entry
        waiting += reversed(inner)


def _remote(url: str) -> list[File]:
    import fsspec  # only recipes that name a URL need it

    try:
        fs, root = fsspec.core.url_to_fs(url)
        names = sorted(fs.find(root)) if fs.isdir(root) else [root] if fs.exists(root) else []
    except (ImportError, ValueError, OSError) as e:
        hint = "https:// needs the package aiohttp, s3:// needs s3fs, gs:// needs gcsfs; see fsspec's list"
        raise SourceError("the URL cannot be read", value=url, why=str(e), hint=hint) from e
    if not names:
        raise SourceError("nothing at this URL", value=url)
    prefix = root.rstrip("/") + "/"
    return [
        File(name.removeprefix(prefix) if name != root else name.rsplit("/", 1)[-1], _remote_opener(fs, name))
        for name in names
    ]


def _remote_opener(fs: Any, name: str) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, fs.open(name, "rb"))
