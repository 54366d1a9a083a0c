"""Conversions of length, mass, time, area and volume, with 斤 里 亩, and sums of quantities whose unit is left open.

A quantity is right when its worth and its unit are: 300 m is wrong for 300 cm, and 1.5 m is right for 150 cm where the
question leaves the unit open.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from firesteel.tasks.answers import (
    LONGEST,
    NOTHING,
    SEVERAL,
    Found,
    claims,
    concluding,
    doubted,
    marked,
    right,
    same,
    wrong,
)
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.numbers import ALTERNATIVE, DENIED, NUMBER, bare, plain, undenied, value
from firesteel.tasks.families.numerals import NUMERAL, han
from firesteel.tasks.task import Draw, Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("{a}等于多少{u}？", "把{a}换算成{u}。", "{a}是多少{u}？"),
    "en": ("How many {u} are {a}?", "Convert {a} to {u}.", "Express {a} in {u}."),
}
UNSEEN: dict[str, tuple[str, ...]] = {
    "zh": ("用{u}作单位，{a}应写成多少？",),
    "en": ("Written with the unit {u}, what is {a}?",),
}
JOINED: dict[str, tuple[str, ...]] = {
    "zh": ("{a}加{b}一共是多少？请写出单位。", "{a}和{b}合起来是多少？请写出单位。"),
    "en": ("What is {a} plus {b}? Give the unit.", "How much are {a} and {b} together? Give the unit."),
}
JOINED_UNSEEN: dict[str, tuple[str, ...]] = {
    "zh": ("把{a}与{b}合在一起，总量是多少？单位自选。",),
    "en": ("Put {a} and {b} together: what is the total, in a unit of your choice?",),
}


@dataclass(frozen=True)
class Unit:
    """A unit: what it measures, how many of the smallest unit it is, and its names (the first is shown)."""

    kind: str
    worth: Fraction
    zh: tuple[str, ...]
    en: tuple[str, ...]
    level: int = 1  # from which it is asked for


def _unit(kind: str, worth: int, zh: str, en: str, level: int = 1) -> Unit:
    return Unit(kind, Fraction(worth), tuple(zh.split()), tuple(en.split(",")) if en else (), level)


UNITS = (
    _unit("length", 1, "毫米", "mm,millimetre,millimeter"), _unit("length", 10, "厘米 公分", "cm,centimetre,centimeter"),
    _unit("length", 100, "分米", "dm,decimetre,decimeter", 2), _unit("length", 1000, "米 公尺", "m,metre,meter"),
    _unit("length", 500_000, "里 华里", "", 3), _unit("length", 1_000_000, "千米 公里", "km,kilometre,kilometer"),
    _unit("mass", 1, "毫克", "mg,milligram", 2), _unit("mass", 1000, "克", "g,gram"), _unit("mass", 50_000, "两", "", 3),
    _unit("mass", 500_000, "斤 市斤", "", 3), _unit("mass", 1_000_000, "千克 公斤", "kg,kilogram,kilo"),
    _unit("mass", 1_000_000_000, "吨", "t,tonne,ton", 2), _unit("time", 1, "秒 秒钟", "s,second,sec"),
    _unit("time", 60, "分钟 分", "min,minute"), _unit("time", 3600, "小时 个小时 时", "h,hour,hr"),
    _unit("time", 86_400, "天 日", "days,day", 2),
    _unit("area", 1, "平方厘米", "cm^2,cm2,sq cm,square centimetre,square centimeter", 3),
    _unit("area", 10_000, "平方米", "m^2,m2,sq m,square metre,square meter", 3),
    _unit("area", 100_000_000, "公顷", "ha,hectare", 3),
    _unit("volume", 1, "毫升", "mL,ml,millilitre,milliliter"), _unit("volume", 1000, "升", "L,l,litre,liter"),
)  # fmt: skip
MU = Unit("area", Fraction(20_000_000, 3), ("亩",), (), 3)  # two thirds of a thousand square metres
ALL = (*UNITS, MU)
SPANS = {1: (2, 1_000), 2: (2, 100_000), 3: (2, 10**9)}  # level -> the factors between two units that are asked


def make(draw: Draw) -> Problem:
    """Levels 1 to 3: one conversion, from 2 also up to the larger unit; 4: of 2 m 35 cm; 5: a sum with its unit open."""
    language = draw.language()
    if draw.level == 5:
        return _sum(draw, language)
    large, small = _pair(draw.rng, language, min(draw.level, 3))
    factor = large.worth / small.worth
    if draw.level == 4:
        return _compound(draw, language, large, small)
    n = draw.rng.randint(2, 99 if draw.level == 1 else 199)
    if draw.level >= 2 and draw.rng.random() < 0.5:
        return _up(draw, language, large, small, n)
    return _asked(
        draw, language, _quantity(n, large, language), small, n * factor,
        f"{_quantity(1, large, language)}={_quantity(factor, small, language)}\n{n}*{_number(factor)}={_number(n * factor)}",
    )  # fmt: skip


def _pair(rng: random.Random, language: str, level: int) -> tuple[Unit, Unit]:
    """A larger and a smaller unit of one kind, a whole factor between them."""
    pairs = _pairs(language, level)
    if level == 3 and rng.random() < 0.7:
        pairs = tuple(pair for pair in pairs if max(unit.level for unit in pair) == 3)
    return rng.choice(pairs)


@functools.cache
def _pairs(language: str, level: int) -> tuple[tuple[Unit, Unit], ...]:
    low, high = SPANS[level]
    return tuple(
        (a, b) for a in ALL for b in ALL
        if a.kind == b.kind and a.level <= level and b.level <= level and low <= a.worth / b.worth <= high
        and (a.worth / b.worth).denominator == 1 and _names(a, language) and _names(b, language)
    )  # fmt: skip


def _up(draw: Draw, language: str, large: Unit, small: Unit, n: int) -> Problem:
    """From the smaller to the larger: the answer has at most three places."""
    factor = large.worth / small.worth
    amount = n * factor
    if factor % 10 == 0 and draw.rng.random() < 0.5:
        amount += factor / 10 * draw.rng.randint(1, 9)
    answer = amount / factor
    known = f"{_quantity(1, large, language)}={_quantity(factor, small, language)}"
    steps = f"{known}\n{_number(amount)}/{_number(factor)}={_number(answer)}"
    return _asked(draw, language, _quantity(amount, small, language), large, answer, steps)


def _compound(draw: Draw, language: str, large: Unit, small: Unit) -> Problem:
    factor = large.worth / small.worth
    n, m = draw.rng.randint(2, 30), draw.rng.randint(1, min(int(factor) - 1, 999))
    blank = " " if language == "en" else ""
    shown = f"{_quantity(n, large, language)}{blank}{_quantity(m, small, language)}"
    first = f"{n}*{_number(factor)}={_number(n * factor)}\n{_number(n * factor)}+{m}={_number(n * factor + m)}"
    steps = f"{_quantity(1, large, language)}={_quantity(factor, small, language)}\n{first}"
    return _asked(draw, language, shown, small, n * factor + m, steps)


def _asked(draw: Draw, language: str, shown: str, unit: Unit, answer: Fraction, steps: str) -> Problem:
    name = _names(unit, language)[0]
    question = draw.wording(QUESTIONS[language], UNSEEN[language]).format(a=shown, u=name)
    reply = REPLIES[language].format(_quantity(answer, unit, language))
    return Problem(
        question, _number(answer), steps, reply, language, verify=measures,
        facts={"kind": unit.kind, "worth": str(answer * unit.worth), "unit": name},
    )  # fmt: skip


def _sum(draw: Draw, language: str) -> Problem:
    large, small = _pair(draw.rng, language, 2)
    factor = large.worth / small.worth
    n, m = draw.rng.randint(2, 30), draw.rng.randint(2, 2 * min(int(factor), 1000))
    a, b = _quantity(n, large, language), _quantity(m, small, language)
    question = draw.wording(JOINED[language], JOINED_UNSEEN[language]).format(a=a, b=b)
    total = n * factor + m
    steps = f"{a}={_quantity(n * factor, small, language)}\n{_number(n * factor)}+{m}={_number(total)}"
    answer = _quantity(total, small, language)
    facts = {"kind": small.kind, "worth": str(total * small.worth), "unit": ""}
    return Problem(question, answer, steps, REPLIES[language].format(answer), language, verify=measures, facts=facts)


def _names(unit: Unit, language: str) -> tuple[str, ...]:
    return unit.zh if language == "zh" else unit.en


def _number(amount: Fraction) -> str:
    """A whole number, or a decimal where it has one of a few places."""
    if amount.denominator == 1:
        return str(amount.numerator)
    text = f"{float(amount):.6f}".rstrip("0")
    return text if Fraction(text) == amount else str(amount)


def _quantity(amount: Fraction | int, unit: Unit, language: str) -> str:
    blank = " " if language == "en" else ""
    return f"{_number(Fraction(amount))}{blank}{_names(unit, language)[0]}"


# --- the verifier ------------------------------------------------------------------------------------------------------

NAMED = {name.casefold(): unit for unit in ALL for name in (*unit.zh, *unit.en)}
BY_LENGTH = sorted(NAMED, key=len, reverse=True)
HAN_UNITS = "|".join(re.escape(name) for name in BY_LENGTH if not name.isascii())
LATIN_UNITS = "|".join(re.escape(name) for name in BY_LENGTH if name.isascii())
AMOUNT = re.compile(
    rf"(?<![A-Za-z0-9_.])(?P<n>-?(?:{NUMBER})(?:/\d+)?)[ ]{{0,3}}\(?"
    rf"(?:(?P<zh>{HAN_UNITS})|(?P<en>{LATIN_UNITS})(?:(?<=[a-z]{{3}})e?s)?(?![A-Za-z^]))"  # ms is no plural of m
    r"(?!\s?/\s?[^\W\d])",  # nor is m/s a metre
    re.I,
)
OTHER = re.compile(rf"(?<![A-Za-z0-9_.])(?:{NUMBER})(?:/\d+)?[ ]{{0,3}}(?P<word>°?[^\W\d_]{{1,24}})")


def measures(problem: Problem, reply: str) -> Found:
    """Verifier: one quantity is claimed, worth what the answer is, in the unit that is asked, or in any where none is.

    A number without a unit counts where the question names the unit.
    """
    facts, reply = problem.facts, BOXED_ALONE.sub(r"\\boxed{\1 \2}", reply)
    said = marked(reply)
    text = undenied("\n".join(said) or concluding(reply))
    found = _quantities(text if said else _results(text))
    asked = NAMED.get(facts["unit"].casefold())
    if not found:
        return _plain_number(problem, reply, text) if asked else NOTHING
    shown = "、".join(written for written, _, _ in found)
    if not said:
        found = _unasked(found, problem.question)
    total = _as_one(found)
    if total is None or (len({amount for _, amount, _ in found}) > 1 and ALTERNATIVE.search(plain(text))):
        return SEVERAL
    everything = _as_one(_quantities(_results(text)))  # 19 days 3 hours, of which the question names the days
    if total[0] != Fraction(facts["worth"]) and everything is not None and asked is None:
        total = everything
    amount, kind, unit = total
    if unit is None and len({each for _, each, _ in found}) == 1:
        unit = found[-1][2]  # 84千米等于84000米
    if asked is None and _copied(found, text, problem.question):
        return NOTHING
    written = bare(re.sub(r"</?answer>", " ", reply[-LONGEST:]))
    claimed = {each for each, _, _ in found}
    if all(doubted(each, reply) for each in claimed):
        return NOTHING
    if any(
        DENIED.search(written[max(0, m.start() - 24) : m.start()]) for m in AMOUNT.finditer(written) if m[0] in claimed
    ):
        return NOTHING
    good = kind == facts["kind"] and amount == Fraction(facts["worth"]) and (asked is None or unit == asked)
    return right(shown) if good else wrong(shown)


BOXED_ALONE = re.compile(
    rf"\\boxed\s?\{{([^{{}}]{{1,40}})\}}\s?\$?\s?((?:{HAN_UNITS}|(?:{LATIN_UNITS})(?:\^\d)?(?![A-Za-z])))",  # \boxed{3} km
    re.I,
)
Amount = tuple[str, Fraction, Unit]  # as written, in the smallest unit of its kind, its unit


def _results(text: str) -> str:
    """A text with the left sides of its equations left out."""
    return "\n".join(re.split(EQUALS, part)[-1] or part for part in re.split(r"[\n。;；]", bare(text)))


EQUALS = r"=|等于|(?<!也)就是|\bequals?\b"


def _quantities(text: str) -> list[Amount]:
    found = []
    for match in AMOUNT.finditer(_readable(text)):
        number, unit = value(match["n"]), NAMED[(match["zh"] or match["en"]).casefold()]
        if number is not None:
            found.append((match[0], number * unit.worth, unit))
    return found


def _readable(text: str) -> str:
    """A text with cm^2 in one piece, and with digits where it has Chinese numerals alone: 六百一十六小时."""
    text = re.sub(r" {2,}", " ", re.sub(r"(?<=[A-Za-z])\s+\^(?=[23])", "^", bare(text)))
    if any(c.isdigit() for c in text):
        return text
    return re.sub(rf"([{NUMERAL}]{{1,32}}(?<!千))(?!千)(?={HAN_UNITS})", lambda m: str(_or_itself(m[1])), text)


def _or_itself(numeral: str) -> str | int:
    worth = han(numeral)
    return numeral if worth is None else worth


def _unasked(found: list[Amount], question: str) -> list[Amount]:
    asked = {(amount, unit) for _, amount, unit in _quantities(question)}
    return [each for each in found if (each[1], each[2]) not in asked] or found


def _copied(found: list[Amount], text: str, question: str) -> bool:
    """Whether the quantities are those of the question, and only joined: 29 km plus 493 dm is no sum yet."""
    text = bare(text)
    first, last = text.find(found[0][0]) + len(found[0][0]), text.rfind(found[-1][0])
    asked = {(amount, unit) for _, amount, unit in _quantities(question)}
    return {each[1:] for each in found} == asked and bool(re.search(r"[+和与加及]|plus|and", text[first:last]))


def _as_one(found: list[Amount]) -> tuple[Fraction, str, Unit | None] | None:
    """One quantity, or the same one several times, or 2 m 35 cm, whose unit is neither."""
    if len({(amount, unit) for _, amount, unit in found}) == 1:
        return found[0][1], found[0][2].kind, found[0][2]
    kinds, worths = {unit.kind for _, _, unit in found}, [unit.worth for _, _, unit in found]
    if len(kinds) == 1 and len({amount for _, amount, _ in found}) == 1:
        return found[0][1], found[0][2].kind, None
    falling = all(a > b for a, b in pairwise(worths))
    fits = all(after < before for (_, _, unit), (_, after, _) in pairwise(found) for before in [unit.worth])
    if len(kinds) == 1 and falling and fits:
        return sum((amount for _, amount, _ in found), Fraction(0)), found[0][2].kind, None
    return None


def _plain_number(problem: Problem, reply: str, text: str) -> Found:
    """A number without a unit; one with something after it that is no unit we know is in another unit."""
    found = claims(reply, problem.question)
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    strange = any(match["word"] for match in OTHER.finditer(bare(text)) if match[0].startswith(found[0]))
    return right(found[0]) if same(found[0], problem.answer, problem.question) and not strange else wrong(found[0])


TASK = Task(
    "units", make, about="conversions of length, mass, time, area and volume, Chinese units too", ability="mathematics",
    levels=5, usual=(1, 2),
)  # fmt: skip
