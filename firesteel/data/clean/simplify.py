"""Traditional to simplified Chinese, only where the text is traditional.

OpenCC's t2s assumes traditional input: given simplified text it harms characters that both scripts use (坏 becomes 坯
in some words). So a character set decides first: `_traditional` are characters that simplified text does not use,
`_simplified` the other way round. A text with the first and without the second is converted whole; a mixed one line by
line; a mixed line only in its purely traditional characters; a text without traditional characters not at all.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_KEPT_REGIONS = {"tw", "hk", "mo", "hant"}
_ALSO = "後於菸麽"  # in GB 2312, yet modern simplified text hardly uses them: converted only beside another character
# In the table of general standard characters (2013) beside their OpenCC conversions: 毕昇 is a name in simplified text.
_STANDARD = "昇甯谿祇鍾夥瞭勠喆堃邨麯綵緻蘋"
KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")


def keeps_script(lang: str) -> bool:
    """Whether a language tag says that the text stays in its script: zh-TW, zh_Hant_HK, yue, lzh."""
    primary, *rest = lang.lower().replace("_", "-").split("-")
    return primary in ("lzh", "yue") or (primary == "zh" and not _KEPT_REGIONS.isdisjoint(rest))


def to_simplified(text: str) -> tuple[str, int]:
    """The text in simplified characters, and how many characters changed. Japanese lines (with kana) stay."""
    traditional, simplified = patterns()
    if not traditional.search(text):
        return text, 0
    if not simplified.search(text) and not KANA.search(text):
        new = convert(text)
    else:
        new = "\n".join(_line(line) for line in text.split("\n"))
    return new, changed(text, new)


def changed(old: str, new: str) -> int:
    """How many characters differ."""
    return 0 if old == new else sum(1 for a, b in zip(old, new, strict=False) if a != b)


def _line(line: str) -> str:
    traditional, simplified = patterns()
    if not traditional.search(line) or KANA.search(line):
        return line
    return in_place(line) if simplified.search(line) else convert(line)


def in_place(text: str) -> str:
    """Only the purely traditional characters of a mixed text; 於 alone is somebody's name."""
    if not strictly_traditional().search(text):
        return text
    return text.translate(_one_by_one())


def convert(text: str) -> str:
    """OpenCC's t2s, less its conversions to characters outside the basic plane, which few fonts and texts have.

    A quotation of one character that both scripts use is about that character: 「乾」 stays.
    """
    new = str(_opencc("t2s").convert(text))
    if len(new) != len(text) or new == text:
        return new
    if any(c > "\uffff" for c in new):
        new = "".join(a if b > "\uffff" else b for a, b in zip(text, new, strict=True))
    for match in _alone().finditer(text):
        new = new[: match.start()] + match.group() + new[match.end() :]
    return new


@cache
def _opencc(name: str) -> Any:
    from opencc import OpenCC

    return OpenCC(name)


_BASIC = [chr(c) for c in range(0x4E00, 0xA000)]  # the basic block of Han


def _converted(name: str) -> list[str]:
    """Each character of _BASIC by itself, converted."""
    return str(_opencc(name).convert("\n".join(_BASIC))).split("\n")


@cache
def _pairs() -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for a, b in zip(_BASIC, _converted("t2s"), strict=True) if a != b)


@cache
def _one_by_one() -> dict[int, str]:
    """Characters that only traditional text uses, with their simplified forms."""
    return {
        ord(a): b
        for a, b in _pairs()
        if (not _in(a, "gb2312") or a in _ALSO) and _in(b, "gb2312") and a not in _STANDARD
    }


def traditional_only() -> frozenset[str]:
    """Characters that only traditional text uses."""
    return frozenset(map(chr, _one_by_one()))


@cache
def strictly_traditional() -> re.Pattern[str]:
    """One of `traditional_only` that GB 2312 lacks."""
    return re.compile(f"[{''.join(sorted(traditional_only() - set(_ALSO)))}]")


@cache
def _alone() -> re.Pattern[str]:
    shared = "".join(a for a, b in _pairs() if _in(a, "gb2312"))
    return re.compile(f"(?<=[「『“《‘])[{shared}](?=[」』”》’])")


@cache
def patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(traditional only, simplified only) as patterns for one character."""
    pairs = zip(_BASIC, _converted("s2t"), strict=True)
    simplified = "".join(a for a, b in pairs if a != b and not _in(a, "big5"))
    return re.compile(f"[{''.join(sorted(traditional_only()))}]"), re.compile(f"[{simplified}]")


def _in(char: str, standard: str) -> bool:
    try:
        return len(char.encode(standard)) > 0
    except UnicodeEncodeError:
        return False
