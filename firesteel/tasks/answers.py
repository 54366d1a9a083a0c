"""Reading the answer out of a reply, and the plain verifier: numbers by value, texts by their letters, choices by name.

A reply claims an answer by a mark (\\boxed{}, <answer></answer>, ####, "the answer is", 答案是) or by saying nothing else.
Two claims that differ are no answer: a list of guesses must not earn what one of its guesses would.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firesteel.tasks.task import Problem

LONGEST = 4_096  # characters of a reply that are read; verifiers must stay quick on whatever a model writes
SPOKEN = 64  # characters; a text without a mark is an answer only if it is about this short


@dataclass(frozen=True)
class Found:
    """What a verifier found: 0 to 1, a word or two on why, and the answer that it read (None: none)."""

    reward: float
    reason: str
    parsed: str | None = None


def right(parsed: str) -> Found:
    """The whole reward."""
    return Found(1.0, "right", parsed)


def wrong(parsed: str) -> Found:
    """An answer, but not the right one."""
    return Found(0.0, "wrong", parsed)


NOTHING = Found(0.0, "no answer")
SEVERAL = Found(0.0, "several answers")

TAGGED = re.compile(r"<answer>(.*?)</answer>", re.S | re.I)
HASHED = re.compile(r"^#{4}[ \t]*(\S.*)$", re.M)
SAID = re.compile(
    r"(?:answer|result|total)\s*(?:is|are|:|=)+\s*:?\s*(?P<en>[^\n]+?)(?:[.!;](?=\s|$)|\n|$)"
    r"|(?:答案|结果|答)\s*(?:是|为|等于|[:：=])+\s*(?P<zh>[^\n。；！]+)",
    re.I,
)


def marked(reply: str) -> list[str]:
    """What a reply marks as its answer, by its strongest kind of mark; each different text once, in order."""
    reply = reply[:LONGEST]
    for found in (TAGGED.findall(reply), boxed(reply), HASHED.findall(reply)):
        if found:
            return _distinct(found)
    return _distinct(m["en"] or m["zh"] for m in SAID.finditer(reply))


def boxed(reply: str) -> list[str]:
    """The contents of each \\boxed{...}, braces balanced."""
    found, start = [], reply.find("\\boxed{")
    while start >= 0:
        depth, i = 1, start + 7
        while i < len(reply) and depth:
            depth += {"{": 1, "}": -1}.get(reply[i], 0)
            i += 1
        if depth:
            break
        found.append(reply[start + 7 : i - 1])
        start = reply.find("\\boxed{", i)
    return found


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(t.strip().strip("*` ") for t in texts if t.strip()))


# --- numbers ---------------------------------------------------------------------------------------------------------

NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])(?:(?<![\d)）])-)?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?(?![A-Za-z_]*\d)"
)
EQUATION = re.compile(r"[\d(（][\d\s.,+*/×÷x()（）^%-]*=\s*(?=-?\d)")  # the left side, which claims nothing
HAN = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
HAN_GROUPS = {"万": 10**4, "亿": 10**8}
HAN_NUMBER = re.compile(r"(负?)([零〇一二两三四五六七八九十百千万亿]+)(?:[个元只本张支人天岁块米])?")


def plain(text: str) -> str:
    """Full-width digits and signs as ASCII has them."""
    return unicodedata.normalize("NFKC", text).replace("−", "-").replace("–", "-").replace("\u200b", "")


def numbers(text: str) -> list[str]:
    """The numbers of a text, as they are written; those of an equation's left side are left out."""
    return NUMBER.findall(EQUATION.sub(" ", plain(text)))


def value(number: str) -> Fraction | None:
    """What a written number is worth; None if it is written as nobody writes it (05, 1/0)."""
    digits = number.removesuffix("%").replace(",", "")
    if re.match(r"-?0\d", digits) or re.search(r"/0+$", digits):
        return None
    worth = Fraction(*map(Fraction, digits.split("/"))) if "/" in digits else Fraction(digits)
    return worth / 100 if number.endswith("%") else worth


def han_value(text: str) -> Fraction | None:
    """What Chinese numerals are worth, from a text that is nothing else (and perhaps a unit): 一百零五 is 105."""
    match = HAN_NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    total = group = digit = 0
    for c in match[2]:
        if c in HAN:
            digit = digit * 10 + HAN[c] if digit and c not in "零〇" else HAN[c]
        elif c in HAN_UNITS:
            group, digit = group + (digit or 1) * HAN_UNITS[c], 0
        else:
            total, group, digit = (total + (group + digit)) * HAN_GROUPS[c], 0, 0
    total += group + digit
    return Fraction(-total if match[1] else total)


def claims(reply: str, question: str = "") -> list[str]:
    """The different numbers that a reply claims: the marked ones, else all that the question does not name itself."""
    reply = reply[:LONGEST]
    said = marked(reply)
    if said:
        found = [n for text in said for n in _last(text)]
    else:
        found = numbers(reply)
        asked = set(numbers(question)) | set(NUMBER.findall(plain(question)))
        found = [n for n in found if n not in asked] or found
    by_value: dict[Any, str] = {}
    for n in found:
        by_value.setdefault(value(n) if value(n) is not None else n, n)
    return list(by_value.values())


def _last(text: str) -> list[str]:
    """The numbers of a marked text; one in Chinese numerals counts."""
    found = numbers(text)
    if not found and (worth := han_value(text.strip(" 。.,，!！"))) is not None:
        return [str(worth)]
    return found


def number(problem: Problem, reply: str) -> Found:
    """Verifier: the one number that the reply claims is worth what the answer is worth."""
    found = claims(reply, problem.question)
    if not found and (worth := han_value(reply.strip(" 。.,，!！"))) is not None:
        found = [str(worth)]
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    wanted, own = value(str(problem.answer)), value(found[0])
    assert wanted is not None, problem.answer
    equal = own is not None and (own == wanted or (found[0].endswith("%") and own * 100 == wanted))
    return right(found[0]) if equal else wrong(found[0])


# --- texts and choices -----------------------------------------------------------------------------------------------

EDGES = " \t\n\r.,;:!?\"'`*()[]{}“”‘’。，、；：！？（）【】《》$"


def letters(text: str) -> str:
    """A text for comparing: one width, one case, single spaces, nothing at its edges."""
    return " ".join(plain(text).casefold().split()).strip(EDGES)


def text(problem: Problem, reply: str) -> Found:
    """Verifier: the marked text, or a short reply as a whole, is the answer but for case, width and edges."""
    return compared(problem, reply, lambda said: letters(said) == letters(str(problem.answer)))


def compared(problem: Problem, reply: str, equal: Callable[[str], bool]) -> Found:
    """Judge by a comparison of one's own the text that a reply claims."""
    said = marked(reply)
    if len({letters(s) for s in said}) > 1:
        return SEVERAL
    claim = said[0] if said else reply.strip()
    if not claim or (not said and len(claim) > SPOKEN + len(str(problem.answer))):
        return NOTHING
    return right(claim) if equal(claim) else wrong(claim)


def choice(problem: Problem, reply: str) -> Found:
    """Verifier: of `facts["choices"]` the reply names one, the right one."""
    found = named(reply, problem.facts["choices"])
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    return right(found[0]) if letters(found[0]) == letters(str(problem.answer)) else wrong(found[0])


def named(reply: str, choices: Sequence[str]) -> list[str]:
    """Which of the choices a reply names (in its marked answer, if it marks one); of overlapping ones the longest."""
    said = " \n ".join(marked(reply)) or reply[:LONGEST]
    rest, found = plain(said).casefold(), []
    for each in sorted(choices, key=len, reverse=True):
        name = plain(each).casefold()
        border = r"(?<![a-z0-9]){}(?![a-z0-9])" if name.isascii() else "{}"
        rest, times = re.subn(border.format(re.escape(name)), "\x00", rest)
        if times:
            found.append(each)
    return found


def exact(problem: Problem, reply: str) -> Found:
    """Verifier of problems that bring none: choices if there are some, a number by value, else a text."""
    if "choices" in problem.facts:
        return choice(problem, reply)
    if isinstance(problem.answer, (int, float, Fraction)) and not isinstance(problem.answer, bool):
        return number(problem, reply)
    return text(problem, reply)
