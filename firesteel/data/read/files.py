"""Finding files: folders, single files and fsspec URLs become named addresses, in a stable order."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from firesteel.core.errors import SourceError


@dataclass(frozen=True)
class File:
    """A file that can be opened again and again, here or in another process."""

    name: str  # relative to its source
    address: str  # a path, or a URL
    size: int  # bytes; 0 if the store does not say

    def open(self) -> BinaryIO:
        """Open it for reading. Raises OSError."""
        if "://" not in self.address:
            return Path(self.address).open("rb")
        import fsspec

        return cast(BinaryIO, fsspec.open(self.address, "rb").open())


def find_files(source: str) -> list[File]:
    """The files of a folder, a file or a URL, sorted by name. Raises SourceError for what does not exist."""
    return _remote(source) if "://" in source else _local(Path(source).expanduser())


def _local(path: Path) -> list[File]:
    try:
        facts = path.stat()
    except OSError as e:
        hint = "check data.sources: paths are taken relative to the recipe's folder"
        raise SourceError("no such file or folder", value=path, why=e.strerror or str(e), hint=hint) from e
    if stat.S_ISREG(facts.st_mode):
        return [File(path.name, str(path), facts.st_size)]
    if not stat.S_ISDIR(facts.st_mode):
        raise SourceError("not a regular file or folder", value=path, why="devices, pipes and sockets are not read")
    return [File(file.relative_to(path).as_posix(), str(file), file.stat().st_size) for file in _walk(path)]


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
        if fs.isdir(root):
            found = sorted(fs.find(root, detail=True).items())
        else:
            found = [(root, fs.info(root))] if fs.exists(root) else []
    except (ImportError, ValueError, OSError) as e:
        hint = "https:// needs the package aiohttp, s3:// needs s3fs, gs:// needs gcsfs; see fsspec's list"
        raise SourceError("the URL cannot be read", value=url, why=str(e), hint=hint) from e
    if not found:
        raise SourceError("nothing at this URL", value=url)
    prefix = root.rstrip("/") + "/"
    return [
        File(
            path.removeprefix(prefix) if path != root else path.rsplit("/", 1)[-1],
            url if path == root else fs.unstrip_protocol(path), int(facts.get("size") or 0),
        )
        for path, facts in found
    ]  # fmt: skip
