"""The one look at a text never hides what a detector would find; where names end, and names in a record's other strings."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from benchmarks.privacy import family
from firesteel.core import pii, pii_cues
from firesteel.core.pii_names import tables
from firesteel.core.pii_names_table import _HEADS, LATIN_HEADS
from firesteel.core.pii_tag import narrow
from firesteel.data.privacy import protect

KEY = b"k" * 32
HAN = re.compile("[\u4e00-\u9fff]")
WORDS = (
    "微信 V信 VX: 密码：aB1-x9 PASSPORT E12345678 Sk-abcdefghijklmnopqrstuv AKIAABCDEFGHIJKLMNOP 00-1A-2B-3C-4D-5E "
    "00:1a:2b:3c:4d:5e 2001:db8::1 31.230416,121.473701 1990年1月1日生 1990年1月出生 京A12345 a@b.example.com 3号楼 "
    "\u212a \u0130 x#b.cn 10.20.30.44 SSN 123-45-6789 姓名 name contact Mr. Dear Smith 李娜 birth 地址： "
    "朝阳区建国路 138１２３４5678"
).split()


def everything(text: str) -> pii_cues.Look:
    """A look that lets every detector try."""
    digit = re.search("[0-9]", text)
    places = set(range(len(pii_cues.ALL))) - pii_cues.NUMBERED
    return pii_cues.Look(places, digit.start() if digit else -1, True, True, True)


def test_a_look_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    pool = [text for which in "abc" for text, _ in family(which, 4, 2)]
    texts = []
    for _ in range(1500):
        start = rng.randint(0, 20)
        pieces = [rng.choice(WORDS), rng.choice(pool)[start : start + 40], rng.choice(WORDS)]
        if rng.random() < 0.5:
            pieces = rng.choices(WORDS, k=4)
        texts.append(rng.choice((" ", "\n", "", "，")).join(pieces))
    looked = [pii.find(text, names=True) for text in texts]
    monkeypatch.setattr(pii, "look", everything)
    for text, found in zip(texts, looked, strict=True):
        assert pii.find(text, names=True) == found, text


def test_what_the_look_takes_for_granted_about_the_tables() -> None:
    cues = {word: modes for word, (modes, _) in tables().automaton.items()}
    labels = [word for word, modes in cues.items() if modes[0] == "l"]
    assert all(HAN.search(word) for word in cues)  # they are not looked for in texts without Chinese
    assert all(head in LATIN_HEADS or any(label in head for label in labels) for head in _HEADS)


def test_narrowing_keeps_the_places() -> None:
    assert narrow("Ａｚ０９＠－\u2013\u3000京é") == "Az09@--\x20京é"


ENDS = {  # running text -> the names in it: what follows a name decides whether it has two characters or three
    "被告王芳华丽转身": ["王芳"],
    "原告李国庆祝": ["李国"],
    "原告周平安全": ["周平"],
    "证人刘志强调": ["刘志强"],
    "原告陈晓东西不见": ["陈晓东"],
    "原告王建设立公司": [],
}
PREFIXES = {  # a word of the stop list at the start: a name only where the segmenter takes it for one word
    "原告周年华诉": [],
    "任务华主任": [],
    "高速飞教练": [],
    "原告王国平诉": ["王国平"],
    "请黄金荣先生": ["黄金荣"],
}


@pytest.mark.parametrize("text", [*ENDS, *PREFIXES])
def test_where_names_end_and_what_they_may_begin_with(text: str) -> None:
    found = [text[f.start : f.end] for f in pii.find(text, names=True) if f.kind == "name"]
    assert found == (ENDS | PREFIXES)[text]


def record(text: str) -> dict[str, Any]:
    """A record whose file and meta hold a name."""
    return {"text": text, "source": "a/病历-张三.txt", "meta": {"by": "张三 李四", "张三": [1, "张三"], "lang": "zh"}}


def test_names_that_the_text_confirms_go_from_file_and_meta() -> None:
    for text in ("姓名：张三", "姓名：张　三"):
        told = record(text)
        assert protect(told, KEY, names=True) == {"name": 1}
        name = str(told["text"]).partition("：")[2]
        assert name.startswith("[姓名:")
        assert told["source"] == f"a/病历-{name}.txt"
        assert told["meta"] == {"by": f"{name} 李四", name: [1, name], "lang": "zh"}
    for other in (record("你好"), record("姓名：王小明")):  # a name of another record's text is not carried over
        protect(other, KEY, names=True)
        assert (other["source"], other["meta"]) == (record("")["source"], record("")["meta"])
    plain = record("姓名：张三")
    protect(plain, KEY)
    assert plain == record("姓名：张三")


def test_what_is_remembered_depends_on_the_key_and_on_names() -> None:
    def meta(key: bytes, names: bool) -> dict[str, str]:
        meta = {"电话": "13812345678", "姓名": "张三"}
        made: dict[str, Any] = {"text": "", "source": "", "meta": meta}
        protect(made, key, names=names)
        return dict(made["meta"])

    first = meta(KEY, True)
    assert first == meta(KEY, True) != meta(b"o" * 32, True)
    assert meta(KEY, False)["姓名"] == "张三" and first["姓名"].startswith("[姓名:")
