"""Reading aids inside Chinese text: pinyin and zhuyin in brackets after a character, and <ruby> mark-up.

A bracket goes only if pypinyin lists that reading for the characters before it: 行（xíng） goes, 我（me） stays.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from firesteel.data.han import HAN

_TONED = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüńňǹḿ"
_LETTERS = rf"a-zɡɑ{_TONED}\u0300\u0301\u0304\u030c\u0308"
# One character class up to the closing bracket: what is inside is judged afterwards, so that no input makes this slow.
_BRACKET = re.compile(
    rf"(?<=[{HAN}])[(（\[［【]([{_LETTERS}1-5\s'’·-]{{1,64}}|[\u3105-\u312fˊˇˋ˙\s]{{1,64}})[)）\]］】]"
)
_BEFORE = re.compile(f"[{HAN}]{{1,8}}$")
_RT = re.compile(r"<rp>[^<>]{0,99}</rp>|<rt>[^<>]{0,99}</rt>", re.I)
_RUBY = re.compile(r"</?(?:ruby|rb|rtc)>", re.I)
_SPLIT = re.compile(r"[\s'’·-]+")


def drop_ruby(text: str) -> tuple[str, int]:
    """The base text of `<ruby>` mark-up, and how many annotations went."""
    if "<ruby" not in text:
        return text, 0
    text, n = _RT.subn("", text)
    return _RUBY.sub("", text), n


def drop_readings(text: str) -> tuple[str, int]:
    """The text without bracketed readings that pypinyin confirms, and how many went."""
    count = 0

    def judge(match: re.Match[str]) -> str:
        nonlocal count
        before = _BEFORE.search(match.string, max(0, match.start() - 8), match.start())
        if not before or not _confirmed(before.group(), match.group(1)):
            return match.group()
        count += 1
        return ""

    return (_BRACKET.sub(judge, text), count) if _BRACKET.search(text) else (text, 0)


def _confirmed(han: str, reading: str) -> bool:
    """Whether `reading` spells the last characters of `han`: taken off from the end, one character's reading at a time."""
    plain = _plain(_SPLIT.sub("", reading))
    if len(plain) == 1 and plain.isascii():
        return False  # （a） is a list label, even after 啊
    rest = {plain}
    for char in reversed(han):
        rest = {r[: -len(one)] for r in rest for one in _readings(char) if r.endswith(one)}
        if "" in rest:
            return True
    return False


def _plain(reading: str) -> str:
    """One spelling for a syllable: textbook letters, composed marks."""
    return unicodedata.normalize("NFC", reading.lower().replace("ɡ", "g").replace("ɑ", "a"))


@cache
def _readings(char: str) -> frozenset[str]:
    """Every reading of a character: with marks, without, with tone digits, and in zhuyin."""
    from pypinyin import Style, pinyin

    styles = (Style.TONE, Style.NORMAL, Style.TONE3, Style.BOPOMOFO)
    return frozenset(r for style in styles for r in pinyin(char, heteronym=True, style=style)[0])
