"""Whether a text is classical Chinese, by its label, by its form (verse) or by its words.

Classical text in traditional characters is not converted: 後 and 后, 乾 and 干, 雲 and 云 differ in meaning there.
"""

from __future__ import annotations

import re
from collections import Counter

from firesteel.data.han import HAN

SAMPLE = 3000  # characters that are enough to judge
PARTICLES = frozenset("矣焉哉乎曰兮也耶歟欤")
FUNCTION = PARTICLES | frozenset("之者而其以乃則则於于豈岂弗孰吾汝爾尔")
# Characters of modern grammar. 了 個 把 occur in classical verse, so a few are allowed.
MODERN = frozenset("的了吗嗎们們这這个個么麼呢吧您她它很給给跟")
_DYNASTY = (
    "先秦|春秋|戰國|战国|西漢|西汉|東漢|东汉|三國|三国|南朝|北朝|南唐|五代|北宋|南宋|[秦漢汉魏晉晋隋唐宋遼辽金元明清]"
)
_AUTHOR = rf"[〔\[（(【［](?:{_DYNASTY})(?:代|朝)?[〕\]）)】］]\s*[{HAN}]{{2,4}}"
_LABEL = re.compile(
    rf"^\s*(?:(?:作者|文体|文體|体裁|體裁|語體|语体|分类|分類|类别|類別|朝代)\s*[:：]\s*)?(?:{_AUTHOR}|[【〔\[（(](?:文言文?|古文|古诗|古詩|原文)[】〕\]）)]"
    rf"|(?:{_DYNASTY})[代朝]?\s*[·•・‧]\s*[{HAN}]{{2,4}}\s*$|(?:文言文?|古文|古诗|古詩|诗经|詩經|楚辭|楚辞|唐诗|唐詩|宋词|宋詞|元曲)\s*$)",
    re.M,
)
_HAN = re.compile(f"[{HAN}]")
_STOP = re.compile("[，。！？；]")
_CLAUSE = re.compile(f"[{HAN}]+")


def is_classical(text: str) -> bool:
    """Whether `text` is classical: labelled so, regular verse, or full of its particles; never with modern grammar."""
    sample = text[:SAMPLE]
    han = _HAN.findall(sample)
    if len(han) < 8 or sum(c in MODERN for c in han) > 0.015 * len(han):
        return False
    head = "\n".join([line for line in sample.split("\n", 12) if line.strip()][:5])
    return _LABEL.search(head) is not None or _is_verse(sample) or _is_prose(han)


def _is_prose(han: list[str]) -> bool:
    """Dense particles. 之 and 者 alone do not count: statutes in traditional script are full of them."""
    particles, words = sum(c in PARTICLES for c in han), sum(c in FUNCTION for c in han)
    return particles >= 0.015 * len(han) and words >= 0.09 * len(han)


def _is_verse(text: str) -> bool:
    """Clauses between ， and 。 of five or seven characters, at least four; of three, four or six, at least eight.

    Short lines above the first clause (title, author, preface to it) do not count.
    """
    lines = text.split("\n")
    head = 0
    while head < min(4, len(lines)) and len(lines[head]) <= 20 and not _STOP.search(lines[head]):
        head += 1
    body = "\n".join(lines[head:])
    lengths = Counter(len(clause) for clause in _CLAUSE.findall(body))
    total = lengths.total()
    long, short = max(lengths[5], lengths[7]), max(lengths[3], lengths[4], lengths[6], lengths[5] + lengths[7])
    return (long >= 4 and long >= 0.8 * total) or (short >= 8 and short >= 0.85 * total)
