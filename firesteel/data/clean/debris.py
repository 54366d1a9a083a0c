"""What is left where text was lost for good: lines of it are dropped.

锟斤拷 is U+FFFD twice, as UTF-8 bytes (EF BF BD) read as GBK; 烫烫烫 and 屯屯屯 are uninitialised memory (CC, CD); ?? between
Han are characters that a table lacked. A line that mentions such a thing on purpose stays.
"""

from __future__ import annotations

import re

from firesteel.data.han import HAN

LOST = re.compile("锟斤拷|锟斤|烫烫烫|屯屯屯|\ufffd")
_MENTIONED = re.compile("[“「『《\"'‘（(](?:锟斤拷|烫烫烫|屯屯屯)+[”」』》\"'’）)]|乱码|亂碼|编码|編碼|未初始化")
_BOM = re.compile(
    "^(?:ï»¿|锘(?:匡豢|[?\ufffd]))", re.M
)  # a byte order mark, read as Latin-1 or as GBK with its end lost
_LOST_END = re.compile("(?<=[^\n\ufffd])\ufffd(?=[ \t]*$)", re.M)
_HOLE = re.compile(rf"(?<=[{HAN}，。、])(?<![吗呢么嘛吧啊呀谁嗎麼誰])\?+")
_AFTER_HAN = re.compile(rf"\?(?<=[{HAN}，。、]\?)")
_LONE = re.compile(r"^[\s?.,!]*\?{4}[\s?.,!]*$")
_SENTENCE = re.compile(r"[^。！？!?]*[。！？!?]*")
LONG = 300  # characters: of a longer line, only the sentences that are lost go


def drop_lost(text: str) -> tuple[str, int]:
    """The text without lines (in long lines: sentences) whose characters are lost, and how many places changed."""
    text, total = _BOM.subn("", text)
    if "\ufffd" in text:
        text, n = _LOST_END.subn("", text)
        total += n
    if not LOST.search(text) and "????" not in text and not ("?" in text and _AFTER_HAN.search(text)):
        return text, total
    lines = text.split("\n")
    better = [_kept(line) for line in lines]
    total += sum(a != b for a, b in zip(lines, better, strict=True))
    return "\n".join(b for a, b in zip(lines, better, strict=True) if b or not a), total


def _kept(line: str) -> str:
    if not _is_lost(line):
        return line
    if len(line) <= LONG:
        return ""
    return "".join(s for s in _SENTENCE.findall(line) if not _is_lost(s))


def _is_lost(line: str) -> bool:
    if LOST.search(line):
        return "\ufffd" in line or not _MENTIONED.search(line) or len(LOST.findall(line)) > 4
    return "?" in line and (_LONE.match(line) is not None or _is_holed(line))


def _is_holed(line: str) -> bool:
    """Whether `?` stands where Han stood: no question after a particle, and as many as to make a third of the line."""
    holes = [len(hole) for hole in _HOLE.findall(line)]
    if max(holes, default=0) < 2 and len(holes) < 3:
        return False
    han = len(re.findall(f"[{HAN}]", line))
    inside = re.search(rf"[{HAN}]\?+[{HAN}]", line) is not None
    return inside and sum(holes) >= 0.3 * (han + sum(holes)) and han > 0
