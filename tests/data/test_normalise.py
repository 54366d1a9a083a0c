"""Normalisation, Chinese first: what changes, what must not, and that twice is once."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firesteel.data.clean.normalise import KEPT, RULES, normalise
from tests.data.corpus import chinese, english

CHANGES = {  # before, after, the rule
    "digits": ("２０２４年ＡＢｃ", "2024年ABc", "full-width letters and digits"),
    "latin line": ("Ｈｅｌｌｏ，ｗｏｒｌｄ！", "Hello,world!", "full-width symbols"),
    "operators": ("若Ａ＋Ｂ＝Ｃ，则增长５０％。", "若A+B=C，则增长50%。", "full-width symbols"),
    "indent": ("　　第一段\n　　第二段", "第一段\n第二段", "paragraph indents"),
    "wide space": ("第一条　内容", "第一条 内容", "spaces"),
    "zero width": ("零\u200b宽\ufeff", "零宽", "control characters"),
    "lone surrogate": ("a\ud800b", "ab", "control characters"),
    "bell": ("叮\x07咚", "叮咚", "control characters"),
    "windows lines": ("一\r\n二\r三", "一\n二\n三", "line breaks"),
    "mojibake gbk whole": ("浣犲ソ", "你好", "wrong encoding repaired"),
    "mojibake sentence": (
        "我们的学生在医院工作".encode().decode("gb18030"), "我们的学生在医院工作", "wrong encoding repaired",
    ),
    "mojibake latin": ("cafÃ© rÃ©sumÃ©", "café résumé", "wrong encoding repaired"),
    "mojibake latin of Chinese": ("ä¸\xadæ–‡", "中文", "wrong encoding repaired"),
    "lost line": ("好的一行\n锟斤拷锟斤拷\n另一行", "好的一行\n另一行", "unrecoverable lines dropped"),
    "lost memory": ("烫烫烫烫\n留下", "留下", "unrecoverable lines dropped"),
    "replacement": ("坏\ufffd了\n留下", "留下", "unrecoverable lines dropped"),
    "replacement at the end": ("好\ufffd\n留下", "好\n留下", "unrecoverable lines dropped"),
    "entities": ("你好&nbsp;A&amp;B&#x4f60;", "你好 A&B你", "entities"),
    "pdf radicals": ("⼀⻅⼈", "一见人", "radicals"),
    "spaced out": ("中 华 人 民 共 和 国", "中华人民共和国", "spaces inside words"),
    "shouting": ("真的！！！！！！\n-----", "真的！！！\n---", "repeated marks"),
    "variation selector": ("葛\U000e0100\ufe0f", "葛", "control characters"),
    "private use": ("第\ue000一", "第一", "control characters"),
    "full-width address": (
        "见ｗｗｗ．ａ．ｃｏｍ／ｂ？ｃ＝１。", "见www.a.com/b?c=1。", "full-width symbols",
    ),
    "full-width time": ("时间１０：３０", "时间10:30", "full-width symbols"),
    "pinyin": ("发(fā)展", "发展", "readings"),
    "pinyin wide brackets": ("行（xíng）走，银行（háng）", "行走，银行", "readings"),
    "pinyin of a word": ("发展(fāzhǎn)中，长城（cháng chéng）", "发展中，长城", "readings"),
    "pinyin with digits": ("好(hao3)的", "好的", "readings"),
    "zhuyin": ("重（ㄓㄨㄥˋ）要", "重要", "readings"),
    "ruby": ("<ruby>漢<rp>(</rp><rt>ㄏㄢˋ</rt><rp>)</rp></ruby>字", "汉字", "ruby"),
    "traditional": ("國家發展改革委員會", "国家发展改革委员会", "traditional to simplified"),
    "mixed line": ("土坏了，国民經濟", "土坏了，国民经济", "traditional to simplified"),
    "phrase": ("乾燥的後天，皇后", "干燥的后天，皇后", "traditional to simplified"),
    "nfd": ("e\u0301te\u0301", "été", "composed form"),
    "blank lines": ("一  \n\n\n\n二\n", "一\n\n二", "white space"),
}  # fmt: skip

STAYS = {
    "punctuation": "他说：“好！”（真的？）；《书》、…—— 就这样。",
    "compatibility forms": "面积 100㎡，第①条，℃，Ⅳ。",
    "latin in Chinese": "支持GPU，CPU和NPU；时间10：30",
    "not a reading": "我（me）和他（she），选项（a），函数（max）",
    "simplified with shared characters": "显著的著作，乾隆年间，土坏了，瞭望塔，于是里面",
    "japanese": "これは國です。発展",
    "rare but real": "恪尽职守，伽利略，娼、绶。鱀豚",
    "bytes that could be UTF-8": "恪变法",
    "emoji": "👩‍👩‍👧 ❤️ 好",
    "quotation marks and ranges": "面积５～１０㎡".replace("５", "5").replace("１０", "10"),
    "markup shown": "用`&lt;`表示小于号，写作“&amp;”",
    "series": "甲 乙 丙 丁",
    "names": "於梨华说，毕昇发明了活字印刷",
    "markdown": "# 标题\n\n- 一\n    - 二\n\n```\ncode   x\n```",
    "accents": "Ça va, naïve café — “quoted” £5",
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_rule_makes_its_change_and_says_so(name: str) -> None:
    before, after, rule = CHANGES[name]
    text, changes = normalise(before)
    assert text == after
    assert rule in changes or rule == ""


@pytest.mark.parametrize("name", STAYS)
def test_what_is_right_stays_as_it_is(name: str) -> None:
    assert normalise(STAYS[name]) == (STAYS[name], {})


@pytest.mark.parametrize("text", [chinese(3), english(3)])
def test_clean_prose_is_not_touched(text: str) -> None:
    assert normalise(text) == (text, {})


@pytest.mark.parametrize("lang", ["zh-TW", "zh-hk", "zh_Hant_TW", "yue"])
def test_tagged_texts_keep_their_script(lang: str) -> None:
    text, changes = normalise("國家發展２０", lang)
    assert text == "國家發展20" and "traditional to simplified" not in changes
    assert normalise("國家", "zh-CN")[0] == "国家"
    assert normalise("國家", simplify=False)[0] == "國家"


def test_gb18030_gives_every_character_back() -> None:  # so that a repair is exact by construction
    for code in (*range(0xD800), *range(0xE000, 0x110000, 7)):
        assert chr(code).encode("gb18030").decode("gb18030") == chr(code)


def test_changes_count_places() -> None:
    _, changes = normalise("２０２４\n１２")
    assert changes["full-width letters and digits"] == 6


MESSY = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "国國發后後於乾著浣犲ソ锛屼銆锘锟斤拷烫Ã©éÄãºÃä½（）()[]xíng行ㄓㄨ１Ａａ，％＋：？.w \t\n\r\u3000\u200b\u200d\u0301"
            "\ufe0f\ufffd\ue000<>rubyt/&nbspam;#38x⼀⻅豈「」“”《》>之乎者也矣的了吗?!-=_~`…—。"
        ),
        st.characters(),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(MESSY)
@example("<ru<rt>x</rt>by>")
@example("e\u200b\u0301")
@example("浣犲ソ浣犲ソ")
@example("行（<ruby>xíng</ruby>）")
@example("\u3000\u3000\n\n \n\n\u3000國")
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once, _ = normalise(text)
    twice, changes = normalise(once)
    assert twice == once and not set(changes) - set(KEPT)
    once.encode()  # no lone surrogates


def test_the_rules_have_unique_names() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    "text", ["，" * 20_000 + "中", "(" * 20_000, "行（" + "xing" * 5000, "<ruby" + "<rt>" * 5000, "Ã©" * 5000]
)
def test_hostile_texts_take_no_longer_than_long_ones(text: str) -> None:
    normalise(text)


@pytest.mark.parametrize("text", [
    "The use of writing\u00a0– as well as the resulting phenomena – is a sign of civilisation.",
    "Kinoshita Tōkichirō  and Hashiba Hideyoshi , was a samurai.", "Quetzalcōātl", "Peñón de Vélez de la Gomera",
    "otolaryngology\u00a0–\u00a0head and neck surgery", "Ða er ekki rétt – Þetta er íslenska.", "Привет, мир — это текст.",
    "Ελληνικά και ἀρχαῖα", "Tiếng Việt có nhiều dấu: ấ ộ ữ ệ ở", "Łódź, Kraków i Gdańsk leżą w Polsce",
])  # fmt: skip
def test_text_in_other_languages_is_not_taken_for_damaged_chinese(text: str) -> None:
    clean, changes = normalise(text)
    assert "wrong encoding repaired" not in changes and not any("\u4e00" <= c <= "\u9fff" for c in clean)


def test_han_in_a_text_of_another_language_keeps_its_script() -> None:
    text = "Tokyo (東京) is the capital of Japan and one of its largest cities, with many universities (大學)."
    assert normalise(text)[0] == text
    assert normalise("東京是日本的首都（Tokyo），這裡有很多大學。")[0] == "东京是日本的首都（Tokyo），这里有很多大学。"


INDENTED = {
    "\u00a0\u00a0\u00a0\u00a0第一条": "第一条", "\u2003\u2003为了": "为了", " \u00a0 （一）": "（一）", "\u3000\u3000if": "if",
    "\u00a0\u00a0\u00a0\u00a0return x": "    return x", "    第一条": "    第一条",
}  # fmt: skip


@pytest.mark.parametrize("text", INDENTED)
def test_indents_of_prose_go_and_those_of_programs_stay(text: str) -> None:
    assert normalise("甲乙\n" + text)[0] == "甲乙\n" + INDENTED[text]
