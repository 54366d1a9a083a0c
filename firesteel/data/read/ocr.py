"""Characters of scanned pages, with the models inside the package `rapidocr` (extra `ocr`)."""

from __future__ import annotations

from functools import cache
from typing import Any

from firesteel.data.read.layout import Line
from firesteel.data.read.piece import UnreadableError

DPI = 200  # what the models were made for is text of about 32 pixels a line
MAX_PIXELS = 20_000_000  # of one page; larger pages are drawn smaller
SURE = 0.5  # confidence below which a line is left out


@cache
def _engine() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as e:
        raise UnreadableError("scanned pages, and data.ocr needs firesteel[ocr]: pip install 'firesteel[ocr]'") from e
    return RapidOCR(params={"Global.log_level": "error"})


def lines(page: Any) -> list[Line]:
    """The lines that are seen on a page, with their edges in pixels. Raises UnreadableError without the extra."""
    engine = _engine()
    width, height = page.get_size()
    scale = min(DPI / 72, (MAX_PIXELS / max(1.0, width * height)) ** 0.5)
    found = engine(page.render(scale=scale).to_numpy())
    if found.txts is None:
        return []
    out = []
    for box, text, sure in zip(found.boxes, found.txts, found.scores, strict=True):
        if sure >= SURE:
            xs, ys = [float(p[0]) for p in box], [float(p[1]) for p in box]
            out.append(Line(text, min(xs), max(xs), max(ys) - min(ys)))
    return out
