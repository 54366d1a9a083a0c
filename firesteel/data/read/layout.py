"""Lines on a page to paragraphs: wrapped lines are joined, page numbers and running heads are left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from firesteel.data.han import is_han

HYPHENS = ("\ufffe", "\x02", "\u00ad")  # what PDFium and others put for a hyphen that only divides a word
PAGE_NUMBER = re.compile(
    r"[-–—·.~|\s]{0,6}(?:(?:第|page|p\.)?\s?\d{1,4}\s?页?(?:\s?[/共,，of]{1,3}\s?(?:共\s?)?\d{1,4}\s?页?)?|(?=[ivx])x{0,3}(?:ix|iv|v?i{0,3}))[-–—·.~|\s]{0,6}",
    re.IGNORECASE,
)
STARTS = re.compile(  # how items and headings begin
    r"\s*(?:第[〇零一二三四五六七八九十百千\d]{1,7}[章节条款项编篇部分回]|[（(][一二三四五六七八九十\d]{1,3}[）)]|[一二三四五六七八九十]{1,3}、|\d{1,2}(?:\.\d{1,2}){0,3}[.、．)）\s]|[•●■◆▪○·\-*]\s)"
)
ENDS = tuple("。！？；：.!?;:…”」』》")
FULL = 0.85  # of the usual width: a line so long went on to the next because there was no more room
CITED = re.compile(r"\s*第[〇零一二三四五六七八九十百千\d]{1,7}[章节条款项编]")  # wraps as in 本法第九条 / 第一项规定
GUTTER = 0.3  # share of a page's lines that must stand on each side of the gap between two columns
INDENT = 1.2  # characters by which the first line of a paragraph stands in
REPEATED = 0.5  # share of the pages on which a running head stands


@dataclass(frozen=True)
class Line:
    """A line of text with its left and right edge and the height of its characters, in any unit; 0 is unknown."""

    text: str
    left: float = 0.0
    right: float = 0.0
    height: float = 0.0


def paragraphs(pages: Sequence[Sequence[Line]]) -> str:
    """The text of the pages, one paragraph a line."""
    heads = _running_heads(pages)
    out: list[str] = []
    last: Line | None = None
    edges = (0.0, 0.0)
    for page in pages:
        lines = _without_furniture(page, heads)
        columns = _columns(lines)
        for line in lines:
            here = columns[1] if line.left + 1 >= columns[1][0] else columns[0]  # edges are rounded
            if last is not None and _continues(last, line, edges, here):
                out[-1] = joined(out[-1], line.text.strip())
            else:
                out.append(line.text.strip())
            last, edges = line, here
    return "\n".join(_without_hyphens(text) for text in out if text)


def joined(first: str, second: str) -> str:
    """Two parts of a wrapped line: Chinese without a space, a divided word without its hyphen."""
    if first.endswith(HYPHENS):
        return first[:-1] + second
    if not first or not second:
        return first + second
    if re.search(r"[a-z]-$", first) and second[0].islower():
        return first[:-1] + second
    number = first[-1].isdigit() and second[0].isdigit() and any(map(_wide, first))  # Chinese wraps between digits
    return first + second if number or _wide(first[-1]) or _wide(second[0]) else f"{first} {second}"


def _wide(char: str) -> bool:
    return is_han(char) or "\u3000" <= char <= "\u30ff" or "\uff00" <= char <= "\uff60" or char in "“”‘’…—"


def _without_hyphens(text: str) -> str:
    """PDFium joins a divided word itself and leaves its mark inside."""
    text = re.sub("[\ufffe\x02](?=[^a-z]|$)", "-", text)
    return re.sub("[\ufffe\x02\u00ad]", "", text)


def _width(text: str) -> int:
    return sum(2 if _wide(c) else 1 for c in text)


def _columns(lines: Sequence[Line]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The edges of a page's left and right column; twice the same where there is one column."""
    if lines and all(line.right for line in lines):
        middle = (min(line.left for line in lines) + max(line.right for line in lines)) / 2
        left = [line for line in lines if line.right <= middle + line.height]
        right = [line for line in lines if line.left >= middle - line.height]
        few = min(len(left), len(right))
        # Short lines on both sides are a table, not columns.
        if few >= max(4, GUTTER * len(lines)) and _width("".join(line.text for line in right)) >= 16 * len(right):
            return _edges(left), _edges(right)
    return (_edges(lines),) * 2


def _edges(lines: Sequence[Line]) -> tuple[float, float]:
    """The usual left and right edge of a page's lines; where unknown, 0 and the width of a long line in columns."""
    if not lines:
        return 0.0, 0.0
    if all(line.right for line in lines):
        lefts = Counter(round(line.left) for line in lines)
        left = min(x for x, n in lefts.items() if n >= min(0.15 * len(lines), max(lefts.values())))
        right = sorted(line.right for line in lines)
        return float(left), right[int(0.9 * (len(right) - 1))]
    widths = sorted(_width(line.text) for line in lines)
    return 0.0, float(widths[int(0.9 * (len(widths) - 1))])


def _continues(last: Line, line: Line, before: tuple[float, float], here: tuple[float, float]) -> bool:
    """Whether `line` is the same paragraph as `last`; each comes with the edges of its own page."""
    if not last.text.strip() or not line.text.strip():
        return False
    if last.text.rstrip().endswith(HYPHENS):
        return True
    ended = last.text.rstrip().endswith(ENDS)
    if STARTS.match(line.text) and (ended or not last.right or not CITED.match(line.text)):
        return False
    if last.right and line.right:
        room = before[1] - before[0]
        full = last.right - before[0] >= FULL * room or before[1] - last.right < 2 * last.height
        size = max(last.height, line.height)
        if size and min(last.height, line.height) < 0.75 * size and _width(last.text) < 30:
            return False  # a heading in larger letters
        indented = line.height > 0 and line.left - here[0] > INDENT * line.height * 0.8
    else:
        full, indented = _width(last.text) >= FULL * before[1], line.text.startswith(("  ", "　"))
    if not full or indented:
        return False
    # A sentence may end where a line does; without an indent to tell, a long line is taken to go on.
    return not ended or bool(last.right)


def _without_furniture(page: Sequence[Line], heads: frozenset[str]) -> list[Line]:
    lines = [line for line in page if line.text.strip()]
    while lines and _is_furniture(lines[0].text, heads):
        lines = lines[1:]
    while lines and _is_furniture(lines[-1].text, heads):
        lines = lines[:-1]
    return lines


def _is_furniture(text: str, heads: frozenset[str]) -> bool:
    text = text.strip()
    return PAGE_NUMBER.fullmatch(text) is not None or _shape(text) in heads


def _shape(text: str) -> str:
    return re.sub(r"\d+", "0", "".join(text.split()))


def _may_be_head(text: str) -> bool:
    return len(text) < 60 and not STARTS.match(text) and not text.endswith(("。", "！", "？", "；", "，", ","))


def _running_heads(pages: Sequence[Sequence[Line]]) -> frozenset[str]:
    """First and last lines that stand on most pages, numbers aside."""
    counts: Counter[str] = Counter()
    always: set[str] = set()  # of a short file, what stands on every page
    for i, page in enumerate(pages):
        lines = [line.text.strip() for line in page if line.text.strip()]
        here = {_shape(text) for text in (*lines[:2], *lines[-2:]) if _may_be_head(text)}
        counts.update(here)
        always = here if i == 0 else always & here
    usual = {shape for shape, n in counts.items() if n >= 4 and n > REPEATED * len(pages)}
    return frozenset(usual | always if len(pages) > 1 else usual)
