"""Full-width letters, digits and symbols: Latin text set on the Chinese grid.

Letters and digits always become ASCII. Symbols do where the context is Latin: between letters or digits, in an
address, or in a line without CJK. Chinese punctuation stays (no NFKC: it would fold ， ！ ① ㎡).
"""

from __future__ import annotations

import re

from firesteel.data.han import HAN

_WIDE = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
_WIDE_TABLE = {c: c - 0xFEE0 for c in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_RARE = "＂＃＄％＆＇＊＋－．／＜＝＞＠＼＾＿｀｛｜｝"  # marks that Chinese text by itself hardly uses
_LATIN = "0-9A-Za-z０-９Ａ-Ｚａ-ｚ"
_OPERATOR = re.compile(
    f"[{_RARE}](?:(?<=[{_LATIN}%％)）].)(?=[{_LATIN}(（－-])|(?<=[0-9０-９]％)|(?<=[＄＃＠])(?=[{_LATIN}])"
    f"|(?<=－)(?=[0-9０-９])(?<![{HAN}].))"
)
# ， and ： belong to Chinese text too: only between digits that are full-width themselves, as in １，０００ and １０：３０.
_NUMBER = re.compile("(?<=[０-９])(?:，(?=[０-９]{3}(?![０-９]))|：(?=[０-９]))")
_IN_ADDRESS = f"{_LATIN}\\-._~/%?#=&+@:－．＿／％＃＝＆＋＠"
_ADDRESS = re.compile(
    "(?:(?:(?:https?|ftp|ｈｔｔｐｓ?|ｆｔｐ)[:：][/／]{2}|(?:www|ｗｗｗ)[.．])"
    f"(?:[{_IN_ADDRESS}]|[？：](?=[{_LATIN}])){{1,500}})"
)
_CJK = f"{HAN}\u2e80-\u2fdf\u3105-\u312f\u3040-\u30ff\uac00-\ud7a3、。「」『』《》〈〉【】〔〕"
_MARKS = "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff5d"  # ASCII symbols but ～
_LATIN_LINE = re.compile(f"^[^{_CJK}{_MARKS}\n]*[{_MARKS}][^{_CJK}\n]*$", re.M)  # each class once: no backtracking
_MARK = re.compile(f"[{_MARKS}]")
_ANY_RARE = re.compile(f"[{_RARE}]")
_LETTER = re.compile("[A-Za-zＡ-Ｚａ-ｚ]")


def narrow_letters(text: str) -> tuple[str, int]:
    """The text with full-width letters and digits as ASCII, and how many changed."""
    return text.translate(_WIDE_TABLE), len(_WIDE.findall(text))


def narrow_marks(text: str) -> tuple[str, int]:
    """The text with full-width symbols in Latin context as ASCII, and how many changed."""
    new = text
    if "：/" in text or _ANY_RARE.search(text):
        new = _OPERATOR.sub(_narrow, _ADDRESS.sub(_narrow, text))
    if any(digit in new for digit in "０１２３４５６７８９"):
        new = _NUMBER.sub(_narrow, new)
    new = _LATIN_LINE.sub(lambda m: _narrow(m) if _LETTER.search(m.group()) else m.group(), new)
    return new, 0 if new == text else sum(a != b for a, b in zip(text, new, strict=True))


def _narrow(match: re.Match[str]) -> str:
    return _narrow_all(match.group())


def _narrow_all(text: str) -> str:
    return _MARK.sub(lambda m: chr(ord(m.group()) - 0xFEE0), text)
