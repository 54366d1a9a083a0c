"""How much a decoded sample looks like the language of its encoding: 0 noise, 1 a text of common characters.

The wrong table turns prose into rare characters. Measured on windows of Chinese laws, both scripts: the right table
scores 0.5-0.9 and the wrong one below 0.2 from about ten characters on.
"""

from __future__ import annotations

import re
from functools import cache

from firesteel.data.han import COMMON, is_han

GOOD_ENOUGH = 0.25  # a score that we accept
GOOD_ENOUGH_WIDE = 0.5  # the same for UTF-16, where ASCII counts, too
SURE = 0.6  # a score that outweighs that the bytes are valid UTF-8, too
MARKS = frozenset("，。、；：？！“”‘’（）《》「」『』【】〈〉〔〕…—　·～①②③④⑤⑥⑦⑧⑨％＋－０１２３４５６７８９℃×§")
CANTONESE = frozenset("嘅咗嚟唔喺佢哋啲冇嗰咁係乜嘢噉畀仔睇咩喎囉啦嘛嗎叻靚")
HANGUL = frozenset(
    "이다는을에의고하가지로기를한사은도서자어인나리대시해그있일정아수들부것제만라과으여보전주소상면게니원"
    "계유성경장관세요구공적우연동내와신조스개국까중비화년안물모방생무된여야거위실업회했될때할않없"
)
LETTER = re.compile(r"[A-Za-z]")
FOREIGN_RUN = re.compile(r"[^\x00-\x7f]+")
WESTERN = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŸŽž")
WESTERN_MARKS = frozenset("‘’“”–—…•€£¥©®°·«»§¿¡™±²³½¼×\xa0º´")
WESTERN_SHARE = 0.5  # of letters and the like may be outside ASCII around the places where any is


def score(codec: str, sample: str) -> float:
    """How well `sample`, foreign characters with a neighbour each side, fits what `codec` is used for."""
    if codec == "cp1252":
        return _western(sample)
    weight = _WEIGHTS[codec]
    total = count = 0.0
    for run in FOREIGN_RUN.finditer(sample):
        text = run.group()
        count += len(text)
        if len(text) == 1 and _in_a_word(sample, run):
            continue  # one character inside a western word: an accented letter and the byte beside it
        total += sum(map(weight, text))
    return max(0.0, total / count) if count else 0.0


def looks_utf16(sample: str) -> float:
    """How much text without a byte order mark looks like UTF-16: common Han characters, their marks, and ASCII."""
    level = _level_one("gb2312") | _level_one("big5")
    total = 0.0
    for c in sample:
        if c in COMMON or c in MARKS or " " <= c <= "~" or c in "\t\n\r\f":
            total += 1.0
        elif c in level:
            total += 0.4
        elif c < " " or "\ue000" <= c <= "\uf8ff" or c > "\ufffb":
            total -= 1.0
    return total / len(sample) if sample else 0.0


def _in_a_word(sample: str, run: re.Match[str]) -> bool:
    return bool(LETTER.match(sample[run.start() - 1 : run.start()]) or LETTER.match(sample[run.end() : run.end() + 1]))


def _chinese(level: frozenset[str], char: str) -> float:
    if char in COMMON:
        return 1.0
    if char in level:
        return 0.4
    if char in MARKS:
        return 0.5
    if char in _level_one("big5"):  # traditional text in GB18030
        return 0.25
    return -0.3 if "\ue000" <= char <= "\uf8ff" else 0.0


def _japanese(char: str) -> float:
    if "\u3041" <= char <= "\u3096" or char in "、。「」ー":
        return 1.0
    if "\u30a1" <= char <= "\u30fa":
        return 0.6
    return 0.2 if is_han(char) else -0.5  # half-width katakana: what Chinese bytes come out as


def _korean(char: str) -> float:
    if char in HANGUL:
        return 1.0
    if not "\uac00" <= char <= "\ud7a3":
        return 0.0
    return 0.3 if char.encode("euc_kr", "ignore") else -0.5  # syllables that KS X 1001 has no room for are rare


def _western(sample: str) -> float:
    foreign = [c for c in sample if c > "\x7f"]
    letters = sum(1 for c in foreign if c in WESTERN)
    others = sum(1 for c in foreign if c not in WESTERN and c not in WESTERN_MARKS)
    control = sum(1 for c in sample if c < " " and c not in "\t\n\r\f")
    plain = sum(1 for c in sample if c < "\x7f")
    if not foreign or others or control or letters > WESTERN_SHARE * (letters + plain):
        return 0.0
    return 1.0


@cache
def _level_one(standard: str) -> frozenset[str]:
    """Frequently used characters as GB 2312 (rows 16-55) and Big5 (A440-C67E) define them."""
    leads, trails = {
        "gb2312": (range(0xB0, 0xD8), range(0xA1, 0xFF)),
        "big5": (range(0xA4, 0xC7), [*range(0x40, 0x7F), *range(0xA1, 0xFF)]),
    }[standard]
    text = b"".join(bytes((lead, trail)) for lead in leads for trail in trails).decode(standard, errors="ignore")
    return frozenset(filter(is_han, text))


_WEIGHTS = {
    "gb18030": lambda char: _chinese(_level_one("gb2312"), char),
    "cp950": lambda char: _chinese(_level_one("big5"), char),
    "big5hkscs": lambda char: 1.0 if char in CANTONESE else _chinese(_level_one("big5"), char),
    "shift_jis": _japanese,
    "cp949": _korean,
}
