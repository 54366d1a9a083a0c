"""Traditional to simplified: what is converted, and what stays because it is classical or quoted."""

from __future__ import annotations

import pytest

from firesteel.data.clean.classical import is_classical
from firesteel.data.clean.normalise import TRADITIONAL, normalise
from firesteel.data.clean.scripts import CLASSICAL, QUOTED

CONVERTED = {
    "dialogue": ("他說：「我們去國外吧。」她說：「很好。」", "他说：「我们去国外吧。」她说：「很好。」"),
    "book title in its own script": ("他們寫了《紅樓夢》的書評", "他们写了《红楼梦》的书评"),
    "a quotation of mixed script": ("这个说法是“国民經濟”", "这个说法是“国民经济”"),
    "one character": ("他把「乾」字寫得很好", "他把「乾」字写得很好"),
    "phrases": ("乾隆皇后以後在麵館裡，頭髮乾了", "乾隆皇后以后在面馆里，头发干了"),
    "statute": ("違反前項規定者，處新臺幣十萬元之罰鍰", "违反前项规定者，处新台币十万元之罚锾"),
}
QUOTATIONS = [
    "关于《後漢書》的说明",
    "这里说“國破山河在”，请看",
    "“國”字的写法",
    "> 國家發展\n\n这是说明",
    "说明：「學校」",
]
CLASSICS = {
    "verse": "靜夜思\n李白\n床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
    "prose": "子曰：「學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？」",
    "author": "〔唐〕李白\n君不見黃河之水天上來，奔流到海不復回。",
    "label": "文体：文言文\n後數日，驛至，果地震隴西，於是皆服其妙。",
    "primer": "人之初，性本善，性相近，習相遠。茍不教，性乃遷，教之道，貴以專。",
}


@pytest.mark.parametrize("name", CONVERTED)
def test_traditional_text_is_converted(name: str) -> None:
    before, after = CONVERTED[name]
    text, changes = normalise(before)
    assert text == after and changes[TRADITIONAL] == sum(a != b for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("text", QUOTATIONS)
def test_a_traditional_quotation_in_simplified_text_stays(text: str) -> None:
    assert normalise(text) == (text, {QUOTED: 1})


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classical_document_stays(name: str) -> None:
    assert normalise(CLASSICS[name]) == (CLASSICS[name], {CLASSICAL: 1})


def test_a_classical_passage_in_a_simplified_document_stays() -> None:
    text = "原文：\n後數日，驛至，果地震隴西。\n译文：后来驿站传来消息，说这里发生了地震。"
    assert normalise(text) == (text, {CLASSICAL: 1})


def test_the_caller_can_say_that_a_text_is_classical() -> None:
    assert normalise("國家的發展", classical=True) == ("國家的發展", {CLASSICAL: 1})


@pytest.mark.parametrize(
    "text", ["今天天氣很好，我們去公園。", "違反前項規定者，處新臺幣十萬元以下罰鍰。", "國家", "一二三，四五六。"]
)
def test_modern_text_is_not_classical(text: str) -> None:
    assert not is_classical(text)


def test_hostile_quotations_take_linear_time() -> None:
    normalise("这" + "「" * 20_000 + "國" + "“" * 20_000)
    normalise("这\n" + "> 國\n" * 5_000 + "「國」" * 3_000)
