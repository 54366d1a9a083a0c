"""Wrong encodings: what is repaired, what is dropped, and that clean text is left alone."""

from __future__ import annotations

import pytest

from firesteel.data.clean.debris import drop_lost
from firesteel.data.clean.mojibake import repair
from firesteel.data.clean.normalise import normalise
from tests.data.corpus import chinese, english

TEXT = "我们的学生在医院工作"
TRADITIONAL = "我們的學生在醫院工作，生活很好。"


def latin(raw: bytes) -> str:
    """Bytes as Windows shows them, C1 controls where it has no character."""
    return "".join(bytes([b]).decode("cp1252", errors="ignore") or chr(b) for b in raw)


REPAIRED = {
    "UTF-8 as GBK": (TEXT.encode().decode("gb18030"), TEXT),
    "UTF-8 as GBK, twice": ("你好世界".encode().decode("gb18030").encode().decode("gb18030"), "你好世界"),
    "UTF-8 as GBK, in clean text": ("标题：" + "你好".encode().decode("gb18030") + "，正文", "标题：你好，正文"),
    "UTF-8 as GBK, cut": ("浣犲ソ锛?", "你好"),
    "UTF-8 as GBK, lost end": ("浣犲ソ锛\ufffd 后面", "你好 后面"),
    "UTF-8 as GBK, lost byte 80": ("税率、期限".encode().decode("gbk", "replace"), "税率、期"),
    "English quotation marks as GBK": ("don鈥檛", "don’t"),
    "GBK as Latin": (latin(TEXT.encode("gbk")), TEXT),
    "GBK as Latin, in clean text": ("你好ÄãºÃÊÀ½ç", "你好你好世界"),
    "UTF-8 as Latin": (latin(TEXT.encode()), TEXT),
    "UTF-8 as Latin, space for A0": ("ä½ å¥½", "你好"),
    "UTF-8 as Latin, twice": (latin(latin(TEXT.encode()).encode()), TEXT),
    "Big5 as GBK": (TRADITIONAL.encode("cp950").decode("gb18030"), TRADITIONAL),
    "Big5 as Latin": (latin(TRADITIONAL.encode("cp950")), TRADITIONAL),
    "GBK as Big5": ("每个孩子都有自己的名字".encode("gbk").decode("cp950"), "每个孩子都有自己的名字"),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_wrong_encodings_are_repaired(name: str) -> None:
    damaged, whole = REPAIRED[name]
    assert repair(damaged)[0] == whole


@pytest.mark.parametrize(
    "text",
    [
        chinese(5), english(5), "恪尽职守，恪变法", "これは日本の文章です。とても良い本を読んだ", "ÀÁÂÃÄÅÆÇÈÉ",
        "Ça va, naïve café",
        "鈥是一个罕见的字", "他说——……好", "Приветствую вас", "浣熊和犲狼", "ÄÖÜäöüß Größe", "娼妓、绶带、鱀豚、氰化钠、苄胺",
    ],
)  # fmt: skip
def test_clean_text_is_left_alone(text: str) -> None:
    assert repair(text) == (text, 0)


DROPPED = {
    "replacement characters": ("坏\ufffd\ufffd了\n留下", "留下"),
    "one at the end": ("好\ufffd\n留下", "好\n留下"),
    "锟斤拷": ("锟斤拷锟斤拷\n留下", "留下"),
    "memory": ("烫烫烫烫\n屯屯屯\n留下", "留下"),
    "holes": ("你??好??\n????\n我?爱?北?京\n留下", "留下"),
    "byte order mark": ("锘?第一行\nï»¿第二行", "第一行\n第二行"),
    "only the sentence of a long line": ("很好。" * 120 + "坏\ufffd了。" + "就这样。", "很好。" * 120 + "就这样。"),
}


@pytest.mark.parametrize("name", DROPPED)
def test_what_is_lost_goes(name: str) -> None:
    before, after = DROPPED[name]
    text, n = drop_lost(before)
    assert text == after and n


@pytest.mark.parametrize(
    "text",
    [
        "「锟斤拷」是一种乱码",
        "未初始化的内存显示为烫烫烫",
        "真的吗??你说呢??",
        "他来不来??大家都在等他们的消息",
        "what?? no",
        "a ? b : c",
    ],
)
def test_what_only_mentions_it_stays(text: str) -> None:
    assert drop_lost(text) == (text, 0)


@pytest.mark.parametrize("text", ["浣犲ソ锛" * 5000, "Äã " * 8000, "锛?" * 9000, "你?" * 9000, "鈥" * 20000])
def test_hostile_text_takes_linear_time(text: str) -> None:
    repair(text)
    drop_lost(text)


@pytest.mark.parametrize("line", ["公司", "公里和里程，以及其他规定。", "国务院公安部门（公章）"])
def test_a_c1_next_line_inside_utf8_as_latin_1_is_no_line_break(line: str) -> None:
    assert normalise(line.encode().decode("latin-1"))[0] == line


def test_a_c1_next_line_between_other_characters_is_a_line_break() -> None:
    assert normalise("one\x85two\x85甲\x85乙")[0] == "one\ntwo\n甲\n乙"


def test_utf8_as_latin_with_bytes_left_out_is_lost_unless_they_are_few() -> None:
    text = "生活在和平年代，按照有关和平规定，取得前者"
    shown = text.encode().decode("cp1252", errors="ignore")  # two of 63 bytes went
    assert normalise(f"甲\n{shown}\n乙{shown}")[0] == "甲"
    few = "本办法自公布之日起施行。" + "我们的学生在医院工作，生活很好，" * 3 + "还取"
    assert normalise(few.encode().decode("cp1252", errors="ignore"))[0] == few[:-1]
