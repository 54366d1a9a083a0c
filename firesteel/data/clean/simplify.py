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

KEPT_LANGUAGES = frozenset({"zh-tw", "zh-hk", "zh-mo", "zh-hant", "lzh", "yue"})  # texts that stay in their own script
_ALSO = "後於菸麽"  # in GB 2312, yet modern simplified text does not use them
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")


def to_simplified(text: str) -> tuple[str, int]:
    """The text in simplified characters, and how many characters changed. Japanese lines (with kana) stay."""
    traditional, simplified = _patterns()
    if not traditional.search(text):
        return text, 0
    if not simplified.search(text) and not _KANA.search(text):
        new = _convert(text)
    else:
        new = "\n".join(_line(line) for line in text.split("\n"))
    return new, sum(1 for a, b in zip(text, new, strict=False) if a != b)


def _line(line: str) -> str:
    traditional, simplified = _patterns()
    if not traditional.search(line) or _KANA.search(line):
        return line
    return line.translate(_one_by_one()) if simplified.search(line) else _convert(line)


def _convert(text: str) -> str:
    """OpenCC's t2s, less its conversions to characters outside the basic plane, which few fonts and texts have."""
    new = str(_opencc("t2s").convert(text))
    if len(new) == len(text) and any(c > "\uffff" for c in new):
        new = "".join(a if b > "\uffff" else b for a, b in zip(text, new, strict=True))
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
def _one_by_one() -> dict[int, str]:
    """Characters that only traditional text uses, with their simplified forms."""
    pairs = zip(_BASIC, _converted("t2s"), strict=True)
    return {ord(a): b for a, b in pairs if a != b and (not _in(a, "gb2312") or a in _ALSO) and _in(b, "gb2312")}


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(traditional only, simplified only) as patterns for one character."""
    pairs = zip(_BASIC, _converted("s2t"), strict=True)
    simplified = "".join(a for a, b in pairs if a != b and not _in(a, "big5"))
    return re.compile(f"[{''.join(map(chr, _one_by_one()))}]"), re.compile(f"[{simplified}]")


def _in(char: str, standard: str) -> bool:
    try:
        return len(char.encode(standard)) > 0
    except UnicodeEncodeError:
        return False
