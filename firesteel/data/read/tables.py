"""Tables: rows with a text column are documents, other tables are one document of lines; CSV and Parquet."""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from firesteel.data.read.decode import Opener, detect, text_chunks
from firesteel.data.read.json_lines import LICENCE_KEYS, TEXT_KEYS
from firesteel.data.read.piece import Piece, Task, UnreadableError, seekable, split

MAX_FIELD = 16 << 20  # characters of one field of a CSV file
MAX_ROW = 64 << 20  # characters of one line of it
MAX_GROUP = 4 << 30  # bytes of a Parquet row group when expanded
BATCH = 256  # rows of a Parquet file that are held at once
DELIMITERS = (",", "\t", ";", "|")
SNIFF = 64  # rows that a delimiter is chosen by

Row = Sequence[Any]


def table_pieces(
    rows: Iterable[Row], limit: int, position: str = "", meta: dict[str, Any] | None = None
) -> Iterator[Piece]:
    """The pieces of a table whose first row that is not empty is its header."""
    rows = iter(rows)
    header = next(([cell_text(c).strip() for c in row] for row in rows if any(cell_text(c).strip() for c in row)), None)
    if header is None:
        return
    names = [name.lower() for name in header]
    key = next((names.index(k) for k in TEXT_KEYS if k in names), None)
    prefix = f"{position}." if position else ""
    if key is None:
        for i, text in enumerate(_pages(header, rows, limit)):
            yield Piece(f"{prefix}{i}", text, meta=dict(meta or {}))
        return
    for i, row in enumerate(rows):
        yield from _row(row, header, key, limit, f"{prefix}{i}", dict(meta or {}))


def _row(row: Row, header: list[str], key: int, limit: int, position: str, meta: dict[str, Any]) -> Iterator[Piece]:
    text = cell_text(row[key]) if key < len(row) else ""
    if not text.strip():
        return
    facts = {name: _scalar(cell) for name, cell in zip(header, row, strict=False) if name}
    facts.pop(header[key], None)
    meta |= {name: fact for name, fact in facts.items() if fact not in (None, "")}
    lower = {name.lower(): fact for name, fact in meta.items()}
    licence = next((str(lower[k]) for k in LICENCE_KEYS if k in lower), "")
    meta = {name: fact for name, fact in meta.items() if name.lower() not in LICENCE_KEYS}
    pieces = list(split([text], limit))
    for j, piece in enumerate(pieces):
        yield Piece(position if len(pieces) == 1 else f"{position}.{j}", piece, licence, dict(meta))


def _pages(header: list[str], rows: Iterable[Row], limit: int) -> Iterator[str]:
    """The table as lines of cells, in pages of at most `limit` characters that each begin with the header."""
    head = _line(header)
    head = head if 2 * len(head) <= limit else ""  # a header longer than half a page is no help
    page, size = ([head] if head else [_line(header)[:limit]]), len(head)
    for row in rows:
        line = _line(row)
        if not line:
            continue
        if size + 1 + len(line) > limit and len(page) > bool(head):
            yield "\n".join(page)
            page, size = ([head] if head else []), len(head)
        parts = list(split([line], max(1, limit - size - 1))) if size + 1 + len(line) > limit else [line]
        for part in parts[:-1]:  # a row that alone is longer than a page
            yield "\n".join([*page, part])
        page.append(parts[-1])
        size += 1 + len(parts[-1])
    yield "\n".join(page)


def _line(row: Row) -> str:
    return "\t".join(" ".join(cell_text(cell).split()) for cell in row).rstrip("\t")


def cell_text(cell: Any) -> str:
    """A cell as people write it: no `.0` on whole numbers, ISO dates, nothing for what is empty."""
    if isinstance(cell, str):
        return cell
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell) if isinstance(cell, bool | int | float) or not hasattr(cell, "isoformat") else cell.isoformat()


def _scalar(cell: Any) -> Any:
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 1e15 else cell if math.isfinite(cell) else None
    if cell is None or isinstance(cell, str | int):
        return cell
    return cell.isoformat() if isinstance(cell, datetime.date | datetime.time) else str(cell)


def read_csv(task: Task) -> Iterator[Piece]:
    """Comma, tab, semicolon or bar separated values, whichever gives the most even rows."""
    encoding = detect(task.open)
    # The module's only door to its limit; it is the same for every caller, and its default loses long texts.
    csv.field_size_limit(MAX_FIELD)
    try:
        head = list(islice(_text_lines(task.open, *encoding), SNIFF))
        delimiter = (
            "\t" if task.name.lower().endswith((".tsv", ".tab")) and any("\t" in r for r in head) else _best(head)
        )
        yield from table_pieces(csv.reader(_text_lines(task.open, *encoding), delimiter=delimiter), task.limit)
    except csv.Error as e:
        raise UnreadableError(f"no table: {e}") from e


def _best(lines: list[str]) -> str:
    """The delimiter that gives the most cells in rows of equal length."""

    def evenness(delimiter: str) -> float:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row][: SNIFF - 1]
        except csv.Error:
            return 0.0
        if not widths:
            return 0.0
        usual = max(set(widths), key=widths.count)
        return widths.count(usual) / len(widths) * (1 + 0.01 * min(usual, 50)) if usual > 1 else 0.0

    return max(DELIMITERS, key=evenness)


def _text_lines(open_: Opener, codec: str, errors: str) -> Iterator[str]:
    """Lines with their ends. Raises UnreadableError for one over MAX_ROW."""
    rest, newlines = "", io.IncrementalNewlineDecoder(None, translate=True)
    for text in text_chunks(open_, codec, errors):
        parts = (rest + newlines.decode(text)).split("\n")
        rest = parts.pop()
        yield from (part + "\n" for part in parts)
        if len(rest) > MAX_ROW:
            raise UnreadableError(f"a line is longer than {MAX_ROW} characters")
    if rest:
        yield rest


def read_parquet(task: Task) -> Iterator[Piece]:
    """A Parquet file, a few rows at a time. Raises UnreadableError for one that does not fit in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with seekable(task.open, limit=1 << 50) as f:
        table = pq.ParquetFile(f)
        facts = table.metadata
        for i in range(facts.num_row_groups):
            if facts.row_group(i).total_byte_size > MAX_GROUP:
                raise UnreadableError(f"a row group expands to more than {MAX_GROUP >> 30} GiB")
        nested = pa.types.is_nested
        names = [
            field.name for field in table.schema_arrow if not nested(field.type) and not pa.types.is_binary(field.type)
        ]
        if not names:
            raise UnreadableError("has no column of plain values")
        yield from table_pieces(_arrow_rows(table, names), task.limit)


def _arrow_rows(table: Any, names: list[str]) -> Iterator[Row]:
    yield names
    for batch in table.iter_batches(batch_size=BATCH, columns=names):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
