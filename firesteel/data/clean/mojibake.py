"""Text that was decoded with the wrong table: repair what can be repaired, drop the lines that cannot.

Chinese: UTF-8 bytes read as GBK (`浣犲ソ` for 你好), which ftfy does not know. Accepted only if it round-trips exactly
and the share of common Han characters rises. Latin-family text: ftfy.
"""

from __future__ import annotations

import re
from functools import cache

from firesteel.data.han import HAN, common_share

# What replacement characters and uninitialised memory look like after GBK: 锟斤拷 (EF BF BD twice), 烫烫烫 (CC),
# 屯屯屯 (CD).
LOST = re.compile("锟斤拷|烫烫烫|屯屯屯|\ufffd")
_HAN = re.compile(f"[{HAN}]")
# Bytes C2-F4, which begin a character in UTF-8, as the Latin, Greek, Cyrillic, DOS and Mac tables show them, and one
# byte more.
_LATIN_LEAD = re.compile("[\x80-\u052f\u2500-\u257f√≈≠∞∂∏π](?:[\x80-\u2fff]|(?<=Ã) )")


@cache
def _suspects() -> re.Pattern[str]:
    """Two GBK characters in a row whose bytes could be UTF-8 of Chinese.

    A run of UTF-8 Chinese is (E4-E9, x, x)(E4-E9, x, x): as byte pairs, every third pair has its lead byte in that
    range and the next ones have both bytes in 80-BF or E4-E9. The sets below are those characters.
    """
    lead, tail = [0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEF], range(0x80, 0xC0)
    first = _gbk(lead, tail)
    second = _gbk(tail, [*lead, *tail])
    return re.compile(f"[{first}](?:[{second}]|$)")


def _gbk(leads: object, trails: object) -> str:
    pairs = b"".join(bytes((a, b)) for a in leads for b in trails if b != 0xFF)  # type: ignore[attr-defined]
    return "".join(re.escape(c) for c in sorted(set(pairs.decode("gb18030", errors="ignore"))) if c > "\x7f")


def repair(text: str) -> tuple[str, int]:
    """The text with every repairable line repaired, and how many lines were."""
    gbk, latin = _suspects().search(text), _LATIN_LEAD.search(text) and _is_bad(text)
    if not gbk and not latin:
        return text, 0
    lines, changed = text.split("\n"), 0
    for i, line in enumerate(lines):
        better = _from_gbk(line) if gbk else line
        if better == line and latin and not _HAN.search(line):
            better = _from_latin(line)
        if better != line:
            lines[i] = better
            changed += 1
    return "\n".join(lines), changed


def drop_lost(text: str) -> tuple[str, int]:
    """The text without lines whose bytes are lost for good, and how many there were."""
    if not LOST.search(text):
        return text, 0
    lines = text.split("\n")
    kept = [line for line in lines if not LOST.search(line)]
    return "\n".join(kept), len(lines) - len(kept)


def _from_gbk(line: str) -> str:
    """The line read as UTF-8 where it had been read as GBK; the line itself if that is not what happened.

    The way back is exact: GB 18030 has its own bytes for every character, and UTF-8 decodes strictly.
    """
    try:
        better = line.encode("gb18030").decode("utf-8")
    except UnicodeError:
        return line
    return better if common_share(better) > common_share(line) else line


def _is_bad(text: str) -> bool:
    """ftfy's own test for text in the wrong Latin-family encoding; C1 controls are the surest sign."""
    from ftfy.badness import is_bad

    return bool(is_bad(text))


def _from_latin(line: str) -> str:
    from ftfy import fix_encoding

    return str(fix_encoding(line))
