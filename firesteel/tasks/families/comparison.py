"""Which of some numbers is the largest or smallest: whole, decimal (9.11 and 9.9), fractions, and quantities with units."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from fractions import Fraction

from firesteel.tasks.answers import LONGEST, NOTHING, SENTENCE, SEVERAL, Found, letters, marked, right, sure, wrong
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.numbers import ALTERNATIVE, bare, undenied
from firesteel.tasks.families.numbers import worth as worth_of
from firesteel.tasks.families.numerals import counted, han
from firesteel.tasks.task import Draw, Problem, Task

ASKED: dict[str, dict[str, tuple[str, ...]]] = {
    "zh": {
        "largest": ("{n}，哪个最大？", "比较大小：{n}，最大的是哪个？", "{n}中最大的是什么？"),
        "smallest": ("{n}，哪个最小？", "比较大小：{n}，最小的是哪个？", "{n}中最小的是什么？"),
    },
    "en": {
        "largest": ("Which is the largest: {n}?", "Compare {n}. Which is the greatest?", "{n}: which is largest?"),
        "smallest": ("Which is the smallest: {n}?", "Compare {n}. Which is the least?", "{n}: which is smallest?"),
    },
}
UNSEEN: dict[str, dict[str, tuple[str, ...]]] = {
    "zh": {"largest": ("把{n}排一排，排在最大的是谁？",), "smallest": ("把{n}排一排，排在最小的是谁？",)},
    "en": {"largest": ("Pick the biggest of {n}.",), "smallest": ("Pick the tiniest of {n}.",)},
}
UNITS = (("km", "m", 1000), ("m", "cm", 100), ("kg", "g", 1000), ("h", "min", 60), ("min", "s", 60), ("L", "mL", 1000))
Written = tuple[str, Fraction, str]  # as shown, its value, the working that makes it comparable
Made = tuple[list[Written], str]


def _text(value: Fraction) -> str:
    """A value as a decimal; it has one."""
    text = f"{float(value):.4f}".rstrip("0").rstrip(".")
    assert Fraction(text) == value, value
    return text


def _whole(rng: random.Random) -> list[Written]:
    digits = rng.randint(2, 4)
    first = rng.randint(10 ** (digits - 1), 10**digits - 1)
    second = first + rng.choice((1, 9, 10, 90))
    return [(str(n), Fraction(n), "") for n in (first, second)]


def _decimal(rng: random.Random) -> list[Written]:
    """Decimals of different lengths with one whole part: 9.11 and 9.9."""
    whole, places = rng.randint(0, 20), rng.sample((1, 2, 3), 2)
    values = [Fraction(f"{whole}.{rng.randint(10 ** (p - 1), 10**p - 1)}") for p in places]
    longest = max(len(_text(v).partition(".")[2]) for v in values)
    return [(_text(v), v, f"{_text(v)}={float(v):.{longest}f}") for v in values]


def _fraction(rng: random.Random) -> list[Written]:
    """Two fractions, brought to the product of their denominators."""
    b, d = rng.sample(range(2, 10), 2)
    a, c = rng.randint(1, b - 1), rng.randint(1, d - 1)
    pairs = ((a, b, d), (c, d, b))
    return [(f"{p}/{q}", Fraction(p, q), f"{p}/{q}={p * other}/{q * other}") for p, q, other in pairs]


def _quantity(rng: random.Random) -> list[Written]:
    big, small, factor = rng.choice(UNITS)
    n = rng.randint(1, 9)
    m = max(1, n * factor + rng.choice((-1, 1)) * rng.choice((factor // 2, factor // 10, factor // 5)))
    large = (f"{n}{big}", Fraction(n * factor), f"{n}{big}={n}*{factor}{small}={n * factor}{small}")
    return [large, (f"{m}{small}", Fraction(m), "")]


def _mixed(rng: random.Random) -> list[Written]:
    """A fraction, a decimal and a percentage, all as thousandths."""
    b = rng.choice((4, 5, 8, 10, 20))
    a = rng.randint(1, b - 1)
    near = Fraction(a, b)
    steps = (Fraction(1, 100), Fraction(-1, 100), Fraction(5, 100), Fraction(-5, 1000), Fraction(3, 1000))
    decimal, percent = (abs(near + step) for step in rng.sample(steps, 2))
    return [
        (f"{a}/{b}", near, f"{a}/{b}={_text(near)}"), (_text(decimal), decimal, ""),
        (f"{_text(percent * 100)}%", percent, f"{_text(percent * 100)}%={_text(percent)}"),
    ]  # fmt: skip


KINDS: dict[int, Callable[[random.Random], list[Written]]] = {
    1: _whole,
    2: _decimal,
    3: _fraction,
    4: _quantity,
    5: _mixed,
}


def make(draw: Draw) -> Problem:
    """One question of its level's kind; no two of its numbers are worth the same."""
    rng = draw.rng
    found = KINDS[draw.level](rng)
    while len({value for _, value, _ in found}) < len(found):
        found = KINDS[draw.level](rng)
    rng.shuffle(found)
    asked, language = rng.choice(("largest", "smallest")), draw.language()
    shown = [text for text, _, _ in found]
    listed = ("、" if language == "zh" else ", ").join(shown)
    question = draw.wording(ASKED[language][asked], UNSEEN[language][asked]).format(n=listed)
    answer = (max if asked == "largest" else min)(found, key=lambda each: each[1])[0]
    values = {text: str(value) for text, value, _ in found}
    return Problem(
        question, answer, _working(found, answer), REPLIES[language].format(answer), language, verify=picks,
        facts={"values": values, "asked": asked},
    )  # fmt: skip


def _working(found: list[Written], answer: str) -> str:
    """What makes them comparable, then all in order, then what the answer is called."""
    comparable = {text: work.rpartition("=")[2] or text for text, _, work in found}
    ordered = sorted(found, key=lambda each: each[1], reverse=True)
    lines = [work for _, _, work in found if work] + [">".join(comparable[text] for text, _, _ in ordered)]
    return "\n".join(lines + ([f"{comparable[answer]}={answer}"] if comparable[answer] != answer else []))


# --- the verifier ------------------------------------------------------------------------------------------------------

OVER = r"(?:>|大于|(?:is|are)\s+(?:larger|greater|bigger|more|longer|heavier)\s+than)"
UNDER = r"(?:<|小于|(?:is|are)\s+(?:smaller|less|fewer|shorter|lighter)\s+than)"
THAN = {"大": "largest", "小": "smallest"}


MOST = {
    "largest": r"(?:largest|biggest|greatest|highest|maximum|longest|heaviest|最大|最多|最长|最重|最高)",
    "smallest": r"(?:smallest|least|lowest|minimum|shortest|lightest|fewest|最小|最少|最短|最轻|最低)",
}
MORE = {"largest": "(?:larger|greater|bigger|more|longer)", "smallest": "(?:smaller|less|shorter|lower)"}
OPPOSITE = {"largest": "smallest", "smallest": "largest"}


def picks(problem: Problem, reply: str) -> Found:
    """Verifier: the reply names one of the numbers compared, as shown or by value, or says which is over which."""
    values, asked = problem.facts["values"], problem.facts["asked"]
    said = marked(reply)
    text = bare("\n".join(said) or reply[-LONGEST:])
    if re.search(rf"(?:\bnot|n't|不是)\s*(?:the\s*)?{MOST[asked]}", text, re.I):
        return NOTHING
    text = _short_units(text)
    if (whole := counted(text.strip(" .。"))) is not None:
        text = str(whole)
    text = re.sub(BECAUSE.format(more=MORE[OPPOSITE[asked]], its=MORE[asked]), " ", text, flags=re.I)
    text = re.sub(r"[≈~]\s?\d+\.\d+", " ", text)
    text = undenied(
        "\n".join(line for line in SENTENCE.findall(text) if not re.search(MOST[OPPOSITE[asked]], line, re.I))
    )
    found = _related(text, list(values), asked) or _named(text, values)
    if len(found) > 1 and not ALTERNATIVE.search(text):
        found = _superlative(text, values, asked) or found
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    return sure(right(found[0]), reply) if letters(found[0]) == letters(str(problem.answer)) else wrong(found[0])


def _superlative(text: str, values: dict[str, str], asked: str) -> list[str]:
    """Of a text that names several, those it calls the largest (smallest), or larger than others."""
    found: list[str] = []
    for sentence in SENTENCE.findall(text):
        most = re.search(MOST[asked], sentence, re.I)
        if most is None:
            comparative = re.search(OVER if asked == "largest" else UNDER, sentence)
            clause = re.split(r"[,，;；]", sentence[: comparative.start()])[-1] if comparative else ""
            found += [each for each in _named(clause, values) if each in values]
            continue
        _, is_, after = re.split(r"(\bis\b|[:：=是为]|$)", sentence[most.end() :], maxsplit=1)
        named = _named(after, values) if is_ else []
        before = re.split(r"[,，；;]", sentence[: most.start()])[-1]
        found += named or _named(before, values)
    return list(dict.fromkeys(found))


def _related(text: str, shown: list[str], asked: str) -> list[str]:
    """What a text that puts the numbers in an order says of the question: its first or last, if it orders them all."""
    any_of = "|".join(rf"(?<![\d./]){re.escape(n)}(?![\d/%]|\.\d)" for n in sorted(shown, key=len, reverse=True))
    for sign, first in ((OVER, "largest"), (UNDER, "smallest")):
        chain = re.search(rf"(?:{any_of})(?:\s*{sign}\s*(?:{any_of})){{{len(shown) - 1}}}", text)
        if chain:
            ordered = [m[0] for m in re.finditer(any_of, chain[0])]
            rest = text[: chain.start()] + text[chain.end() :]
            last_word = [m[0] for m in re.finditer(any_of, rest)]
            pick = ordered[0] if asked == first else ordered[-1]
            return list(dict.fromkeys([pick, *last_word[-1:]]))
    than = re.search(rf"({any_of})\s*比\s*({any_of})\s*(?:更)?([大小])", text)
    if than and len(shown) == 2:
        return [than[1] if THAN[than[3]] == asked else than[2]]
    return []


UNIT = r"(?:km|[cm]?m|[km]?g|h|min|s|m?L)"
WRITTEN = re.compile(
    rf"(?<![\d./A-Za-z-])(\d+(?:,\d{{3}})*(?:[./]\d+)?)(?:\s{{0,3}}({UNIT}|%)(?![A-Za-z]))?(?![\d/A-Za-z])", re.I
)


BECAUSE = (
    rf"\b(?:since|because|as) it(?: is|'s) {{its}} than {WRITTEN.pattern.replace('{', '{{').replace('}', '}}')}"
    rf"|\(?\b(?:since|because|as) {WRITTEN.pattern.replace('{', '{{').replace('}', '}}')} (?:is|are) {{more}}\b\)?(?! than)"
)


def _named(text: str, values: dict[str, str]) -> list[str]:
    """The numbers that a text names, by their worth; 9.90 names 9.9 and 50 cm names 50cm; and the last that is none of them."""
    units = {shown[len(digits) :].lower(): digits for shown in values for digits in [_digits(shown)]}
    rates = {
        unit: Fraction(values[shown]) / worth
        for unit, digits in units.items()
        for shown in values
        if shown.lower() == digits + unit and isinstance(worth := worth_of(digits), Fraction)
    }
    text = re.sub(
        r"([一二三四五六七八九十]{1,3})分之([一二三四五六七八九十]{1,3})", lambda m: f"{han(m[2])}/{han(m[1])}", text
    )
    found, strange = [], []
    for match in WRITTEN.finditer(text):
        number, unit = worth_of(match[1].replace(",", "")), (match[2] or "").lower()
        rate = Fraction(1, 100) if unit == "%" else rates.get(unit, Fraction(1) if not unit else None)
        amount = number * rate if isinstance(number, Fraction) and rate else None
        same = [shown for shown, value in values.items() if amount is not None and Fraction(value) == amount]
        if same and (unit or not any(unit_ not in ("", "%") for unit_ in units)):
            found += same
        else:
            strange.append(match[0])
    return list(dict.fromkeys(found)) + strange[-1:]


LONG_UNITS = {
    r"minutes?|mins|分钟?": "min", r"hours?|小时": "h", r"seconds?|秒": "s", r"kilomet(?:er|re)s?|千米|公里": "km",
    r"centimet(?:er|re)s?|厘米": "cm", r"millimet(?:er|re)s?|毫米": "mm", r"met(?:er|re)s?|米": "m",
    r"kilograms?|千克|公斤": "kg", r"milligrams?|毫克": "mg", r"grams?|克": "g", r"millilit(?:er|re)s?|毫升": "mL",
    r"lit(?:er|re)s?|升": "L",
}  # fmt: skip


def _short_units(text: str) -> str:
    """8 minutes as 8min."""
    for long, short in LONG_UNITS.items():
        text = re.sub(rf"(?<=\d)\s?(?:{long})(?![A-Za-z])", short, text, flags=re.I)
    return text


def _digits(shown: str) -> str:
    match = re.match(r"[\d./]+", shown)
    assert match is not None, shown
    return match[0]


TASK = Task(
    "comparison", make, about="the largest or smallest of whole numbers, decimals, fractions or quantities",
    ability="mathematics", levels=5, usual=(1, 2),
)  # fmt: skip
