"""One small file of every format, made by the libraries that people's programs are built on; Chinese text in each."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard

from firesteel.data.read.formats import Piece, read_file

FIRST = "水泵每个季度检查一次，检查的结果记在设备的记录里。"
SECOND = "阀门漏水的时候，应当先关掉电源，然后通知值班的人员。"
ROWS = [("名称", "数量"), ("轴承", 3), ("阀门", 12)]
CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
Maker = Callable[[], bytes]


def read(name: str, raw: bytes, limit: int = 200_000, **options: Any) -> list[Piece]:
    """The pieces of a file that lies in memory."""
    return list(read_file(name, lambda: io.BytesIO(raw), limit, **options))


def whole(pieces: list[Piece]) -> str:
    """The text of all pieces; none of them is an error."""
    assert not [piece.error for piece in pieces if piece.error]
    return "\n".join(piece.text for piece in pieces)


def only_error(pieces: list[Piece]) -> str:
    """The reason of the one piece, which is an error."""
    (piece,) = pieces
    assert piece.error and not piece.text
    return piece.error


def docx() -> bytes:
    """Heading, paragraphs, a table."""
    import docx

    document = docx.Document()
    document.add_heading("检修规程", 1)
    document.add_paragraph(FIRST)
    table = document.add_table(rows=0, cols=2)
    for row in ROWS:
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = str(value)
    document.add_paragraph(SECOND)
    return saved(document.save)


def pptx() -> bytes:
    """A slide with a title, a text, a table and notes."""
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "检修规程"
    slide.placeholders[1].text = FIRST
    table = slide.shapes.add_table(3, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for i, row in enumerate(ROWS):
        for j, value in enumerate(row):
            table.cell(i, j).text = str(value)
    slide.notes_slide.notes_text_frame.text = SECOND
    return saved(show.save)


def xlsx(*sheets: list[tuple[Any, ...]]) -> bytes:
    """A workbook; without sheets, one with ROWS."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for i, rows in enumerate(sheets or (ROWS,)):
        sheet = book.create_sheet(f"表{i + 1}")
        for row in rows:
            sheet.append(row)
    return saved(book.save)


def ods() -> bytes:
    """A workbook of LibreOffice's kind, with the repeated empty cells that it ends tables with."""
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    rows = "".join(
        "<table:table-row>"
        + "".join(f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>' for c in row)
        + '<table:table-cell table:number-columns-repeated="16382"/></table:table-row>'
        for row in ROWS
    )
    content = (
        f'<?xml version="1.0"?><office:document-content{spaces}><office:body><office:spreadsheet>'
        f'<table:table table:name="表1">{rows}<table:table-row table:number-rows-repeated="1048000">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return zipped({"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})


def epub() -> bytes:
    """Two chapters; the spine turns the order of the names around."""
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    opf = (
        '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>检修手册</dc:title>'
        "<dc:language>zh-CN</dc:language></metadata><manifest>"
        '<item id="a" href="a%20b.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="z" href="z.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="z"/><itemref idref="a"/></spine></package>'
    )
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>章</title></head><body><p>{}</p></body></html>'
    members = {"mimetype": "application/epub+zip", "META-INF/container.xml": container, "OEBPS/book.opf": opf}
    return zipped(members | {"OEBPS/z.xhtml": page.format(FIRST), "OEBPS/a b.xhtml": page.format(SECOND)})


def pdf(*pages: str, indent: str = "") -> bytes:
    """Pages of lines of 12 points, in a font that is not in the file, as old Chinese ones are, but says what its codes mean.

    Lines that begin with `indent` stand two characters further in. Without pages, one with FIRST and SECOND.
    """
    ranges = "\n".join(f"<{i:02X}00> <{i:02X}FF> <{i:02X}00>" for i in range(256))
    cmap = (
        "/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        f"100 beginbfrange\n{ranges}\nendbfrange endcmap end"
    )
    font = (
        "<</Type/Font/Subtype/Type0/BaseFont/F/Encoding/UniGB-UCS2-H/ToUnicode 4 0 R/DescendantFonts[<</Type/Font"
        "/Subtype/CIDFontType2/BaseFont/F/DW 1000/W[32[500] 48 57 500 65 90 600 97 122 500]/FontDescriptor 5 0 R"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 0>>>>]>>"
    )
    descriptor = (
        "<</Type/FontDescriptor/FontName/F/Flags 4/FontBBox[0 -200 1000 900]/Ascent 900/Descent -200/CapHeight 700"
        "/ItalicAngle 0/StemV 80>>"
    )
    bodies = [_lines(page, indent) for page in pages or (f"{FIRST}\n{SECOND}",)]
    kids = " ".join(f"{6 + 2 * i} 0 R" for i in range(len(bodies)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(bodies)}/Kids[{kids}]>>",
        font,
        _stream(cmap),
        descriptor,
    ]
    for i, body in enumerate(bodies):
        box = "/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>"
        objects += [f"<</Type/Page/Parent 2 0 R{box}/Contents {7 + 2 * i} 0 R>>", _stream(body)]
    return _assembled(objects)


def _lines(page: str, indent: str) -> str:
    out = []
    for i, line in enumerate(page.split("\n")):
        left = 84 if indent and line.startswith(indent) else 60
        out.append(f"BT /F 12 Tf {left} {780 - 18 * i} Td <{line.encode('utf-16-be').hex()}> Tj ET")
    return "\n".join(out)


def _stream(text: str) -> str:
    return f"<</Length {len(text)}>>stream\n{text}\nendstream"


def _assembled(objects: list[str]) -> bytes:
    out, offsets = b"%PDF-1.7\n", []
    for i, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{i} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{at:010} 00000 n \n" for at in offsets)
    tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer<</Size {len(objects) + 1}/Root 1 0 R>>"
    return out + f"{tail}\nstartxref\n{len(out)}\n%%EOF".encode()


def scan(*words: str) -> bytes:
    """A PDF whose only page is a picture, of `words` if there are any."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (1240, 1754), 255)
    for i, line in enumerate(words):
        font = ImageFont.truetype(str(CJK_FONT), 40)
        ImageDraw.Draw(image).text((100, 100 + 80 * i), line, font=font, fill=0)
    return saved(lambda out: image.save(out, "PDF", resolution=150))


def parquet(columns: dict[str, list[Any]] | None = None) -> bytes:
    """A table; without columns, ROWS."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    header, *rows = ROWS
    columns = columns or {name: [row[i] for row in rows] for i, name in enumerate(header)}
    return saved(lambda out: pq.write_table(pa.table(columns), out))


def html() -> bytes:
    """A page with a menu and a footer around its text."""
    return (
        "<!DOCTYPE html><html><head><title>检修 规程</title><style>p{}</style></head><body>"
        "<nav><ul><li><a href='/'>首页</a></li><li><a href='/b'>关于我们</a></li></ul></nav>"
        f"<div class='content'><h1>检修规程</h1><p>{FIRST * 4}</p><p>{SECOND * 4}</p></div>"
        "<footer>版权所有 <a href='/c'>备案号</a></footer><script>alert(1)</script></body></html>"
    ).encode()


def mhtml() -> bytes:
    """A page as a browser saves it."""
    from email.message import EmailMessage

    message = EmailMessage()
    message.set_content(html().decode(), subtype="html", charset="utf-8")
    message.make_related()
    return message.as_bytes()


def jsonl() -> bytes:
    """Two records."""
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in (FIRST, SECOND)).encode()


def csv() -> bytes:
    """ROWS as Excel in Chinese writes them."""
    return "\r\n".join(",".join(map(str, row)) for row in ROWS).encode("gbk")


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A zip file of members by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return out.getvalue()


def tarred(members: dict[str, str | bytes], mode: str = "w") -> bytes:
    """A tar file of members by name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:  # type: ignore[call-overload]
        for name, content in members.items():
            raw = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            t.addfile(info, io.BytesIO(raw))
    return out.getvalue()


def saved(save: Callable[[io.BytesIO], Any]) -> bytes:
    """What a function writes into a file."""
    out = io.BytesIO()
    save(out)
    return out.getvalue()


BOTH = {"一.txt": FIRST, "b/二.txt": SECOND}
SAMPLES: dict[str, Maker] = {  # files that all hold FIRST and SECOND, or ROWS
    "a.txt": lambda: f"{FIRST}\n{SECOND}".encode("gbk"),
    "a.md": lambda: f"# {FIRST}\n\n{SECOND}".encode(),
    "a.html": html,
    "a.mhtml": mhtml,
    "a.json": lambda: json.dumps([FIRST, {"正文": SECOND}]).encode(),
    "a.jsonl": jsonl,
    "a.ndjson.zst": lambda: zstandard.compress(jsonl()),
    "a.csv": csv,
    "a.tsv": lambda: csv().replace(b",", b"\t"),
    "a.parquet": parquet,
    "a.pdf": pdf,
    "a.docx": docx,
    "a.pptx": pptx,
    "a.xlsx": xlsx,
    "a.ods": ods,
    "a.epub": epub,
    "a.zip": lambda: zipped(dict(BOTH)),
    "a.tar": lambda: tarred(dict(BOTH)),
    "a.tgz": lambda: tarred(dict(BOTH), "w:gz"),
    "a.tar.zst": lambda: zstandard.compress(tarred(dict(BOTH))),
    "a.tar.bz2": lambda: tarred(dict(BOTH), "w:bz2"),
    "a.tar.xz": lambda: tarred(dict(BOTH), "w:xz"),
}
