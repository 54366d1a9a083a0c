"""Reading aids inside Chinese text: pinyin and zhuyin in brackets or lines of their own, and `<ruby>` mark-up.

A bracket goes only if pypinyin lists that reading for the characters before it: 行（xíng） goes, 我（me） stays. Without
tone marks, what is also an English word, an abbreviation or a unit stays: 和(he), 米(mi), 人工智能(ai); it goes in a text
that is annotated in this way throughout.
"""

from __future__ import annotations

import re

from firesteel.data.clean.spelling import SEPARATORS, TONED, plain, readings, spells_all, spells_end
from firesteel.data.han import HAN

_LETTERS = rf"A-Za-zɡɑ{TONED}{TONED.upper()}\u0300\u0301\u0304\u0306\u030c\u0308"
_ZHUYIN = "\u3105-\u312fˊˇˋ˙"
_LABEL = "(?:汉语拼音|拼音|注音|读音|读作|音|读|念)?[:： ]?"
# One character class up to the closing bracket: what is inside is judged afterwards, so that no input makes this slow.
_BRACKET = re.compile(
    rf"[(（\[［【〔](?<=[{HAN}》 ].){_LABEL}([{_LETTERS}0-5{_ZHUYIN}\s'’·•:，,、/／;；-]{{1,80}})[)）\]］】〕]"
)
_BEFORE = re.compile(f"([{HAN}]{{1,16}})(》? ?)$")
_ALTERNATIVES = re.compile(r"[，,、/／;；]")
_TONE = re.compile(rf"[{TONED}{_ZHUYIN}\u0300\u0301\u0304\u0306\u030c\u0308]|[a-z][1-5]", re.I)
_TONED = re.compile(rf"[{TONED}{_ZHUYIN}\u0304\u030c]")
_RT = re.compile(r"<rp(?:\s[^<>]{0,99})?>[^<>]{0,99}</rp>|<rt(?:\s[^<>]{0,99})?>[^<>]{0,99}</rt>", re.I)
_RUBY = re.compile(r"</?(?:ruby|rb|rtc)(?:\s[^<>]{0,99})?>", re.I)
_HAN = re.compile(f"[{HAN}]")
_PINYIN_LINE = re.compile(rf"^[{_LETTERS}0-5{_ZHUYIN} \t'’·•，。！？；：、,.!?;:“”\"()（）《》-]{{2,600}}$", re.M)
_NOT_SPELLING = re.compile(rf"[^{_LETTERS}0-5{_ZHUYIN}]+")
ANNOTATED = 6  # different readings without tone marks: so many, and (he) after 和 is one more of them
# Toneless spellings that are English words or units as well: no bracket with one of them goes without a tone mark.
ENGLISH = frozenset(
    "ban bang bin can chi china change dan die ding fan fang fen gang gun ha hang he hen hum kung lie line long ma mama man "
    "me men mi mine min mo mu nine pan panda papa pang pen pie pin ping rang ran run sang she shine size song sun sung "
    "sushi tan tang tie tong wan we wo wok you yuan li jin liang mao fu dun ton di ti pi xi nan sui ai us as is it or "
    "die due sue sui rue dong bing king wing ring zen yen won ta bide mange lune bane dance".split()
)


def drop_ruby(text: str) -> tuple[str, int]:
    """The base text of `<ruby>` mark-up, and how many annotations went."""
    if "<ruby" not in text and "<RUBY" not in text:
        return text, 0
    text, n = _RT.subn("", text)
    return _RUBY.sub("", text), n


def drop_readings(text: str) -> tuple[str, int]:
    """The text without readings in brackets or on lines of their own that pypinyin confirms, and how many went."""
    found, toneless = [], set()
    for match in _BRACKET.finditer(text):
        before = _BEFORE.search(text, max(0, match.start() - 18), match.start())
        inside = match.group(1).strip()
        if before and _is_reading(before.group(1), inside):
            space = before.group(2).endswith(" ")
            doubtful = _is_doubtful(inside)
            if not doubtful and not _TONE.search(inside):
                toneless.add(inside)
            found.append((match.start() - space, match.end(), doubtful))
    sure = len(toneless) >= ANNOTATED
    spans = [(start, end) for start, end, doubtful in found if sure or not doubtful]
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    text = "".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)) if spans else text
    text, lines = _drop_lines(text)
    return text, len(spans) + lines


def _is_doubtful(inside: str) -> bool:
    """Whether a reading without tone marks is a word as well: he, me, you."""
    return not _TONE.search(inside) and plain(inside) in ENGLISH


def _is_reading(han: str, inside: str) -> bool:
    """Whether what stands in the bracket is one reading of the last characters, several of them, or two spellings."""
    letters = SEPARATORS.sub("", inside)
    if not letters or (letters.isascii() and len(letters) == 1):
        return False  # （a） is a list label, even after 啊
    if not _TONE.search(inside) and inside != inside.lower():
        return False  # a name such as (Beijing)
    if spells_end(han, _ALTERNATIVES.sub("", inside)):
        return True
    parts = [p for p in _ALTERNATIVES.split(inside) if p.strip()]
    if len(parts) == 1:
        parts = inside.split()  # 行（xíng ㄒㄧㄥˊ）
    return len(parts) > 1 and all(spells_end(han, part) for part in parts)


def _drop_lines(text: str) -> tuple[str, int]:
    """The text without lines of pinyin with tone marks that spell the line after them, or the one before."""
    parts, end, count = [], 0, 0
    for match in _PINYIN_LINE.finditer(text) if _TONED.search(text) else ():
        if match.group().isascii():
            continue  # without tone marks a line is more likely English
        before = text[text.rfind("\n", 0, max(0, match.start() - 1)) + 1 : max(0, match.start() - 1)]
        after = text[match.end() + 1 : match.end() + 602].split("\n", 1)[0]
        if _is_pinyin(match.group(), after) or _is_pinyin(match.group(), before):
            parts.append(text[end : match.start()])
            end, count = min(len(text), match.end() + 1), count + 1
    return ("".join((*parts, text[end:])), count) if count else (text, 0)


def _is_pinyin(line: str, other: str) -> bool:
    """Whether `line` spells the Han of `other`; without tone marks, at least three words must."""
    han = "".join(_HAN.findall(other[:600]))
    if len(han) < 2 or not (len(han) <= len(line) <= 9 * len(han)):
        return False
    spelling = _NOT_SPELLING.sub("", line)
    if not any(plain(spelling[:8]).startswith(one) for one in readings(han[0])):
        return False
    return spells_all(han, spelling)
