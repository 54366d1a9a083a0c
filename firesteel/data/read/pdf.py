"""PDF: the text layer, as paragraphs; pages that are pictures go to character recognition, if the recipe says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from firesteel.data.read import ocr
from firesteel.data.read.layout import Line, paragraphs
from firesteel.data.read.piece import Piece, Task, UnreadableError, pieces_of, seekable

MAX_PAGES = 20_000
MAX_CHARS = 50_000_000  # characters of one file that are held at once
FEW = 8  # a page with fewer characters and a picture is a scan
UNREADABLE = 0.3  # share of characters that say the fonts have no table back to text
PASSWORD, SECURITY = 4, 5  # PDFium's error codes


def read_pdf(task: Task) -> Iterator[Piece]:
    """A PDF as one document. Raises UnreadableError: a password, damage, or nothing but scanned pages without `ocr`."""
    import pypdfium2

    with seekable(task.open) as f:
        try:
            document = pypdfium2.PdfDocument(f)
        except pypdfium2.PdfiumError as e:
            locked = getattr(e, "err_code", 0) in (PASSWORD, SECURITY)
            raise UnreadableError("protected by a password" if locked else f"a damaged PDF: {e}") from e
        try:
            pages, scanned, bad = _pages(document, task.ocr)
            count, meta = len(document), _title(document)
        finally:
            document.close()
    text = paragraphs(pages)
    if not text:
        yield Piece("error", "", error=_nothing(count, scanned, bad, task.ocr))
        return
    if scanned and not task.ocr:
        meta["scanned_pages"] = scanned
    if bad:
        meta["damaged_pages"] = bad
    yield from pieces_of([text], task.limit, meta=meta)


def _nothing(count: int, scanned: int, bad: int, with_ocr: bool) -> str:
    if scanned and not with_ocr:
        return f"{scanned} of {count} pages are scans: set data.ocr = true (needs firesteel[ocr])"
    if bad:
        return f"{bad} of {count} pages are damaged, and the others hold no text"
    return "its pages hold no text" if count else "a PDF without pages"


def _pages(document: Any, with_ocr: bool) -> tuple[list[list[Line]], int, int]:
    """Lines by page, how many pages are scans, and how many cannot be read."""
    import pypdfium2

    pages: list[list[Line]] = []
    scanned = bad = chars = 0
    for i in range(min(len(document), MAX_PAGES)):
        try:
            page = document[i]
        except pypdfium2.PdfiumError:
            bad += 1
            continue
        try:
            lines = _lines(page)
            if _is_scan(page, lines):
                scanned += 1
                lines = ocr.lines(page) if with_ocr else []
        except pypdfium2.PdfiumError:
            bad += 1
            continue
        finally:
            page.close()
        pages.append(lines)
        chars += sum(len(line.text) for line in lines)
        if chars > MAX_CHARS:
            raise UnreadableError(f"holds more than {MAX_CHARS} characters")
    return pages, scanned, bad


def _lines(page: Any) -> list[Line]:
    """The lines of a page with their edges, in points."""
    textpage = page.get_textpage()
    try:
        count = textpage.count_chars()
        if count > MAX_CHARS:
            raise UnreadableError(f"a page holds more than {MAX_CHARS} characters")
        text = textpage.get_text_range() if count > 0 else ""
        known = len(text) == count  # characters beyond U+FFFF may shift the positions; then we go by the words alone
        out, at = [], 0
        for part in text.split("\n"):
            line = part.rstrip("\r")
            out.append(_line(textpage, line, at) if known and line.strip() else Line(line))
            at += len(part) + 1
    finally:
        textpage.close()
    return out


def _line(textpage: Any, text: str, at: int) -> Line:
    first = at + len(text) - len(text.lstrip())
    last = at + len(text.rstrip()) - 1
    left, bottom, _, top = textpage.get_charbox(first, loose=True)
    _, _, right, _ = textpage.get_charbox(last, loose=True)
    return Line(text, left, right, abs(top - bottom))


def _is_scan(page: Any, lines: list[Line]) -> bool:
    """A page that shows a picture and has no text to speak of, or text that stands for nothing."""
    import pypdfium2.raw as pdfium

    text = "".join("".join(line.text.split()) for line in lines)
    wrong = sum(1 for c in text if "\ue000" <= c <= "\uf8ff" or c == "\ufffd" or c < " ")
    if len(text) >= FEW and wrong <= UNREADABLE * len(text):
        return False
    if len(text) >= FEW:
        return True
    return next(iter(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)), None) is not None


def _title(document: Any) -> dict[str, Any]:
    title = " ".join(document.get_metadata_value("Title").replace("\0", "").split())
    return {"title": title} if title and not title.startswith("Microsoft Word") else {}
