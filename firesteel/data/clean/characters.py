"""Single characters that are no text, or not the character they look like.

HTML entities, invisible and private-use characters, variation selectors after Han, and the radicals and compatibility
forms that PDF extraction writes instead of ordinary characters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from html.entities import name2codepoint

from firesteel.data.han import HAN

_NAMES = {**name2codepoint, "apos": 0x27}
_ENTITY = re.compile(r"&(#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,7})[;；]|&(nbsp)(?![A-Za-z0-9=(])")
# A line about mark-up shows entities on purpose.
_ABOUT_MARKUP = re.compile(r"实体|實體|转义|轉義|entit(?:y|ies)|escap|[`“「『‘\"']&[#\w]{1,9};[`”」』’\"']", re.I)
_CP1252 = bytes(range(0x80, 0xA0)).decode("cp1252", errors="replace")  # what browsers make of &#128; to &#159;

# C0 and C1 without \t \n (U+0085 where it was no line break), soft hyphen,
# zero-width space and BOM, bidi controls, word joiner, fillers, interlinear
# marks, tags, private use, lone surrogates and noncharacters. Zero-width (non-)joiners and variation selectors stay
# where emoji and Indic scripts need them, so not after Han or CJK marks.
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
    f"|(?<=[{HAN}\u3001-\u303f\uff00-\uff60])[\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]+"
)
# U+2E80-2EF3 that are characters by themselves, or the form in which a unified one is written (Unicode's
# EquivalentUnifiedIdeograph); U+2F00-2FD5 have decompositions.
_RADICALS = dict(
    zip(
        "⺁⺄⺅⺆⺈⺉⺊⺌⺍⺎⺏⺐⺒⺓⺔⺖⺗⺘⺙⺛⺜⺝⺞⺟⺠⺡⺢⺣⺤⺥⺦⺧⺨⺩⺫⺬⺭⺯⺰⺱⺲⺳⺶⺹⺺⺻⺼⺾⺿⻀⻁⻂⻃⻄⻅⻆⻈⻉⻋⻌⻍⻎⻏⻐⻑⻒⻓⻔⻖⻗⻘⻙⻚⻛⻜⻝⻟⻠⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳",
        "厂乙亻冂刀刂卜小小兀尣尢巳幺彑忄㣺扌攵旡日月歺母民氵氺灬爫爫丬牛犭王罒示礻糹纟罓罒㓁羊耂肀聿月艹艹艹虎衤覀西见角讠贝车辶辶辶阝钅長镸长门阝雨青韦页风飞食飠饣马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟",
        strict=True,
    )
)


def decode_entities(text: str) -> tuple[str, int]:
    """The text with HTML entities as characters, and how many; a line about mark-up keeps them."""
    if not _ENTITY.search(text):
        return text, 0
    lines, total = text.split("\n"), 0
    for i, line in enumerate(lines):
        if "&" in line and not _ABOUT_MARKUP.search(line):
            new = _ENTITY.sub(_character, line)
            if new != line:
                lines[i], total = new, total + len(_ENTITY.findall(line))
    return "\n".join(lines), total


def _character(match: re.Match[str]) -> str:
    name = match.group(1) or match.group(2)
    if name[0] != "#":
        return chr(_NAMES[name]) if name in _NAMES else match.group()
    code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    if 0x80 <= code < 0xA0:
        return _CP1252[code - 0x80]
    return chr(code) if 0 < code < 0x110000 else ""


def drop_controls(text: str) -> tuple[str, int]:
    """The text without characters that are invisible or private, and how many went; halves of one character join."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass") if _split(text) else text
    new, n = _CONTROLS.subn("", joined)
    return new, n + len(text) - len(joined)


def _split(text: str) -> bool:
    return re.search("[\ud800-\udbff][\udc00-\udfff]", text) is not None


@cache
def _unified() -> dict[int, str]:
    table = {ord(a): b for a, b in _RADICALS.items()}
    return table | {c: unicodedata.normalize("NFKC", chr(c)) for c in range(0x2F00, 0x2FD6)}


def unify(text: str) -> tuple[str, int]:
    """The text with radicals as the characters they stand for, and how many changed."""
    new = text.translate(_unified())
    return new, sum(a != b for a, b in zip(text, new, strict=True))


def compose(text: str) -> tuple[str, int]:
    """The text in NFC, which also unifies the compatibility ideographs from U+F900; 1 if that changed it."""
    return (text, 0) if unicodedata.is_normalized("NFC", text) else (unicodedata.normalize("NFC", text), 1)
