"""Names in tables: the cells under a heading such as 姓名, in lines of tabs, commas or bars."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_HEADS = frozenset(
    "姓名 患者姓名 病人姓名 学生姓名 客户姓名 联系人 收件人 收货人 负责人 经办人 户主 法定代表人 监护人 name patient customer "
    "contact".split()
)
# The others of _HEADS are labels of pii_names.txt, or hold one.
LATIN_HEADS = ("name", "patient", "customer", "contact")
_HEAD = re.compile(
    r"[\n\t|,，][ \"]{0,2}(?:..姓名|姓名|联系人|[收经]..|负责人|户主|法定代表人|监护人"
    r"|(?i:name|patient|customer|contact))[ \"]{0,2}(?=[\t|,，\r\n])"
)
_SPLIT = re.compile(r"[\t|,，]")
_ROWS = 100_000
_CAPITALISED = re.compile(r"[A-Z][A-Za-z'’-]{1,20}(?: [A-Z][A-Za-z'’.-]{0,20}){1,3}")


def table_names(text: str, is_name: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    """(start, end) of the cells below a heading for names that hold one; a table ends where the cells change in number."""
    done = 0
    first = _HEAD.match("\n" + text[:40])
    for at in (*([0] if first else []), *(m.start() + (text[m.start()] == "\n") for m in _HEAD.finditer(text))):
        if at < done:
            continue
        low, high = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        if high < 0:
            return
        done = high
        if high - low > 2000:
            continue
        cells = _cells(text, low, high)
        columns = [i for i, (s, e) in enumerate(cells) if text[s:e].lower() in _HEADS]
        if columns and len(cells) > 1:
            rows, done = _below(text, high + 1, len(cells))
            for start, end in (row[i] for row in rows for i in columns):
                if is_name(text[start:end]) or _CAPITALISED.fullmatch(text[start:end]):
                    yield start, end


def _below(text: str, at: int, n: int) -> tuple[list[list[tuple[int, int]]], int]:
    """The rows of `n` cells from `at` on, and where they end: the next heading is looked for from there."""
    rows: list[list[tuple[int, int]]] = []
    while len(rows) < _ROWS and at <= len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        cells = _cells(text, at, min(end, at + 4000))
        if len(cells) != n:
            break
        rows.append(cells)
        at = end + 1
    return rows, at


def _cells(text: str, low: int, high: int) -> list[tuple[int, int]]:
    """(start, end) of the cells of a line, without quotes and spaces around them."""
    cells, at = [], low
    for start, end in (*((m.start(), m.end()) for m in _SPLIT.finditer(text, low, high)), (high, high)):
        value = text[at:start]
        left = len(value) - len(value.lstrip(' "\r'))
        cells.append((at + left, max(at + left, at + len(value.rstrip(' "\r')))))
        at = end
    return cells
