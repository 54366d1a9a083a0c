"""Web pages to their main text: menus and footers left out, readings above characters (ruby) removed."""

from __future__ import annotations

import email
import email.policy
import html
import re
from collections.abc import Iterator

from firesteel.data.read.decode import BOMS, UndecodableError, decode_bytes
from firesteel.data.read.piece import Piece, Task, UnreadableError, pieces_of

MAX_HTML = 64 << 20  # bytes of one page, which is parsed as a whole
MAX_OPEN = 1000  # elements inside each other: extraction takes the square of the depth
CHARSET = re.compile(rb"""<meta[^>]{0,400}?charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w.:-]{2,40})""", re.IGNORECASE)
CHARSETS = {  # what pages say, and the larger encoding that browsers take for it
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "big5": "cp950", "iso-8859-1": "cp1252",
    "latin1": "cp1252", "shift-jis": "cp932", "shift_jis": "cp932", "euc-kr": "cp949",
}  # fmt: skip
CLOSED_BY_OTHERS = frozenset(
    "area base br col embed hr img input link meta param source track wbr p li td th tr dt dd option tbody thead tfoot".split()
)
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
STRAY = 0.005  # share of characters that may be bad in a page that names its encoding
SHORT, SHARE = 200, 0.25  # main text under both, in characters and of the page's text, is taken for a failure


def read_html(task: Task) -> Iterator[Piece]:
    """A page as one document with its title in `meta`."""
    with task.open() as f:
        raw = f.read(MAX_HTML + 1)
    yield from _page(raw, task.limit)


def read_mhtml(task: Task) -> Iterator[Piece]:
    """The page that a web archive (.mhtml) saves, without its images. Raises UnreadableError if there is none."""
    with task.open() as f:
        raw = f.read(MAX_HTML + 1)
    if len(raw) > MAX_HTML:
        raise UnreadableError(f"larger than {MAX_HTML >> 20} MiB")
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    for part in message.walk():
        if part.get_content_type() == "text/html":
            page = part.get_payload(decode=True)
            yield from _page(page if isinstance(page, bytes) else b"", task.limit, part.get_content_charset() or "")
            return
    raise UnreadableError("holds no web page")


def _page(raw: bytes, limit: int, charset: str = "") -> Iterator[Piece]:
    if len(raw) > MAX_HTML:
        raise UnreadableError(f"larger than {MAX_HTML >> 20} MiB")
    text, title = page_text(decode_page(raw, charset))
    yield from pieces_of([text], limit, meta={"title": title} if title else {})


def decode_page(raw: bytes, charset: str = "") -> str:
    """A page's text: BOM, strict UTF-8, then the encoding that the page or its archive names, then our own detection."""
    if not any(raw.startswith(bom) for bom, _ in BOMS):
        said = CHARSET.search(raw[: 1 << 14])
        name = (charset or (said.group(1).decode("ascii", "replace") if said else "")).lower()
        for codec in ("utf-8", CHARSETS.get(name, name)):
            try:
                text = raw.decode(codec) if codec else "\0"
            except (UnicodeError, LookupError, ValueError):
                continue
            if "\0" not in text and "\x1b" not in text:
                return text
    else:
        name = ""
    try:
        return decode_bytes(raw)
    except UndecodableError:
        if name and (text := _with_stray_bytes(raw, CHARSETS.get(name, name))):
            return text
        raise


def _with_stray_bytes(raw: bytes, codec: str) -> str:
    """The page in the encoding that it names with U+FFFD for bad bytes, as browsers show it; `` if they are many."""
    try:
        text = raw.decode(codec, "replace")
    except (UnicodeError, LookupError, ValueError):
        return ""
    few = text.count("\ufffd") <= max(2, STRAY * len(text))
    return text if few and not text.isascii() and "\0" not in text and "\x1b" not in text else ""


def page_text(page: str, main: bool = True) -> tuple[str, str]:
    """The text of a page and its title; with `main` without menus and footers, where they can be told."""
    if "\0" in page:
        raise UndecodableError("NUL in a web page: a binary file")
    if _deepest(page) > MAX_OPEN:
        return _stripped(page), ""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    tree = HTMLTree.parse(page)
    if tree.body is None:
        return "", ""
    for reading in list(tree.body.query_selector_all("rt, rp")):
        reading.decompose()
    rubies = list(tree.body.query_selector_all("ruby"))
    for ruby in rubies:
        word = tree.create_text_node(ruby.text or "")
        if ruby.parent is not None and word is not None:
            ruby.parent.replace_child(word, ruby)
    if rubies:  # extraction drops <ruby> with what it holds, and text that was put in later
        tree = HTMLTree.parse(str(tree.document.html) if tree.document else "")
    everything = extract_plain_text(tree, main_content=False, alt_texts=False)
    text = extract_plain_text(tree, main_content=True, alt_texts=False) if main else everything
    if len(text) < SHORT and len(text) < SHARE * len(everything):
        text = everything
    return _tidy(text), " ".join((tree.title or "").split())


def _tidy(text: str) -> str:
    lines = [re.sub(r"\t+", "\t", line).rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _deepest(page: str) -> int:
    """How many elements are open at once, at most; tags that others close are not counted."""
    open_ = deepest = 0
    for tag in TAG.finditer(page):
        if tag.group(2).lower() not in CLOSED_BY_OTHERS:
            open_ = max(0, open_ + (-1 if tag.group(1) else 1))
            deepest = max(deepest, open_)
    return deepest


def _stripped(page: str) -> str:
    """The text between the tags, for pages that no parser should be given."""
    page = re.sub(r"<(?:br|/p|/div|/li|/tr|/h\d)\b[^<>]{0,1000}>", "\n", page, flags=re.IGNORECASE)
    return _tidy(html.unescape(re.sub(r"<[^<>]{0,10000}>", "", page)))
