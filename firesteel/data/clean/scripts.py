"""Which parts of a document are converted to simplified characters, and which stay because somebody meant them so.

A quotation in another script than its surroundings is deliberate: traditional text inside 「」 『』 “” 《》 or a markdown
block quote stays when its line, or else its document, is simplified. Where the surroundings are traditional themselves,
「」 is just how dialogue is written, and it is converted with them. Classical text stays: a document as a whole, or a
traditional line in a simplified document that is classical or stands under a heading 原文.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from firesteel.data.clean.classical import is_classical
from firesteel.data.clean.simplify import KANA, changed, convert, in_place, patterns
from firesteel.data.han import HAN

CLASSICAL, QUOTED = "classical text kept", "quotation kept"
_QUOTATION = re.compile(
    r"「[^「」]{1,600}」|『[^『』]{1,600}』|“[^“”]{1,600}”|《[^《》\n]{1,100}》|〈[^〈〉\n]{1,100}〉"
    r"|^[ ]{0,3}>[^\n]*(?:\n[ ]{0,3}>[^\n]*)*",
    re.M,
)
_HAN, _LATIN = re.compile(f"[{HAN}]"), re.compile("[A-Za-z]")
LATIN_A_HAN = 8  # Latin letters for one Han character, from which a text is not Chinese
_ORIGINAL = re.compile(r"^\s*[#【〔\[（(*]*\s*(?:原文|古文|文言文|正文)\s*[】〕\])）*]*\s*[:：]?\s*$")
_HEADING = re.compile(
    r"^\s*(?:#|[【〔\[（(*]*\s*(?:译文|譯文|翻译|翻譯|注释|註釋|今译|白话|白話|赏析|賞析|解析|说明|說明))"
)


@dataclass(frozen=True)
class Script:
    """A text after conversion, how many characters changed, and how many passages of which kind were kept."""

    text: str
    changed: int
    kept: Counter[str]


def simplify(text: str, *, classical: bool = False) -> Script:
    """The document in simplified characters but for classical text and quotations; `classical` says that it is one."""
    traditional, simplified = patterns()
    if not traditional.search(text) or _foreign(text):
        return Script(text, 0, Counter())
    if classical or is_classical(text):
        return Script(text, 0, Counter({CLASSICAL: 1}))
    if not simplified.search(text) and not KANA.search(text):
        new, kept = convert(text), Counter[str]()
    else:
        new, kept = _by_line(text)
    return Script(new, changed(text, new), kept)


def _foreign(text: str) -> bool:
    """Whether a text is in another language, with Han only for names: Tokyo (東京) in English keeps its characters."""
    return len(_HAN.findall(text)) * LATIN_A_HAN < len(_LATIN.findall(text))


def _by_line(text: str) -> tuple[str, Counter[str]]:
    traditional, simplified = patterns()
    spans = [m.span() for m in _QUOTATION.finditer(text)]
    outside = "".join(_outside(text, 0, len(text), spans))
    native = len(simplified.findall(outside)) >= len(traditional.findall(outside)) and bool(simplified.search(outside))
    out, kept, start, k, original = [], Counter[str](), 0, 0, False
    for line in text.split("\n"):
        end = start + len(line)
        while k < len(spans) and spans[k][1] <= start:
            k += 1
        inside = []
        for a, b in spans[k:]:
            if a >= end:
                break
            inside.append((max(a, start) - start, min(b, end) - start))
        original = bool(_ORIGINAL.match(line)) or (original and not _HEADING.match(line))
        out.append(_line(line, inside, native, original, kept))
        start = end + 1
    return "\n".join(out), kept


def _outside(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> list[str]:
    edges = [start, *(x for span in spans for x in span), end]
    return [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _line(line: str, spans: list[tuple[int, int]], native: bool, original: bool, kept: Counter[str]) -> str:
    """One line of a mixed document; `native`: the document is simplified, `original`: a heading says 原文."""
    traditional, simplified = patterns()
    if not traditional.search(line) or KANA.search(line):
        return line
    outside = "".join(_outside(line, 0, len(line), spans))
    if simplified.search(outside) or (native and not traditional.search(outside)):
        return _keep_quotations(line, spans, kept)
    if native and (original or is_classical(line)):
        kept[CLASSICAL] += 1
        return line
    return in_place(line) if simplified.search(line) else convert(line)


def _keep_quotations(line: str, spans: list[tuple[int, int]], kept: Counter[str]) -> str:
    traditional, simplified = patterns()
    parts, end = [], 0
    alone = in_place(line) == line  # 於 alone, outside or inside
    for a, b in spans:
        parts.append(line[end:a] if alone else in_place(line[end:a]))
        quoted = line[a:b]
        deliberate = traditional.search(quoted) and not simplified.search(quoted)
        kept[QUOTED] += bool(deliberate)
        parts.append(quoted if deliberate else in_place(quoted))
        end = b
    return "".join((*parts, line[end:] if alone else in_place(line[end:])))
