"""The child process that reads spreadsheets: standard input is the file, standard output lines of JSON.

The library takes the memory that a file asks for and ends the process when there is none: a sheet of two cells in
opposite corners asks for 550 GB. So it runs apart, with limits. This file is started by its path and imports nothing of
the package.
"""

from __future__ import annotations

import datetime
import io
import json
import resource
import sys
from typing import Any

MAX_MEMORY = 4 << 30  # bytes of address space
MAX_SECONDS = 120  # of processor time
ROWS = 1000  # rows a line of output


def main() -> None:
    """Lines of output: {"sheet": name}, then {"rows": [...]}, ...; or {"error": why} as the last line."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from python_calamine import CalamineWorkbook, SheetTypeEnum

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        for sheet in book.sheets_metadata:
            if sheet.typ != SheetTypeEnum.WorkSheet:
                continue
            say({"sheet": sheet.name})
            rows: list[Any] = []
            for row in book.get_sheet_by_name(sheet.name).iter_rows():
                rows.append([cell(value) for value in row])
                if len(rows) == ROWS:
                    say({"rows": rows})
                    rows = []
            say({"rows": rows})
        say({"end": True})
    except BaseException as e:  # a panic of the library is no Exception
        say({"error": f"{type(e).__name__}: {e}"[:300]})


def say(what: dict[str, Any]) -> None:
    """One line of output."""
    sys.stdout.buffer.write(json.dumps(what).encode() + b"\n")


def cell(value: Any) -> Any:
    """What JSON can carry."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value) if isinstance(value, datetime.timedelta) else value


if __name__ == "__main__":
    main()
