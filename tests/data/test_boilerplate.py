"""Boilerplate: what a source repeats at its documents' edges goes, what its documents say alike stays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from firesteel.data.dedup.boilerplate import counted, keys_of, repeated, without
from tests.data.corpus import chinese

DISCLAIMER = "本文来源于网络，如有侵权请联系我们删除，仅供学习交流使用。"


def boilerplate(texts: list[str], share: float = 0.1) -> frozenset[int]:
    """What the documents of a source repeat."""
    keys = np.sort(np.array([key for text in texts for key in counted(text)], dtype=np.uint64))
    return frozenset(repeated(keys, len(texts), share).tolist())


def cleaned(texts: list[str], share: float = 0.1) -> list[str]:
    """The documents without it."""
    found = boilerplate(texts, share)
    return [without(text, found)[0] for text in texts]


def body(i: int) -> str:
    """Ten lines that no other document has."""
    return "\n".join(chinese(1000 * i + k, 1) for k in range(10))


def test_headers_and_footers_go_and_nothing_else() -> None:
    texts = [f"某某市第一人民医院内部资料\n首页\n{body(i)}\n地址电话见官网\n{DISCLAIMER}" for i in range(20)]
    assert cleaned(texts) == [body(i) for i in range(20)]


def test_a_notice_goes_when_it_comes_twice_and_stays_when_it_comes_once() -> None:
    texts = [
        body(0) + "\n" + DISCLAIMER + "\n" + body(1),
        body(2) + "\n" + DISCLAIMER + "\n" + body(3),
        *map(body, range(4, 40)),
    ]
    assert not any(DISCLAIMER in text for text in cleaned(texts))
    once = [texts[0], *texts[2:]]
    assert cleaned(once) == once


@pytest.mark.parametrize("number", ["第 {} 页 共 30 页", "Page {} of 30", "- {} -", "{} / 30"])
def test_page_numbers_go_whatever_they_count(number: str) -> None:
    texts = [body(i) + "\n" + number.format(i + 1) + "\n" + body(i + 50) for i in range(12)]
    assert cleaned(texts) == [body(i) + "\n" + body(i + 50) for i in range(12)]


@pytest.mark.parametrize("line", ["第一章 总则", "主诉：", "# 概述", "一、基本情况", "（1）发热", "Diagnosis:"])
def test_headings_and_labels_stay(line: str) -> None:
    texts = [f"{line}\n{body(i)}\n{line}" for i in range(20)]
    assert cleaned(texts) == texts


def test_a_line_inside_stays_unless_half_of_the_documents_have_it() -> None:
    line = "查体：神志清楚，精神尚可，双肺呼吸音清。"
    some = [body(i) + ("\n" + line if i % 4 == 0 else "") + "\n" + body(i + 50) for i in range(40)]
    assert cleaned(some) == some
    most = [body(i) + ("\n" + line if i % 4 else "") + "\n" + body(i + 50) for i in range(40)]
    assert not any(line in text for text in cleaned(most))


def test_few_documents_prove_nothing() -> None:
    texts = [f"本院内部学习资料\n{body(i)}" for i in range(4)]
    assert cleaned(texts) == texts


def test_a_line_is_counted_once_a_document_and_by_where_it_stands() -> None:
    line = "同一行文字出现了很多次"
    text = "\n".join([line, body(1), line, body(2), line])
    assert len(counted("\n".join([line] * 3))) == 1
    kinds = Counter(key & 3 for key in keys_of(text.split("\n")) if key)
    assert len([key for key in keys_of([line, *body(1).split("\n"), line]) if key]) == 12 and len(kinds) == 2


@pytest.mark.parametrize("line", [
    "发布时间：2024-03-{0:02} 来源：本站 浏览次数：{0}37", "某某化工厂操作规程 第 {0} 页 共 30 页",
    "打印时间：2024年3月{0}日 门诊病历",
    "Copyright © 20{0:02} 某某医院", "您是第 {0}991 位访客", "您当前的位置：首页 > 新闻中心 > 正文", "站内搜索：",
])  # fmt: skip
def test_counters_and_dates_in_a_notice_do_not_hide_that_it_is_repeated(line: str) -> None:
    texts = [body(i) + "\n" + line.format(i + 1) + "\n" + body(i + 50) for i in range(12)]
    assert cleaned(texts) == [body(i) + "\n" + body(i + 50) for i in range(12)]


@pytest.mark.parametrize("line", ["国发〔2023〕{0}号", "{0}月生产计划表", "见课本第{0}页第2题，写出计算过程"])
def test_other_lines_with_different_numbers_are_different(line: str) -> None:
    texts = [line.format(i + 1) + "\n" + body(i) for i in range(12)]
    assert cleaned(texts) == texts


def test_what_stood_around_a_line_that_went_is_one_paragraph_apart() -> None:
    texts = [f"{body(i)}\n\n{DISCLAIMER}\n\n{body(i + 50)}" for i in range(12)]
    assert cleaned(texts) == [f"{body(i)}\n\n{body(i + 50)}" for i in range(12)]


def test_short_notes_that_say_the_same_keep_it() -> None:
    texts = [f"体温三十六度五\n{chinese(i, 1)}\n查体未见异常" if i % 4 == 0 else body(i) for i in range(60)]
    assert cleaned(texts) == texts
