"""JSON lines by ranges, web pages, CSV and other tables: what becomes a document, and what is left of it."""

from __future__ import annotations

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.data.read import json_lines
from firesteel.data.read.formats import FORMATS, format_of, read_jsonl, splittable
from firesteel.data.read.html import decode_page, page_text
from tests.data.samples import FIRST, ROWS, SAMPLES, SECOND, html, only_error, parquet, read, whole, xlsx


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_gives_its_chinese_text(name: str) -> None:
    text = whole(read(name, SAMPLES[name]()))
    table = all(str(cell) in text for row in ROWS for cell in row)
    assert (FIRST in text and SECOND in text) or table
    assert not set("<>\ufffd\0") & set(text)


def test_suffixes_are_found_whatever_their_case_and_compression() -> None:
    assert all(format_of(f"x{suffix.upper()}") is reader for suffix, reader in FORMATS.items())
    assert format_of("A.TXT") and format_of("b.Docx") and format_of("c.tar.zst") and format_of("x/y.csv.xz")
    assert not format_of("a.doc") and not format_of("gz") and not format_of("a.gz") and not format_of("README")
    assert [splittable(name) for name in ("a.jsonl", "a.NDJSON", "a.jsonl.gz", "a.json")] == [True, True, False, False]


@given(
    st.lists(st.sampled_from(['{"text": "甲"}', '{"text": "second one"}', "", "{broken", '"x"']), max_size=12),
    st.data(),
)
def test_json_lines_are_the_same_however_the_file_is_cut(lines: list[str], data: st.DataObject) -> None:
    raw = "\n".join(lines).encode() + data.draw(st.sampled_from([b"", b"\n"]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=4)))
    ranges = zip([0, *cuts], [*cuts, None], strict=True)
    parts = [piece for start, end in ranges for piece in read_jsonl(lambda: io.BytesIO(raw), 100, start, end)]
    assert parts == list(read_jsonl(lambda: io.BytesIO(raw), 100))
    assert len({piece.position for piece in parts}) == len(parts)


def test_long_lines_at_a_cut_belong_to_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE", 50)
    raw = b"\n".join(json.dumps({"text": "x" * n}).encode() for n in (5, 300, 10, 45, 3))
    everything = list(read_jsonl(lambda: io.BytesIO(raw), 100))
    assert [bool(piece.error) for piece in everything] == [False, True, False, True, False]
    for cut in range(len(raw)):
        halves = [*read_jsonl(lambda: io.BytesIO(raw), 100, 0, cut), *read_jsonl(lambda: io.BytesIO(raw), 100, cut)]
        assert halves == everything


def test_records_under_other_names_keep_their_facts() -> None:
    record = {
        "正文": FIRST,
        "title": "标题",
        "url": "http://a",
        "id": 7,
        "date": "2020-01-02",
        "licence": "CC0",
        "x": 1,
    }
    (piece,) = read("a.jsonl", json.dumps(record).encode())
    assert (piece.text, piece.licence) == (FIRST, "CC0")
    assert piece.meta == {"title": "标题", "url": "http://a", "id": 7, "date": "2020-01-02"}
    (piece,) = read("a.json", b'{"raw_content": "a\\ud800b"}')
    assert piece.text == "a\ufffdb"


def test_menus_and_footers_of_web_pages_are_left_out() -> None:
    (piece,) = read("a.html", html())
    assert piece.meta == {"title": "检修 规程"} and "检修规程" in piece.text
    for furniture in ("首页", "备案号", "alert", "p{}"):
        assert furniture not in piece.text


def test_readings_above_characters_go_and_the_characters_stay() -> None:
    text, _ = page_text(f"<p>{FIRST}<ruby>漢<rp>(</rp><rt>hàn</rt><rp>)</rp></ruby>字{SECOND}</p>")
    assert "漢字" in text and "hàn" not in text and "(" not in text


def test_a_page_of_links_alone_falls_back_to_all_of_its_text() -> None:
    page = "<body><nav>" + "".join(f"<a href='{i}'>第{i}章 检修</a> " for i in range(30)) + "</nav><div>无</div></body>"
    assert "第29章 检修" in page_text(page)[0]


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        (f"<meta charset=gb2312><p>{FIRST}</p>".encode("gbk"), ""),
        ("<meta http-equiv='Content-Type' content='text/html; charset=Big5'><p>貴公司您好</p>".encode("big5"), ""),
        (f"<meta charset=gbk><p>{FIRST}</p>".encode(), ""),  # says one thing and is another
        (f"<p>{FIRST}</p>".encode("utf-16"), ""),
        (f"<p>{FIRST}</p>".encode("gbk"), ""),
        ("<meta charset=windows-1251><p>привет</p>".encode("cp1251"), ""),
        ("<meta charset=no-such><p>你好，世界</p>".encode("gbk"), ""),
        ("<p>привет</p>".encode("koi8-r"), "koi8-r"),
    ],
)
def test_the_encoding_of_a_page_is_what_fits(raw: bytes, charset: str) -> None:
    assert any(word in decode_page(raw, charset) for word in (FIRST, "貴公司您好", "привет", "你好，世界"))


def test_pages_nested_deeply_take_no_long_time() -> None:
    text, _ = page_text("<div>" * 200_000 + FIRST + "<br>" + SECOND)
    assert text == f"{FIRST}\n{SECOND}"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.xlsx", "a.parquet"])
def test_rows_with_a_text_column_are_documents(name: str) -> None:
    table = [
        ("ID", "Content", "标题", "License", "空"),
        (1, FIRST, "甲", "CC0", ""),
        (2.5, "", "", "", ""),
        (3, SECOND, "乙", "", ""),
    ]
    raw = {
        "csv": lambda: "\n".join(",".join(map(str, row)) for row in table).encode("gbk"),
        "tsv": lambda: "\n".join("\t".join(map(str, row)) for row in table).encode(),
        "xlsx": lambda: xlsx(table),
        "parquet": lambda: parquet({name: [row[i] for row in table[1:]] for i, name in enumerate(table[0])}),
    }[name.rpartition(".")[2]]()
    first, second = read(name, raw)
    assert (first.text, first.licence, second.text, second.licence) == (FIRST, "CC0", SECOND, "")
    assert first.meta["标题"] == "甲" and str(first.meta["ID"]) == "1" and "空" not in first.meta
    assert first.position != second.position


def test_fields_may_hold_line_breaks_and_be_long() -> None:
    long = "很长的一段。" * 50_000
    raw = f'id;text\r\n1;"第一行\n第二行; ""引用"""\r\n2;{long}\r\n'.encode()
    first, second = read("a.csv", raw, limit=1_000_000)
    assert first.text == '第一行\n第二行; "引用"' and second.text == long


def test_a_long_table_repeats_its_header_and_loses_no_row() -> None:
    rows = [f"{i},名称{i}" for i in range(500)]
    pieces = read("a.csv", "\n".join(["编号,名称", *rows]).encode(), limit=200)
    assert all(piece.text.startswith("编号\t名称\n") and len(piece.text) <= 200 for piece in pieces)
    assert [line for piece in pieces for line in piece.text.split("\n")[1:]] == [row.replace(",", "\t") for row in rows]
    wide = read("a.csv", ("甲,乙\n" + "字" * 1000 + ",尾").encode(), limit=100)
    assert all(len(piece.text) <= 100 for piece in wide) and sum(p.text.count("字") for p in wide) == 1000


def test_compressed_files_are_read_by_content_and_bombs_refused() -> None:
    raw = f"{FIRST}\n{SECOND}".encode()
    assert whole(read("a.txt.gz", raw)) == whole(read("a.txt", gzip.compress(raw))) == raw.decode()
    assert FIRST in whole(read("a.html", gzip.compress(html())))
    assert "200 times" in only_error(read("a.txt.gz", gzip.compress(b"a" * (30 << 20))))


def test_a_page_that_names_its_encoding_is_read_despite_stray_bytes() -> None:
    page = f'<html><head><meta charset="gb2312"></head><body><p>{FIRST}</p>'.encode("gb18030")
    assert FIRST in whole(read("a.html", page + b"\xff\x80</body></html>"))
