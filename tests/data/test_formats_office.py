"""Office files, books and PDF: text in its order, tables as rows, and plain words for what cannot be read."""

from __future__ import annotations

import importlib.util
import io
import zipfile

import pytest

from firesteel.data.read.layout import Line, joined, paragraphs
from tests.data.corpus import chinese
from tests.data.samples import (
    CJK_FONT,
    FIRST,
    ROWS,
    SECOND,
    docx,
    epub,
    html,
    only_error,
    pdf,
    pptx,
    read,
    scan,
    whole,
    xlsx,
    zipped,
)  # fmt: skip

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def word(body: str, **parts: str) -> bytes:
    """A Word file with this XML as its body."""
    return zipped({"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"} | parts)


def run(text: str) -> str:
    """A run of text."""
    return f"<w:r><w:t>{text}</w:t></w:r>"


def test_a_word_file_keeps_its_order_and_its_tables() -> None:
    assert whole(read("a.docx", docx())) == f"检修规程\n\n{FIRST}\n\n名称\t数量\n轴承\t3\n阀门\t12\n\n{SECOND}"


def test_what_is_inserted_counts_and_what_is_deleted_does_not() -> None:
    body = (
        f"<w:p>{run('甲')}<w:ins>{run('乙')}</w:ins><w:del><w:r><w:delText>丙</w:delText></w:r></w:del><w:moveFrom>{run('己')}</w:moveFrom>"
        f"<w:sdt><w:sdtPr/><w:sdtContent>{run('丁')}</w:sdtContent></w:sdt><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
        f"<w:sdt><w:sdtContent><w:p>{run('戊')}</w:p></w:sdtContent></w:sdt>"
        f"<w:p><w:r><w:ruby><w:rt>{run('hàn')}</w:rt><w:rubyBase>{run('漢')}</w:rubyBase></w:ruby></w:r></w:p>"
    )
    assert whole(read("a.docx", word(body))) == "甲乙丁\n戊\n漢"


def test_text_boxes_are_read_once_and_footnotes_last() -> None:
    box = f"<w:txbxContent><w:p>{run('框')}</w:p></w:txbxContent>"
    alternate = (
        '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    )
    notes = (
        f"<w:footnotes {W}><w:footnote w:type='separator'><w:p>{run('线')}</w:p></w:footnote>"
        f"<w:footnote><w:p>{run('注')}</w:p></w:footnote></w:footnotes>"
    )
    raw = word(f"<w:p>{run('甲')}<w:r>{alternate}</w:r></w:p><w:p>{run('乙')}</w:p>", **{"word/footnotes.xml": notes})
    assert whole(read("a.docx", raw)) == "甲\n框\n乙\n注"


def test_slides_come_with_their_tables_and_notes() -> None:
    lines = whole(read("a.pptx", pptx())).split("\n")
    assert (
        lines[:2] == ["检修规程", FIRST] and lines[2:5] == ["名称\t数量", "轴承\t3", "阀门\t12"] and lines[-1] == SECOND
    )


def test_every_sheet_is_a_table_and_cells_look_as_people_write_them() -> None:
    import datetime

    first, second = read("a.xlsx", xlsx(list(ROWS), [("日期", "值"), (datetime.date(2020, 1, 2), 2.5), (None, True)]))
    assert first.text == "名称\t数量\n轴承\t3\n阀门\t12" and first.meta == {"sheet": "表1"}
    assert second.text == "日期\t值\n2020-01-02\t2.5\n\tTrue" and second.position != first.position


def test_a_sheet_as_large_as_can_be_costs_the_file_and_not_the_process() -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "名称", 3
    out = io.BytesIO()
    book.save(out)
    assert "memory" in only_error(read("a.xlsx", out.getvalue()))


def test_books_are_read_in_the_order_of_their_spine() -> None:
    first, second = read("a.epub", epub())
    assert (first.text, second.text) == (FIRST, SECOND) and first.inner == "OEBPS/z.xhtml"
    assert first.meta == {"title": "检修手册", "lang": "zh-CN", "chapter": "章"}


def test_chapters_with_drm_are_refused_and_the_others_read() -> None:
    source = io.BytesIO(epub())
    with zipfile.ZipFile(source, "a") as z:
        z.writestr("META-INF/encryption.xml", '<e><CipherReference URI="OEBPS/z.xhtml"/></e>')
    first, second = read("a.epub", source.getvalue())
    assert "DRM" in first.error and second.text == SECOND


def test_wrapped_lines_of_a_pdf_are_paragraphs_and_furniture_goes() -> None:
    texts = [chinese(i, 4) for i in range(5)]
    pages = [f"内部资料\n{wrapped(text, 28)}\n第{i}条 {SECOND[:9]}\n— {i} —" for i, text in enumerate(texts)]
    assert whole(read("a.pdf", pdf(*pages))) == "\n".join(
        f"{text}\n第{i}条 {SECOND[:9]}" for i, text in enumerate(texts)
    )


def test_an_indent_begins_a_paragraph_and_a_page_end_does_not() -> None:
    indent, one, two = "\u3000\u3000", chinese(1, 3)[:82], chinese(2, 3)[:70]
    lines = wrapped(indent + one, 28).split("\n") + wrapped(indent + two, 28).split("\n")
    text = whole(read("a.pdf", pdf("\n".join(lines[:-1]), lines[-1], indent=indent)))
    assert text == f"{one}\n{two}"


def wrapped(text: str, width: int) -> str:
    """The text in lines of so many characters."""
    return "\n".join(text[i : i + width] for i in range(0, len(text), width))


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("中文", "字", "中文字"), ("para-", "graph", "paragraph"), ("a word", "and", "a word and"),
        ("para\ufffe", "graph", "paragraph"), ("X-", "Ray", "X- Ray"), ("用 GPU", "训练", "用 GPU训练"),
    ],
)  # fmt: skip
def test_parts_of_a_wrapped_line_are_joined_as_their_script_wants(first: str, second: str, together: str) -> None:
    assert joined(first, second) == together


def test_scanned_pages_say_what_they_need() -> None:
    assert only_error(read("a.pdf", scan())) == "1 of 1 pages are scans: set data.ocr = true (needs firesteel[ocr])"


@pytest.mark.skipif(importlib.util.find_spec("rapidocr") is not None, reason="the extra 'ocr' is there")
def test_without_the_extra_recognition_says_what_to_install() -> None:
    assert "firesteel[ocr]" in only_error(read("a.pdf", scan(), ocr=True))


@pytest.mark.skipif(
    importlib.util.find_spec("rapidocr") is None or not CJK_FONT.exists(), reason="needs the extra 'ocr' and a font"
)
def test_scanned_pages_are_read_with_the_extra() -> None:
    text = whole(read("a.pdf", scan(FIRST[:10], SECOND[9:16]), ocr=True))
    assert FIRST[:10] in text and SECOND[9:16] in text


@pytest.mark.parametrize(
    ("name", "raw", "why"),
    [
        ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        ("a.docx", OLE + "WordDocument".encode("utf-16-le"), "save it as .docx"),
        ("a.docx", b"\x89PNG\r\n\x1a\n", "holds an image"),
        ("a.docx", b"", "an empty file"),
        ("a.pdf", b"just text", "is no .pdf file but text"),
        ("a.epub", bytes(range(256)), "is no .epub file, and no text either"),
        ("a.zip", b"PK\x03\x04" + bytes(40), "a damaged zip file"),
        ("a.txt", b"{\\rtf1 x}", "holds an RTF file"),
        ("a.docx", word("<w:p>" * 300), "word/document.xml is damaged"),
    ],
)
def test_what_cannot_be_read_says_why_in_plain_words(name: str, raw: bytes, why: str) -> None:
    assert why in only_error(read(name, raw))


def test_files_are_read_by_what_they_are_not_by_their_suffix() -> None:
    assert FIRST in whole(read("a.txt", docx())) and FIRST in whole(read("a.doc.txt", pdf()))
    assert FIRST in whole(read("a.docx", html())) and FIRST in whole(read("a.docx", FIRST.encode("gbk")))
    assert whole(read("a.xls", "名称\t数量\n轴承\t3\n".encode("gbk"))) == "名称\t数量\n轴承\t3"
    assert "轴承" in whole(read("a.xls", "<html><table><tr><td>轴承</td></tr></table></html>".encode()))
    assert "轴承\t3" in whole(read("a.xls", xlsx()))


def test_entities_of_xml_are_not_expanded() -> None:
    bomb = '<!DOCTYPE d [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/hostname">]>'
    raw = zipped(
        {"word/document.xml": f"{bomb}<w:document {W}><w:body><w:p>{run('甲&b;&f;')}</w:p></w:body></w:document>"}
    )
    assert whole(read("a.docx", raw)) == "甲"


def test_heads_of_a_file_of_two_pages_go_too() -> None:
    pages = [f"内部资料 注意保密\n{wrapped(chinese(i, 3), 28)}\n第 {i} 页 共 2 页" for i in (1, 2)]
    assert whole(read("a.pdf", pdf(*pages))).replace("\n", "") == chinese(1, 3) + chinese(2, 3)


def test_a_wrapped_line_that_begins_with_the_number_of_an_item_goes_on() -> None:
    page = [
        Line("有下列情形的，可以按照本办法第二十三条", 0, 200, 10),
        Line("第一项的规定处理。", 0, 90, 10),
        Line("第二条 施行。", 0, 70, 10),
    ]
    assert paragraphs([page]) == "有下列情形的，可以按照本办法第二十三条第一项的规定处理。\n第二条 施行。"


def test_lines_wrap_inside_their_column() -> None:
    first, second = chinese(1, 3)[:72], chinese(2, 3)[:72]
    columns = [
        Line(line, left, left + 10.0 * len(line), 10)
        for text, left in ((first, 50.4), (second, 303.6))
        for line in wrapped(text, 20).split("\n")
    ]
    assert paragraphs([columns]) == f"{first}\n{second}"
    cells = [Line(f"项目{chr(65 + i)}", left, left + 30, 10) for left in (50, 303) for i in range(10)]
    assert paragraphs([cells]).count("\n") == 19
