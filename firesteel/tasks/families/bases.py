"""Binary, octal and hexadecimal to decimal and back, binary to hexadecimal, and sums in a base."""

from __future__ import annotations

import random
import re

from firesteel.tasks.answers import SEVERAL, Found, compared, concluding, marked, right, sure, wrong
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.numbers import bare, undenied
from firesteel.tasks.families.numerals import counted
from firesteel.tasks.task import Draw, Problem, Task

Wordings = dict[str, tuple[str, ...]]
QUESTIONS: Wordings = {
    "zh": (
        "把{f}进制数{n}写成{t}进制。", "{f}进制的{n}用{t}进制怎么写？", "将{n}（{f}进制）转换为{t}进制。",
        "{n}是{f}进制，化成{t}进制是多少？", "求{f}进制数{n}的{t}进制写法。",
    ),
    "en": (
        "Write the base-{f} number {n} in base {t}.", "What is {n} (base {f}) in base {t}?",
        "Convert {n} from base {f} to base {t}.", "{n} in base {f}: what is it in base {t}?",
        "Change {n} of base {f} into base {t}.",
    ),
}  # fmt: skip
UNSEEN: Wordings = {
    "zh": ("{n}是一个{f}进制数，它在{t}进制里是什么样子？",),
    "en": ("The digits {n} stand for a number in base {f}. Give its digits in base {t}.",),
}
SUMS: Wordings = {
    "zh": ("在{b}进制中计算{a}。", "{a}等于多少（都用{b}进制）？"),
    "en": ("Compute {a} in base {b}.", "What is {a}, all in base {b}?"),
}
SUMS_UNSEEN: Wordings = {"zh": ("所有数都是{b}进制：{a}得几？",), "en": ("With every number in base {b}, add {a}.",)}
DIGITS = "0123456789ABCDEF"
LARGEST = {1: 127, 2: 1023, 3: 2047, 4: 4095, 5: 4095}  # level -> the largest number


def digits(n: int, base: int) -> str:
    """A number's digits in a base."""
    found = DIGITS[n % base]
    while n := n // base:
        found = DIGITS[n % base] + found
    return found


def make(draw: Draw) -> Problem:
    """1: from binary; 2: to binary; 3: from and to octal and hexadecimal; 4: binary and hexadecimal; 5: sums in a base."""
    if draw.level == 5:
        return _sum(draw)
    n = draw.rng.randint(LARGEST[draw.level] // 16 + 2, LARGEST[draw.level])
    source, target = _bases(draw.rng, draw.level)
    steps = _steps(n, source, target)
    return _problem(draw, QUESTIONS, UNSEEN, digits(n, target), target, steps, f=source, t=target, n=digits(n, source))


def _bases(rng: random.Random, level: int) -> tuple[int, int]:
    pairs = {1: ((2, 10),), 2: ((10, 2),), 3: ((8, 10), (16, 10), (10, 8), (10, 16)), 4: ((2, 16), (16, 2))}
    return rng.choice(pairs[level])


def _steps(n: int, source: int, target: int) -> str:
    if target == 10:
        return _weights(n, source)
    if source == 10:
        return _remainders(n, target)
    nibbles = [DIGITS[int(d, 16)] for d in digits(n, 16)]
    groups = [f"{d}={int(d, 16):04b}" if source == 16 else f"{int(d, 16):04b}={d}" for d in nibbles]
    return ";".join(groups) + f";={digits(n, target)}"


def _weights(n: int, base: int) -> str:
    """Digit by digit from the left: what was so far times the base, and the digit."""
    so_far, lines = 0, []
    for d in digits(n, base):
        after = so_far * base + int(d, 16)
        lines.append(f"{so_far}*{base}+{int(d, 16)}={after}")
        so_far = after
    return ";".join(lines) + f";={n}"


def _remainders(n: int, base: int) -> str:
    """Divide and keep the remainders; the last is the first digit."""
    lines, rest = [], n
    while rest:
        lines.append(f"{rest}={rest // base}*{base}+{rest % base}")
        rest //= base
    return ";".join(lines) + f";={digits(n, base)}"


def _sum(draw: Draw) -> Problem:
    base = draw.rng.choice((2, 3, 4, 5, 6, 7, 8, 16))
    a, b = (draw.rng.randint(base**2, min(base**4, 4096) - 1) for _ in "ab")
    columns, carry = [], 0
    x, y = digits(a, base), digits(b, base)
    width = max(len(x), len(y))
    for left, right_ in zip(reversed(x.zfill(width)), reversed(y.zfill(width)), strict=True):
        total = int(left, 16) + int(right_, 16) + carry
        shown = f"{int(left, 16)}+{int(right_, 16)}" + (f"+{carry}" if carry else "")
        columns.append(f"{shown}={total}={total // base}*{base}+{total % base}")
        carry = total // base
    answer = digits(a + b, base)
    steps = ";".join(columns) + f";={answer}"
    return _problem(draw, SUMS, SUMS_UNSEEN, answer, base, steps, b=base, a=f"{x}+{y}")


def _problem(
    draw: Draw, seen: Wordings, unseen: Wordings, answer: str, base: int,
    steps: str, **shown: object,
) -> Problem:  # fmt: skip
    language = draw.language()
    question = draw.wording(seen[language], unseen[language]).format(**shown)
    return Problem(
        question, answer, steps, REPLIES[language].format(answer), language, verify=written_in, facts={"base": base}
    )


PREFIXES = {"0b": 2, "0o": 8, "0x": 16}
NAMES = {"binary": 2, "octal": 8, "decimal": 10, "hexadecimal": 16, "hex": 16, "二": 2, "八": 8, "十": 10, "十六": 16}
SAID_BASE = re.compile(
    r"\s{0,3}[(（]?\s{0,3}(?:(?:in\s{1,3})?base\s{0,3}[- ]?(?P<en>\d{1,2})"
    r"|(?:in\s{1,3})?(?P<name>binary|octal|decimal|hexadecimal|hex)"
    r"|_\s{0,3}[{(]?\s{0,3}(?P<sub>\d{1,2})\s{0,3}[})]?|\(\s{0,3}(?P<round>\d{1,2})\s{0,3}\)"
    r"|(?P<zh>\d{1,2}|十六|[二八十])进制)(?:数)?\s{0,3}[)）]?\s{0,3}$",
    re.I,
)


UNSURE = re.compile(
    r"\bnot\b|n't|\bor\b|\b(?:maybe|perhaps|might|could|about|around|roughly|guess)\b|不|或|大约|大概|可能|也许|约|猜",
    re.I,
)


def written_in(problem: Problem, reply: str) -> Found:
    """Verifier: the digits that the reply claims are the answer's; 0b, _2 and (base 2) may say the base, if it is right."""
    base, gold = int(problem.facts["base"]), str(problem.answer).upper().lstrip("0")
    found = compared(problem, reply, lambda said: _digits(undenied(said), base) == gold)
    if found.reward or marked(reply) or UNSURE.search(reply):
        return sure(found, reply)
    said = _sentence(problem.question, concluding(reply), base)
    if len(said) != 1:
        return SEVERAL if len(said) > 1 else found
    return sure(right(said[0]), reply) if said[0] == gold else wrong(said[0])


def _sentence(question: str, text: str, base: int) -> list[str]:
    """The different numbers of a base that a sentence names, less those of the question; 10 of "base 10" is none."""
    asked = {n.upper() for n in TOKENS.findall(bare(question))}
    text = bare(text)
    if (of := list(OF.finditer(text))) and _base(of[-1]["of"]) == base:
        text = text[of[-1].end() :]
    text = DRESSED.sub(lambda m: f" {m['n']} " if _base(m["zh"] or m["en"] or m["name"]) == base else " ", text)
    text = BASE_NAMED.sub(lambda m: " " if not m["sub"] or int(m["sub"]) == base else "z", text)
    if (named := re.search(r"\bbase\s{0,3}(\d{1,2})", text, re.I)) and int(named[1]) != base:
        return []
    text = re.sub(r"(?:\bin\s{1,3})?\bbase\s{0,3}\d{1,2}", " ", text, flags=re.I).rpartition("=")[2]
    found = [n.upper().lstrip("0") for n in TOKENS.findall(text) if n.upper() not in asked]
    return list(dict.fromkeys(n for n in found if all(c in DIGITS[:base] for c in n)))


DRESSED = re.compile(  # a number and its base
    r"(?<![A-Za-z0-9.])(?P<n>[0-9A-F]{1,24})\s?(?:[(]\s?(?P<zh>\d{1,2}|十六|[二八十])\s?进制\s?[)]"
    r"|\(?(?:in )?base[ -]?(?P<en>\d{1,2})\b\)?|\(?(?:in )?(?P<name>binary|octal|decimal|hexadecimal|hex)\b\)?)"
)
OF = re.compile(r"(?<![A-Za-z0-9.])[0-9A-F]{1,24}\s?的\s?(?P<of>\d{1,2}|十六|[二八十])\s?进制")  # 7078的16进制是1BA6
SUFFIXES = {2: "B", 8: "OQ", 10: "", 16: "H"}


def _base(named: str) -> int:
    return int(named) if named.isdigit() else NAMES[named]


TOKENS = re.compile(r"(?<![A-Za-z0-9./-])(?:(?=[A-F]{0,8}\d)[0-9A-Fa-f]{1,24}|[A-F]{2,8})(?![A-Za-z0-9%/]|\.\d)")
BASE_NAMED = re.compile(r"(?:\(?(?:10|16|[28])\s?进制)|_\{?(?P<sub>\d{1,2})\}?")


def _digits(said: str, base: int) -> str | None:
    """The digits of a text that is a number and perhaps its base; None if it is anything else, or of another base."""
    text = bare(said.rpartition("=")[2]).strip(" \t\n.,，。`*'\"“”").replace(",", "")
    if base == 10 and (one := counted(text)) is not None:
        return str(one)
    if found := SAID_BASE.search(text):
        named = found["en"] or found["sub"] or found["round"] or found["name"] or found["zh"]
        if (int(named) if named.isdigit() else NAMES[named.lower()]) != base:
            return None
        text = text[: found.start()].strip(" \t()（）")
    if (prefix := text[:2].lower()) in PREFIXES and not (base == 16 and len(text) > 2 and prefix == "0b"):
        if PREFIXES[prefix] != base:
            return None
        text = text[2:]
    if text[-1:].upper() in (SUFFIXES.get(base) or "-"):
        text = text[:-1]
    text = re.sub(r"[ _](?=[0-9A-Fa-f]{3,4}(?![0-9A-Fa-f]))", "", text).upper()
    return text.lstrip("0") if text and all(c in DIGITS[:base] for c in text) else None


TASK = Task(
    "bases", make, about="numbers in base 2, 8, 10 and 16, and sums in other bases", ability="mathematics", levels=5,
    usual=(1, 2),
)  # fmt: skip
