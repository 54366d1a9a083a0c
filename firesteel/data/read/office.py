"""Word and PowerPoint files: paragraphs, tables as rows, text boxes, notes. Read part by part, so pictures stay outside.

Both are zips of XML. We walk the parts that hold text ourselves: the usual libraries load every picture, and leave out
what stands in content controls and in accepted insertions, which official templates are full of.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any

from firesteel.data.read.piece import Piece, Task, UnreadableError, pieces_of, seekable
from firesteel.data.read.zips import attribute, children, local, open_zip, read_part, xml_of

# Not text: deleted words, the old place of moved ones, field codes, readings above characters, and a second copy of
# every text box for programs of 2007.
LEFT_OUT = frozenset(
    "del moveFrom delText instrText delInstrText rt Fallback rPr pPr sectPr tblPr trPr tcPr sdtPr".split()
)
SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
MAX_TREE = 200  # elements inside each other; lxml stops at 256 itself


def read_docx(task: Task) -> Iterator[Piece]:
    """A Word file as one document: body in order, then footnotes and endnotes. Headers and footers are left out."""
    with seekable(task.open) as f, open_zip(f) as z:
        document = xml_of(read_part(z, "word/document.xml", task.budget), "word/document.xml")
        body = next(children(document, "body"), None)
        if body is None:
            raise UnreadableError("word/document.xml has no body")
        lines = list(_blocks(body))
        for part, kind in (("word/footnotes.xml", "footnote"), ("word/endnotes.xml", "endnote")):
            if part in z.namelist():
                for note in children(xml_of(read_part(z, part, task.budget), part), kind):
                    if attribute(note, "type") in ("", "normal"):
                        lines += _blocks(note)
        meta = _properties(z, task)
    yield from pieces_of([_joined(lines)], task.limit, meta=meta)


def _joined(lines: list[str]) -> str:
    """Lines of text; runs of empty ones, which people space pages with, become one."""
    out: list[str] = []
    for line in lines:
        line = line.rstrip()
        if line or (out and out[-1]):
            out.append(line)
    return "\n".join(out).strip("\n")


def _blocks(element: Any, depth: int = 0) -> Iterator[str]:
    """Paragraphs and rows below an element, in order."""
    if depth > MAX_TREE:
        raise UnreadableError("nested too deeply")
    for child in element:
        name = local(child)
        if name == "p":
            if heading := _is_heading(child):
                yield ""
            boxes: list[Any] = []
            yield _text(child, boxes)
            if heading:
                yield ""
            for box in boxes:
                yield from _blocks(box, depth + 1)
        elif name == "tbl":
            yield ""
            yield from _rows(child)
            yield ""
        elif name not in LEFT_OUT:
            yield from _blocks(child, depth + 1)


def _is_heading(paragraph: Any) -> bool:
    """Whether a paragraph has an outline level or a style named like a heading (Word in Chinese numbers its styles)."""
    for properties in children(paragraph, "pPr"):
        for child in properties:
            if local(child) == "outlineLvl":
                return attribute(child, "val") != "9"
            if local(child) == "pStyle":
                style = attribute(child, "val").lower()
                return style.startswith(("heading", "title")) or style in tuple("123456")
    return False


def _rows(table: Any) -> Iterator[str]:
    for row in _find(table, "tr"):
        cells = []
        for cell in _find(row, "tc"):
            cells.append(" ".join(" ".join(_blocks(cell)).split()))
        yield "\t".join(cells)


def _find(element: Any, name: str) -> Iterator[Any]:
    """The nearest descendants of that name, also inside content controls."""
    for child in element:
        if local(child) == name:
            yield child
        elif local(child) in ("sdt", "sdtContent", "customXml", "ins", "smartTag"):
            yield from _find(child, name)


def _text(paragraph: Any, boxes: list[Any]) -> str:
    """A paragraph's text; text boxes anchored in it are added to `boxes`."""
    out: list[str] = []
    waiting = [paragraph]
    while waiting:
        element = waiting.pop()
        name = local(element)
        if name == "t":
            out.append(element.text or "")
        elif name in SIGNS:
            out.append(SIGNS[name])
        elif name == "txbxContent":
            boxes.append(element)
        elif name not in LEFT_OUT:
            waiting.extend(reversed(element))
    return "".join(out)


def read_pptx(task: Task) -> Iterator[Piece]:
    """A presentation as one document: slides in order, each with its tables and its notes, an empty line between them."""
    with seekable(task.open) as f, open_zip(f) as z:
        main = "ppt/presentation.xml"
        presentation = xml_of(read_part(z, main, task.budget), main)
        targets = _relations(z, main, task)
        slides = [targets.get(_relation_id(slide)) for ids in children(presentation, "sldIdLst") for slide in ids]
        texts = ["\n".join(_slide(z, part, task)) for part, _ in filter(None, slides)]
        meta = _properties(z, task)
    yield from pieces_of(["\n\n".join(filter(None, texts))], task.limit, meta=meta)


def _relation_id(slide: Any) -> str:
    return next((value for key, value in slide.attrib.items() if key.endswith("}id")), "")


def _slide(z: zipfile.ZipFile, part: str, task: Task) -> Iterator[str]:
    yield from _shapes(xml_of(read_part(z, part, task.budget), part))
    for target, kind in _relations(z, part, task).values():
        if kind.endswith("/notesSlide"):
            yield from _shapes(xml_of(read_part(z, target, task.budget), target))


def _shapes(element: Any, depth: int = 0) -> Iterator[str]:
    """Lines of text below an element: paragraphs, and rows of tables; without slide numbers, dates and footers."""
    if depth > MAX_TREE:
        raise UnreadableError("nested too deeply")
    for child in element:
        name = local(child)
        if name == "p":
            if text := _text(child, []).strip():
                yield text.replace("\v", "\n")
        elif name == "tr":
            yield "\t".join(" ".join(_shapes(cell, depth + 1)) for cell in children(child, "tc"))
        elif name not in LEFT_OUT and not _is_furniture(child):
            yield from _shapes(child, depth + 1)


def _is_furniture(shape: Any) -> bool:
    if local(shape) != "sp":
        return False
    holders = (e for nv in children(shape, "nvSpPr") for pr in children(nv, "nvPr") for e in children(pr, "ph"))
    return any(attribute(e, "type") in ("sldNum", "dt", "ftr", "hdr", "sldImg") for e in holders)


def _relations(z: zipfile.ZipFile, part: str, task: Task) -> dict[str, tuple[str, str]]:
    """What a part refers to inside the file: id to (path, type)."""
    folder, name = posixpath.split(part)
    path = f"{folder}/_rels/{name}.rels"
    if path not in z.namelist():
        return {}
    out = {}
    for relation in children(xml_of(read_part(z, path, task.budget), path), "Relationship"):
        if attribute(relation, "TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/" + folder, attribute(relation, "Target"))).lstrip("/")
            out[attribute(relation, "Id")] = (target, attribute(relation, "Type"))
    return out


def _properties(z: zipfile.ZipFile, task: Task) -> dict[str, Any]:
    """The title that the author gave, where there is one and it can be read."""
    try:
        core = xml_of(read_part(z, "docProps/core.xml", task.budget, limit=1 << 20), "docProps/core.xml")
    except UnreadableError:
        return {}
    title = next((" ".join((e.text or "").split()) for e in children(core, "title")), "")
    return {"title": title} if title and title != "PowerPoint Presentation" else {}
