"""Reading aids inside Chinese text: pinyin and zhuyin in brackets after a character, and <ruby> mark-up.

A bracket goes only if pypinyin lists that reading for the characters before it: 行（xíng） goes, 我（me） stays.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import cache

from firesteel.data.han import HAN

_TONED = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüńňǹḿ"
_PINYIN = rf"[a-zɡɑ{_TONED}\u0300\u0301\u0304\u030c\u0308]+[1-5]?"
_ZHUYIN = r"[˙]?[\u3105-\u312f]+[ˊˇˋ˙]?"
_BRACKET = re.compile(rf"(?<=[{HAN}])[(（\[［【]\s?((?:{_PINYIN}[\s'’·-]?){{1,8}}|(?:{_ZHUYIN}\s?){{1,8}})[)）\]］】]")
_BEFORE = re.compile(f"[{HAN}]{{1,8}}$")
_RT = re.compile(r"<rp>.*?</rp>|<rt>.*?</rt>", re.S | re.I)
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
    parts = [_plain(p) for p in _SPLIT.split(reading) if p]
    if not parts or (len(parts) == 1 and len(parts[0]) == 1 and parts[0].isascii()):
        return False  # a single plain letter is a list label, not a reading
    if 1 < len(parts) <= len(han):
        return all(part in _readings(c) for c, part in zip(han[-len(parts) :], parts, strict=True))
    if len(parts) > 1:
        return False
    for n in range(1, min(4, len(han)) + 1):  # 发展(fāzhǎn): one word for several characters
        joined = itertools.islice(itertools.product(*(sorted(_readings(c)) for c in han[-n:])), 4096)
        if any("".join(readings) == parts[0] for readings in joined):
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
