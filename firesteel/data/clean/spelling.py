"""Whether Latin letters or zhuyin spell given Han characters: the judge of readings in brackets and of pinyin lines."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

TONED = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüńňǹḿăĕĭŏŭ"
SEPARATORS = re.compile(r"[\s'’·•\-]+")
_BREVES = str.maketrans("ɡɑăĕĭŏŭ", "gaǎěǐǒǔ")  # textbook letters, and the breve that is typed for a caron
# The tones of 一 and 不 change before others, 儿 joins the syllable before it, and dictionaries lack these.
_ALSO = {
    "一": ("yí", "yì", "yao"),
    "不": ("bú",),
    "儿": ("r",),
    "兒": ("r",),
    "这": ("zhèi",),
    "那": ("nèi",),
    "哪": ("něi",),
}


def plain(reading: str) -> str:
    """One spelling for a reading: composed, lower case, textbook letters, no separators, ü as v where no tone is."""
    letters = unicodedata.normalize("NFC", SEPARATORS.sub("", reading).lower().translate(_BREVES))
    letters = letters.translate(_BREVES).replace("u:", "ü")
    return re.sub("(?<=[a-zǎāáàěēéèǐīíìǒōóòǔūúù])[05]", "", letters).replace("ü", "v")


@cache
def readings(char: str) -> frozenset[str]:
    """Every reading of a character: with marks, without, with tone digits, and in zhuyin, as `plain` spells them."""
    from pypinyin import Style, pinyin

    styles = (Style.TONE, Style.NORMAL, Style.TONE3, Style.BOPOMOFO)
    found = [r for style in styles for r in pinyin(char, heteronym=True, style=style)[0] if r != char]
    return frozenset(plain(r) for r in (*found, *_ALSO.get(char, ())))


def spells_end(han: str, reading: str) -> bool:
    """Whether `reading` spells the last characters of `han`: taken off from the end, one character at a time."""
    rest = {plain(reading)}
    if rest == {""}:
        return False
    for char in reversed(han):
        rest = {r[: -len(one)] for r in rest for one in readings(char) if r.endswith(one)}
        if "" in rest:
            return True
    return False


def spells_all(han: str, reading: str) -> bool:
    """Whether `reading` spells exactly `han`, of which at most 200 characters are looked at."""
    rest = {plain(reading)}
    for char in han[:200]:
        rest = {r[len(one) :] for r in rest for one in readings(char) if r.startswith(one)}
    return "" in rest
