"""Text as the guard reads it: disguises undone, with the way back to the original characters.

Two views of one text, made for matching only (what is stored or answered is never changed by them):

    squeezed   letters, digits and Chinese characters alone: "炸 弹", "炸*弹" and "炸\u200b弹" are one word
    words      Latin words parted by single spaces: "b-o-m-b" and "bo*mb" are one word, "mad emblem" stays two

In both, "\n" stands where a clause ends, so that nothing matches across "他不吸毒。品味很高".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from opencc import OpenCC

MARK = "\n"
LONGEST = 400  # characters in a row without a sentence's end
_CLAUSE_END = re.compile(r"[。！？!?；;，、：:,…]|\.(?=\s|$)|\n(?=\s*\n)")
_SENTENCE_END = re.compile(r"[。！？!?；;\n]|\.(?=\s|$)")
_WORD = re.compile(
    r"(?<![a-z0-9])[a-z0-9]([^a-z0-9\n])[a-z0-9](?:\1[a-z0-9])+(?![a-z0-9])"  # spelt out: b-o-m-b, b o m b
    r"|[a-z0-9@$]+(?:['*’`~^|][a-z0-9@$]+)*"
)
_DIGIT_LETTERS = str.maketrans("013457@$", "oieastas")
_INVISIBLE = frozenset({"Mn", "Me", "Cf", "Cc", "Cn", "Co", "Cs"})
# Cyrillic and Greek letters that look like Latin ones; compatibility folding leaves them alone.
_LOOKALIKES = dict(zip("асеорхуіѕјһԁԛԝвкмнтαεικνορτυχ", "aceopxyisjhdqwbkmhtaeiknoptux", strict=True))


class Folding(dict[str, str]):
    """Character -> what it is matched as: width, case, accents, look-alikes, traditional forms undone; "" if invisible.

    Filled as characters are met, so that a text costs one dictionary look-up a character.
    """

    def __init__(self) -> None:
        super().__init__()
        self._simplify = OpenCC("t2s")

    def __missing__(self, char: str) -> str:
        pieces = unicodedata.normalize("NFKD", char).casefold()
        visible = "".join(_LOOKALIKES.get(c, c) for c in pieces if unicodedata.category(c) not in _INVISIBLE)
        folded: str = self._simplify.convert(visible) if char > "\u2e7f" else visible
        self[char] = folded
        return folded


@dataclass(frozen=True)
class View:
    """Folded characters, and for each of them the index of the original character that it came from."""

    text: str
    origin: list[int]


@dataclass(frozen=True)
class Reading:
    """A text with its views; `latin` holds its words as written, then with digits read as letters, if that differs."""

    text: str
    squeezed: View
    latin: tuple[View, ...]


def read(text: str, folding: Folding) -> Reading:
    """`text` in both views."""
    folded = fold(text, folding)
    written = words(folded)
    return Reading(text, squeeze(folded), (written, *_digits_as_letters(written)))


def fold(text: str, folding: Folding) -> View:
    """Every character of `text` folded; clause ends are MARKs, other white space is a space."""
    ends = {m.start() for m in _CLAUSE_END.finditer(text)}
    pieces = [MARK if i in ends else " " if c.isspace() else folding[c] for i, c in enumerate(text)]
    folded = "".join(pieces)
    if len(folded) == len(text) and all(pieces):  # one for one, as nearly always
        return View(folded, list(range(len(text))))
    return View(folded, [i for i, piece in enumerate(pieces) for _ in piece])


def squeeze(folded: View) -> View:
    """A folded text without anything between letters."""
    kept = [i for i, c in enumerate(folded.text) if c.isalnum() or c == MARK]
    return View("".join([folded.text[i] for i in kept]), [folded.origin[i] for i in kept])


def words(folded: View) -> View:
    """The Latin words of a folded text, each with a space before it and after it."""
    out, origin, at = [" "], [0], 0
    for match in _WORD.finditer(folded.text):
        first, last = match.span()
        if MARK in folded.text[at:first]:
            out += [MARK, " "]
            origin += [folded.origin[first]] * 2
        word, origins = match[0], folded.origin[first:last]
        if not word.isalnum():
            kept = [i for i, c in enumerate(word) if c.isalnum() or c in "@$"]
            word, origins = "".join([word[i] for i in kept]), [origins[i] for i in kept]
        out += [word, " "]
        origin += [*origins, origins[-1]]
        at = last
    return View("".join(out), origin)


def sentence_ends(text: str) -> list[int]:
    """Indices in `text` where sentences end, ascending; one that does not end is cut, so that rules stay cheap."""
    return sorted({m.start() for m in _SENTENCE_END.finditer(text)} | set(range(LONGEST, len(text), LONGEST)))


def is_chinese(text: str) -> bool:
    """Whether the writer of `text` is better answered in Chinese: one Han character in nine is enough."""
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    return han > 0 and han * 8 >= len(text) - han


def _digits_as_letters(view: View) -> tuple[View, ...]:
    """The view with the digits of mixed words read as the letters they stand for ("k1ll"), if there are any."""
    if not any(c in view.text for c in "013457@$"):
        return ()
    parts = [_as_letters(word) for word in view.text.split(" ")]
    changed = " ".join(parts)
    return (View(changed, view.origin),) if changed != view.text else ()


def _as_letters(word: str) -> str:
    return word.translate(_DIGIT_LETTERS) if any("a" <= c <= "z" for c in word) else word
