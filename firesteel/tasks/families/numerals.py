"""Numbers in words: Chinese numerals (一百零五, 二〇二四, 三万五) and English ones (one hundred and five)."""

from __future__ import annotations

import re

DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
GROUPS = {"万": 10**4, "亿": 10**8}
DIGIT = "[一二两三四五六七八九]"
SECTION = re.compile(
    rf"(?:(?P<k>{DIGIT})千)?(?P<z1>零)?(?:(?P<h>{DIGIT})百)?(?P<z2>零)?(?:(?P<t>{DIGIT})?(?P<ten>十))?(?P<z3>零)?(?P<u>{DIGIT})?"
)
IDIOMS = re.compile(
    r"一共|一起|一样|一定|一般|一些|一下|一种|一步|第[一二三四五六七八九十]+|万一|统一|唯一|之一|十分|千万|同一|进一步"
)
NUMERAL = "零〇一二两三四五六七八九十百千万亿"
HAN = re.compile(rf"[{NUMERAL}]{{1,32}}")
COUNTED = re.compile(rf"(?P<sign>负?)(?P<number>[{NUMERAL}]{{1,32}})[^{NUMERAL}]{{0,3}}")

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {w: i for i, w in enumerate(SMALL)} | {w: 10 * i for i, w in enumerate(TENS, 2)}
SCALES = {"thousand": 10**3, "million": 10**6}


def han(text: str) -> int | None:
    """What a Chinese numeral is worth; None if nobody writes it so (十十, 一零百)."""
    if not text or any(c not in NUMERAL for c in text):
        return None
    if all(c in DIGITS for c in text):  # 二〇二四: digit by digit
        return int("".join(str(DIGITS[c]) for c in text)) if len(text) == 1 or DIGITS[text[0]] else None
    for group, worth in reversed(GROUPS.items()):
        head, sign, tail = text.rpartition(group)
        if sign:
            return _grouped(head, tail, worth)
    return _section(text, 0)


def _grouped(head: str, tail: str, worth: int) -> int | None:
    above = han(head)
    below = 0 if not tail else DIGITS[tail] * worth // 10 if tail in DIGITS else han(tail.removeprefix("零"))
    if above is None or below is None or not 0 < above < 10**4 or not 0 <= below < worth:
        return None
    return above * worth + below


def _section(text: str, least: int) -> int | None:
    match = SECTION.fullmatch(text)
    if match is None:
        return None
    k, h, t, u = (DIGITS[match[name]] if match[name] else 0 for name in ("k", "h", "t", "u"))
    t = t or (1 if match["ten"] else 0)
    if u and not match["ten"] and not match["z3"] and not match["z2"] and not match["z1"]:
        if match["h"]:
            return k * 1000 + h * 100 + u * 10  # 一百五 is 150
        if match["k"]:
            return k * 1000 + u * 100
    total = k * 1000 + h * 100 + t * 10 + u
    return total if total > least else None


def counted(text: str) -> int | None:
    """What a text is worth that is a Chinese numeral, perhaps with a unit of up to three characters: 四十二个苹果."""
    match = COUNTED.fullmatch(text)
    if match is None or (worth := han(match["number"])) is None:
        return None
    return -worth if match["sign"] else worth


def han_numbers(text: str) -> list[int]:
    """The Chinese numerals of a text, those of idioms (一共, 第一) left out."""
    found = ((m, han(m[0])) for m in HAN.finditer(IDIOMS.sub(" ", text)))
    return [
        -worth if m.start() and text[m.start() - 1 : m.start()] == "负" else worth
        for m, worth in found
        if worth is not None
    ]


def english(text: str) -> int | None:
    """What English number words are worth, from a text that begins with them: "forty-two apples"; None if none."""
    words = text.casefold().replace("-", " ").split()[:16]
    sign = -1 if words and words[0] in ("minus", "negative") else 1
    total = group = read = 0
    for word in words[1 if sign < 0 else 0 :]:
        if word in WORDS:
            if group % 10 or (WORDS[word] >= 10 and group % 100):
                return None  # "one two three" is a list
            group += WORDS[word]
        elif word == "hundred" and group:
            group *= 100
        elif word in SCALES and group:
            total, group = total + group * SCALES[word], 0
        elif not (word == "and" and read):
            break
        read += 1
    return sign * (total + group) if read else None


WORD = "|".join([*WORDS, "hundred", *SCALES])
SPELT = re.compile(rf"\b(?:{WORD})\b(?:[- ](?:and )?(?:{WORD})\b)*", re.I)


def english_numbers(text: str) -> list[int]:
    """The numbers in English words of a text; a lone "one" may be a pronoun and is none."""
    found = (english(m[0]) for m in SPELT.finditer(text) if m[0].casefold() != "one")
    return [n for n in found if n is not None]
