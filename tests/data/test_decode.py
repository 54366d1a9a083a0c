"""Encodings are told apart by strict decoding and by how Chinese the outcome looks; garbage is refused, never a crash."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.data.read import decode
from firesteel.data.read.decode import UndecodableError, decode_bytes, detect, text_chunks
from tests.data.corpus import chinese, english

SIMPLIFIED = chinese(1)
TRADITIONAL = "國家發展改革委員會說明：這個計畫對於學生和醫療機構有很大的幫助，請大家提出意見。"
CASES = {
    "utf-8": (SIMPLIFIED, "utf-8"),
    "utf-8-sig": (SIMPLIFIED, "utf-8-sig"),
    "utf-16-le with BOM": ("\ufeff" + SIMPLIFIED, "utf-16-le"),
    "utf-16-be with BOM": ("\ufeff" + SIMPLIFIED, "utf-16-be"),
    "utf-32 with BOM": (SIMPLIFIED, "utf-32"),
    "gbk": (SIMPLIFIED, "gbk"),
    "gb18030 four-byte": (SIMPLIFIED + "㐂𠀀", "gb18030"),
    "gbk short": ("你好", "gbk"),
    "gbk chemistry": ("甲苯、乙醇和丙酮的沸点", "gbk"),
    "big5": (TRADITIONAL, "big5"),
    "cp950": (TRADITIONAL + "恒裏碁銹", "cp950"),
    "ascii": (english(1), "ascii"),
    "empty": ("", "utf-8"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_encoding_is_recognised(name: str) -> None:
    text, encoding = CASES[name]
    assert decode_bytes(text.encode(encoding)) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff\xfe\xfd\xfc" * 9 + b"\xff", "not"),
        (b"text\x00more" * 20, "NUL at byte 4: a binary file"),
        ("Übermäßig schön, naïve café".encode("latin-1"), "not utf-8 at byte 0"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "^NUL at byte 8: a binary file$"),
        (SIMPLIFIED.encode() + b"\xe4\xb8", "unexpected end of data"),
        ("привет мирный".encode("cp1251"), "not GB18030 or Big5 either"),  # decodes as rare Han
    ],
)
def test_bytes_that_are_no_text_are_refused_with_the_reason(raw: bytes, why: str) -> None:
    with pytest.raises(UndecodableError, match=why):
        decode_bytes(raw)


def test_a_character_cut_by_a_chunk_border_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "CHUNK", 7)
    for text, encoding in CASES.values():
        assert decode_bytes(text.encode(encoding)) == text.removeprefix("\ufeff")
    with pytest.raises(UndecodableError, match="not utf-8 at byte 30"):
        list(text_chunks(lambda: io.BytesIO("一".encode() * 10 + b"\xff"), "utf-8"))


def test_one_bad_byte_far_into_a_file_refuses_all_of_it() -> None:
    raw = SIMPLIFIED.encode() * 2000 + b"\xff" + b"end"
    with pytest.raises(UndecodableError):
        detect(lambda: io.BytesIO(raw))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(decode_bytes(raw), str)
    except UndecodableError as e:
        assert str(e)
