"""Characters as numbers: which script a code point belongs to, and how common a Han character is.

`codes` is the text as uint32 [N] code points. `CLASSES` are small integers so that one table look-up and one bincount
describe a whole document.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # for use inside a character class
OTHER, SPACE, DIGIT, LATIN, IDEOGRAPH, KANA, HANGUL, LETTER = range(8)

# The most frequent characters of modern Chinese prose, simplified and then traditional: 60-70 % of running text, but
# about 1 % of text that was decoded with the wrong table. That gap is what tells one from the other.
COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方"
    "多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情"
    "明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给"
    "世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太"
    "量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象"
    "完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔组织单律责委按照依况服技研究"
    "医疗患检查校育课"
    "這個們來爲國說時會對於過發後裏種經麼學現當沒動還進樣開從實軍無與長機關點業將兩間問並應戰頭體見產話內給門兒東聲員論處義幾"
    "認條氣題爾別變總電數報結務場計資許統區隊決馬書則聽卻達強難權設記類據邊張該規萬覺術領確傳師觀讓識帶導爭運筆組織單責況醫療"
    "檢課為裡"
)


def codes_of(text: str) -> np.ndarray:
    """Code points of `text`, uint32 [N]. The text holds no lone surrogates."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def _class_of(code: int) -> int:
    char = chr(code)
    if char.isspace():
        return SPACE
    category = unicodedata.category(char)
    if category == "Nd":
        return DIGIT
    if not category.startswith("L"):
        return OTHER
    for low, high, kind in (
        (0x41, 0x24F, LATIN), (0x1E00, 0x1EFF, LATIN), (0x3040, 0x30FF, KANA), (0xAC00, 0xD7A3, HANGUL),
        (0x3400, 0x4DBF, IDEOGRAPH), (0x4E00, 0x9FFF, IDEOGRAPH), (0xF900, 0xFAFF, IDEOGRAPH),
    ):  # fmt: skip
        if low <= code <= high:
            return kind
    return LETTER


@cache
def _table() -> np.ndarray:
    return np.array([_class_of(c) for c in range(0x10000)], dtype=np.uint8)


def classes_of(codes: np.ndarray) -> np.ndarray:
    """The class of each code point, uint8 [N]; beyond U+FFFF: Han planes are ideographs, the rest is OTHER."""
    if len(codes) == 0 or int(codes.max()) <= 0xFFFF:
        return np.asarray(_table()[codes])
    low = _table()[np.minimum(codes, 0xFFFF)]
    han = (codes >= 0x20000) & (codes <= 0x323AF)
    return np.where(codes > 0xFFFF, np.where(han, IDEOGRAPH, OTHER), low).astype(np.uint8)


def class_counts(codes: np.ndarray) -> np.ndarray:
    """How many characters of each class, int64 [8]."""
    return np.bincount(classes_of(codes), minlength=8)


def is_han(char: str) -> bool:
    """Whether one character is a Han ideograph."""
    code = ord(char)
    return (
        0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x323AF
    )


def script(counts: np.ndarray) -> str:
    """`zh`, `ja`, `ko`, `latin` or `other`, by the share of letters in each script (`counts`: see `class_counts`).

    A Han character says about as much as a word of several letters: a third of the letters is enough for Chinese.
    """
    letters = int(counts[LATIN:].sum())
    if letters == 0:
        return "other"
    east = int(counts[IDEOGRAPH] + counts[KANA])
    if counts[HANGUL] > 0.2 * letters:
        return "ko"
    if counts[KANA] > 0.1 * east and counts[KANA] > 0.05 * letters:
        return "ja"
    if counts[IDEOGRAPH] > 0.3 * letters:
        return "zh"
    return "latin" if counts[LATIN] > 0.5 * letters else "other"
