"""Readings in brackets and on lines of their own: gone if they spell the characters, kept otherwise."""

from __future__ import annotations

import pytest

from firesteel.data.clean.annotations import drop_readings, drop_ruby

GONE = {
    "发(fā)展": "发展", "汉语(Hàn yǔ)课": "汉语课", "重庆（Chóngqìng）。": "重庆。", "行（xíng，háng）": "行", "好〔hǎo〕": "好",
    "行［xíng］": "行", "行（xíng ㄒㄧㄥˊ）": "行", "党（dǎng）员（yuán）": "党员", "发（fɑ̄）展": "发展", "女(nv3)": "女",
    "绿（lǜ）": "绿", "的(de)": "的", "发(fa)展": "发展", "花儿（huār）": "花儿", "不（bú）是": "不是", "恪（音kè）守": "恪守",
    "好（hăo）": "好", "女儿（nǚ'ér）": "女儿", "中华人民共和国（Zhōnghuá Rénmín Gònghéguó）": "中华人民共和国",
    "行 (xíng)走": "行走", "行政 [ xíng zhèng ]": "行政", "《诗经》（shī jīng）": "《诗经》",
    "和(he)而(er)不(bu)同(tong)是(shi)说(shuo)人(ren)们(men)的(de)": "和而不同是说人们的",
    "chuáng qián míng yuè guāng\n床前明月光，": "床前明月光，", "床前明月光\nchuáng qián míng yuè guāng": "床前明月光\n",
}  # fmt: skip
KEPT = (
    "我（me）", "他(he)", "和(he)", "米(mi)", "苹果（apple）", "世界卫生组织（who）", "北京(Beijing)", "人工智能（ai）",
    "选项（a）", "函数（max）", "行（hao）", "好（hái）", "（xíng）", "他（hē）",
    "“朝”（zhāo）", "和 (he)", "的 (Beijing)", "好 (mm)", "和(he)男(men)的",
    "nǐ hǎo\n再见吧", "a b c\n一二三", "“行”读作（xíng）",
)  # fmt: skip


@pytest.mark.parametrize("before", GONE)
def test_a_reading_goes(before: str) -> None:
    assert drop_readings(before)[0] == GONE[before]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_reading_stays(text: str) -> None:
    assert drop_readings(text) == (text, 0)


def test_ruby_with_attributes_goes() -> None:
    assert drop_ruby('<ruby class="a">漢<rt lang="zh">hàn</rt></ruby>字') == ("漢字", 1)


@pytest.mark.parametrize(
    "text", ["行（" * 20_000, "行（xíng" + "x" * 50_000, "xíng \n" * 10_000 + "行", "行（xi）" * 5_000]
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    drop_readings(text)
