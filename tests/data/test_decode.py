"""Encodings are told apart by strict decoding and by how Chinese the outcome looks; garbage is refused, never a crash."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.data.read import decode
from firesteel.data.read.decode import UndecodableError, decode_bytes, text_chunks
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
        (bytes(range(128, 256)), "not utf-8 at byte 0"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "^NUL at byte 8: a binary file$"),
        (SIMPLIFIED[:60].encode() + b"\xff" + SIMPLIFIED[:60].encode(), "invalid start byte"),
        (b"\x01\x00\x02\x00\x03\x00" * 40, "NUL at byte 1: a binary file"),
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


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-8-sig"])
def test_a_few_stray_bytes_do_not_lose_a_file_but_many_do(encoding: str) -> None:
    good = (SIMPLIFIED + "\n").encode(encoding) * 10
    assert decode_bytes(good + b"\xff" + good).count("\ufffd") == 1
    for damaged in (good + "中".encode(encoding)[-3:-1], good + "中国".encode(encoding)[:-1]):  # cut at the end
        text = decode_bytes(damaged)
        assert text.startswith(SIMPLIFIED) and text.endswith("\ufffd") and text.count("\ufffd") <= 2
    with pytest.raises(UndecodableError):
        decode_bytes(b"\xff".join([good[:99]] * 30))


PROSE = [  # both scripts, several kinds of text
    "第三条 用人单位自用工之日起即与劳动者建立劳动关系。建立劳动关系，应当订立书面劳动合同。",
    "患者男性，六十二岁，反复咳嗽、咳痰十余年，加重伴气促三天入院。查体：双肺可闻及湿啰音。",
    "编号,名称,数量\n1,轴承,3\n2,密封圈,12\n3,阀门（不锈钢）,40\n",
    "今天下午的会改到三点，地点不变，请大家带好上次的材料，有事请提前说一声，谢谢！",
]
TALES = [
    "貴公司來函敬悉。關於本年度之採購計畫，經與相關單位討論後，擬於下週召開會議，請派員參加。",
    "患者主訴頭痛三天，服用止痛藥後沒有改善，經檢查血壓偏高，建議住院觀察並接受進一步治療。",
    "品名,數量,備註\n螺絲起子,5,庫存不足\n電線,20,請儘速補貨\n",
    "這個週末天氣不錯，我們打算帶孩子去陽明山看花，你們要不要一起來？記得多帶件外套。",
]
MATRIX = [(text, codec) for text in PROSE for codec in ("gb18030", "gbk", "utf-8", "utf-16-le", "utf-16-be", "utf-32")]
MATRIX += [(text, codec) for text in TALES for codec in ("big5", "cp950", "big5hkscs", "utf-8", "utf-16-le", "gb18030")]


@pytest.mark.parametrize("length", [10, 20, 40, 400])
def test_the_matrix_of_texts_encodings_and_lengths_is_exact(length: int) -> None:
    wrong = []
    for text, codec in MATRIX:
        for start in range(0, max(1, len(text) - length), 3):
            part = text[start : start + length] if length < 100 else text * 10
            if decode_bytes(part.encode(codec)) != part:
                wrong.append((part, codec))
    assert not wrong


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Übermäßig schön, naïve café", "latin-1"), ("café", "cp1252"), ("don’t “quote” me – ever", "cp1252"),
        ("Änderung der Größe", "cp1252"), ("±0.5°C © 2020", "cp1252"), ("L'été à Paris était agréable.", "cp1252"),
        ("今日はとても良い天気ですね。", "shift_jis"), ("한국어 문서를 읽는 방법에 대하여 설명한다.", "euc-kr"),
        ("привет мирный", "utf-8"), ("联通", "gbk"), ("香港嘅叻仔嚟咗", "big5hkscs"),
        ("Plain English as Windows Notepad once wrote it.", "utf-16-le"), ("A" * 70_000 + "下面是中文说明", "gbk"),
    ],
)  # fmt: skip
def test_other_texts_are_not_taken_for_chinese(text: str, codec: str) -> None:
    assert decode_bytes(text.encode(codec)) == text


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(decode_bytes(raw), str)
    except UndecodableError as e:
        assert str(e)
