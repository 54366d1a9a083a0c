"""Archives: members as files outside, names in old encodings, bombs, encryption, nesting; and garbage in every format."""

from __future__ import annotations

import io
import random
import re
import struct
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from firesteel.data.read import archive, piece, zips
from firesteel.data.read.formats import FORMATS, read_file
from tests.data.samples import FIRST, SAMPLES, SECOND, docx, html, only_error, read, tarred, whole, xlsx, zipped

OUR_MISTAKES = re.compile(r"TypeError|AttributeError|NameError|AssertionError|UnboundLocal|ImportError|ModuleNotFound")


def named(names: list[bytes]) -> bytes:
    """A zip file with these bytes as names of members, without the mark of UTF-8."""
    places = [bytes([65 + i]) * len(name) for i, name in enumerate(names)]
    raw = zipped({place.decode(): f"{i} {FIRST}" for i, place in enumerate(places)})
    for place, name in zip(places, names, strict=True):
        raw = raw.replace(place, name)
    return raw


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["检修规程.txt", "设备/水泵的记录.txt"], "gbk"),
        (["會議紀錄.txt", "採購計畫的說明.txt"], "big5"),
        (["检修规程.txt", "a.txt"], "utf-8"),
    ],
)
def test_names_of_members_are_decoded(names: list[str], encoding: str) -> None:
    raw = named([f"{name:0>12}".encode(encoding) for name in names])
    assert [p.inner for p in read("a.zip", raw)] == [f"{name:0>12}" for name in names]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", encoding=encoding, format=tarfile.GNU_FORMAT) as t:
        t.addfile(tarfile.TarInfo(names[0]), io.BytesIO())
        info = tarfile.TarInfo(names[0])
        info.size = len(FIRST.encode())
        t.addfile(info, io.BytesIO(FIRST.encode()))
    assert {p.inner for p in read("a.tar", out.getvalue())} <= {names[0], names[0].replace(".txt", "#2.txt")}


def test_archives_inside_archives_are_read_to_the_third_level() -> None:
    raw = zipped({"深.txt": FIRST})
    for i in range(2):
        raw = tarred({f"{i}.zip": raw}, "w:gz") if i else zipped({"内.zip": raw, "a.docx": docx(), "b.html": html()})
    pieces = read("a.tgz", raw)
    assert [p.inner for p in pieces] == ["1.zip/内.zip/深.txt", "1.zip/a.docx", "1.zip/b.html"]
    assert "more than 3 levels" in only_error(
        read("a.zip", zipped({"b.zip": zipped({"c.zip": zipped({"d.zip": b"PK\x05\x06"})})}))
    )


def test_other_kinds_inside_are_counted_and_hidden_names_left() -> None:
    skipped: Counter[str] = Counter()
    raw = zipped({"a.txt": FIRST, "b.EXE": "x", "LIESMICH": "x", ".git/c.txt": "x", "__MACOSX/._a.txt": "x"})
    assert whole(read("a.zip", raw, skipped=skipped)) == FIRST and skipped == {".exe": 1, "no suffix": 1}
    assert "found only .exe 1" in only_error(read("a.zip", zipped({"b.exe": "x"})))
    assert only_error(read("a.tar", tarred({}))) == "an empty archive"


def test_paths_of_an_archive_are_names_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["../../out.txt", "/etc/passwd.txt", "C:\\x\\y.txt", "a/../b.txt"]
    for raw, name in ((zipped(dict.fromkeys(names, FIRST)), "a.zip"), (tarred(dict.fromkeys(names, FIRST)), "a.tar")):
        assert [p.inner for p in read(name, raw)] == ["out.txt", "etc/passwd.txt", "C:/x/y.txt", "a/b.txt"]
    assert not list(tmp_path.iterdir())


def test_members_of_the_same_name_have_names_of_their_own() -> None:
    assert [p.inner for p in read("a.tar", tarred({"a.txt": "1", "./a.txt": "2"}))] == ["a.txt", "a#2.txt"]


def test_links_and_devices_in_a_tar_file_are_left() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, kind in (("a.txt", tarfile.SYMTYPE), ("b.txt", tarfile.LNKTYPE), ("c.txt", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/hostname"
            t.addfile(info)
    assert only_error(read("a.tar", out.getvalue())) == "an empty archive"


def test_encrypted_members_say_so_and_the_others_are_read() -> None:
    raw = bytearray(zipped({"a.txt": FIRST, "b.txt": SECOND}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of the first member, in both places
        raw[raw.index(mark) + offset] |= 1
    first, second = read("a.zip", bytes(raw))
    assert first.error == "is protected by a password" and first.inner == "a.txt" and second.text == SECOND


def test_bombs_are_refused_by_what_they_declare_and_by_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped({"a.txt": "a" * (30 << 20), "b.txt": FIRST})
    first, second = read("a.zip", bomb)
    assert "200 times" in first.error and second.text == FIRST
    assert "200 times" in only_error(read("a.docx", zipped({"word/document.xml": "a" * (30 << 20)})))
    assert "200 times" in only_error(read("a.xlsx", zipped({"xl/workbook.xml": "a" * (30 << 20)})))
    assert "200 times" in only_error(read("a.tgz", tarred({"a.txt": "a" * (30 << 20)}, "w:gz")))
    monkeypatch.setattr(zips, "MAX_EXPANDED", 1000)
    assert "declares more" in only_error(read("a.zip", zipped({"a.txt": random.Random(0).randbytes(2000)})))
    monkeypatch.setattr(piece.Budget, "__init__", lambda self: setattr(self, "left", 1000))
    tar = tarred({"a.txt": "a" * 600, "b.zip": zipped({"c.txt": "c" * 900})})
    assert "expands to more" in [p.error for p in read("a.tar", tar)][-1]


def test_a_name_as_long_as_memory_is_refused() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, archive.MAX_HEADER + 1
    raw = info.tobuf() + b"a" * (info.size + 511)
    assert "a header is larger" in only_error(read("a.tar", raw))


def test_damage_in_one_member_leaves_the_others() -> None:
    raw = bytearray(zipped({"a.txt": FIRST * 9, "b.txt": SECOND}))
    raw[45] ^= 0xFF
    first, second = read("a.zip", bytes(raw))
    assert "damaged" in first.error and second.text == SECOND


class Pipe(io.RawIOBase):
    """A stream that cannot seek, as some remote files cannot."""

    def __init__(self, raw: bytes) -> None:
        self._raw = io.BytesIO(raw)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self._raw.readinto(buffer)


@pytest.mark.parametrize("name", SAMPLES)
def test_streams_that_cannot_seek_are_read_all_the_same(name: str) -> None:
    raw = SAMPLES[name]()
    assert list(read_file(name, lambda: io.BufferedReader(Pipe(raw)), 9999)) == read(name, raw, limit=9999)  # type: ignore[arg-type]


def check(name: str, raw: bytes) -> None:
    """Reading never raises, takes a bounded time, and no reason shows a mistake of ours."""
    began = time.monotonic()
    for one in read(name, raw):
        assert isinstance(one.text, str) and not OUR_MISTAKES.search(one.error), (name, one.error)
        one.text.encode("utf-8")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("suffix", FORMATS)
def test_garbage_never_crashes_a_reader(suffix: str) -> None:
    rng = random.Random(suffix)
    for i in range(12):
        raw = rng.randbytes(rng.randint(0, 3000) if i else 0)
        check(f"a{suffix}", raw)
        check(
            f"a{suffix}",
            rng.choice([b"PK\x03\x04", b"%PDF-1.4\n", b"PAR1", b"<html>", b'{"text": "', b"\x1f\x8b\x08"]) + raw,
        )


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_with_bytes_changed_or_cut_never_crash_a_reader(name: str) -> None:
    rng = random.Random(name)
    sample = SAMPLES[name]()
    for i in range(30 if "xls" not in name and "ods" not in name else 8):  # those start a process each
        raw = bytearray(sample)
        for _ in range(200 if i % 2 else 5):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        check(name, bytes(raw))
        check(name, sample[: rng.randrange(len(sample))])


@pytest.mark.parametrize("name", [name for name in SAMPLES if zipfile.is_zipfile(io.BytesIO(SAMPLES[name]()))])
def test_changed_parts_inside_a_sound_zip_never_crash_a_reader(name: str) -> None:
    rng = random.Random(name)
    with zipfile.ZipFile(io.BytesIO(SAMPLES[name]())) as z:
        members = {info.filename: z.read(info) for info in z.filelist}
    for _ in range(30 if name not in ("a.xlsx", "a.ods") else 8):
        changed = dict(members)
        for key in rng.sample(sorted(changed), min(3, len(changed))):
            part = bytearray(changed[key] or b" ")
            for _ in range(rng.choice([1, 5, 60])):
                at = rng.randrange(len(part))
                part[at : at + rng.randrange(30)] = rng.choice([b"", rng.randbytes(3), b"0", b"</", b'="', b"\xff"])
                part = part or bytearray(b" ")
            changed[key] = bytes(part)
        check(name, zipped(changed))


def test_a_workbook_that_wants_too_much_is_one_error() -> None:
    raw = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack("<8I", *range(8)) + "Workbook".encode("utf-16-le") * 99
    assert "no workbook" in only_error(read("a.xls", raw)) and whole(read("a.xlsx", xlsx()))
