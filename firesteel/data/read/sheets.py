"""Spreadsheets (.xlsx, .xls, .ods), read by a library in a process of its own: see sheet_child.py."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from firesteel.data.read import sheet_child
from firesteel.data.read.content import ole_problem
from firesteel.data.read.piece import MAX_FILE, Piece, Task, UnreadableError, seekable
from firesteel.data.read.tables import table_pieces
from firesteel.data.read.zips import checked_zip

MAX_LINE = 256 << 20  # bytes of one line of the child's output


def read_sheets(task: Task) -> Iterator[Piece]:
    """Every sheet of a workbook as a table, its name in `meta`."""
    with seekable(task.open) as f, tempfile.TemporaryFile() as file:
        if f.read(4) == b"PK\x03\x04":
            f.seek(0)
            checked_zip(f, task.budget).close()
        elif problem := ole_problem(task.open):
            raise UnreadableError(problem)
        f.seek(0)
        while raw := f.read(1 << 20):
            file.write(raw)
        file.seek(0)
        yield from _sheets(file, task.limit)


def _sheets(file: IO[bytes], limit: int) -> Iterator[Piece]:
    command = [sys.executable, "-P", str(Path(sheet_child.__file__))]  # -P: our html.py is not the library's
    with subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            assert child.stdout is not None
            lines = _Lines(child.stdout)
            for i, name in enumerate(lines.sheets()):
                yield from table_pieces(lines.rows(), limit, str(i), {"sheet": name})
        finally:
            child.kill()


class _Lines:
    """What the child says, one line ahead."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._next: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        raw = self._stream.readline(MAX_LINE)
        if not raw.endswith(b"\n"):
            raise UnreadableError(
                f"a damaged workbook, or one that needs more than {sheet_child.MAX_MEMORY >> 30} GiB of memory "
                f"or {sheet_child.MAX_SECONDS} s"
            )
        said: dict[str, Any] = json.loads(raw)
        if "error" in said:
            password = "password" in said["error"].lower()
            raise UnreadableError("protected by a password" if password else f"no workbook: {said['error']}")
        return said

    def sheets(self) -> Iterator[str]:
        while "end" not in self._next:
            if "sheet" in self._next:
                name = self._next["sheet"]
                self._next = self._read()
                yield name
            else:
                self._next = self._read()

    def rows(self) -> Iterator[list[Any]]:
        while "rows" in self._next:
            yield from self._next["rows"]
            self._next = self._read()


assert MAX_FILE <= sheet_child.MAX_MEMORY // 4
