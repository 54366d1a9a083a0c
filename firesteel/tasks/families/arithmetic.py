"""Sums, differences and products asked in Chinese and English, worked column by column."""

from __future__ import annotations

import random
from collections.abc import Callable

from firesteel.tasks.families import working
from firesteel.tasks.families.stories import told
from firesteel.tasks.task import Draw, Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("计算{x}。", "{x}等于多少？", "请算出{x}的结果。", "{x}=？"),
    "en": ("Compute {x}.", "What is {x}?", "Find the value of {x}.", "{x} = ?"),
}
UNSEEN: dict[str, tuple[str, ...]] = {  # of tests alone
    "zh": ("请问{x}的值是几？", "把{x}算一算。"),
    "en": ("Work out {x}, please.", "How much do you get for {x}?"),
}
SIGNS: dict[str, dict[str, tuple[str, ...]]] = {  # how people write the operation; the plain sign half of the time
    "zh": {"+": ("+", "+", " + ", "加"), "-": ("-", "-", " - ", "减"), "*": ("*", "×", " × ", "乘以")},
    "en": {"+": ("+", "+", " + ", " plus "), "-": ("-", "-", " - ", " minus "), "*": ("*", "*", " × ", " times ")},
}
REPLIES = {"zh": "答案是{}。", "en": "The answer is {}."}


def number(rng: random.Random, low_digits: int, high_digits: int) -> int:
    """A number whose count of digits is uniform, then uniform among those."""
    digits = rng.randint(low_digits, high_digits)
    return rng.randint(10 ** (digits - 1), 10**digits - 1)


Drawn = tuple[int, str, int, int, str]  # left, sign, right, answer, working
DIGITS = {1: (1, 2), 2: (2, 3), 3: (3, 4), 4: (4, 6)}  # level -> digits of a number


def _sum(rng: random.Random, digits: tuple[int, int]) -> Drawn:
    a, b = number(rng, *digits), number(rng, *digits)
    return a, "+", b, a + b, working.add(a, b)


def _difference(rng: random.Random, digits: tuple[int, int]) -> Drawn:
    a, b = number(rng, *digits), number(rng, *digits)
    a, b = max(a, b), min(a, b)
    return a, "-", b, a - b, working.subtract(a, b)


def _product(rng: random.Random, digits: tuple[int, int]) -> Drawn:
    a, d = number(rng, *digits), rng.randint(2, 9)
    return a, "*", d, a * d, working.multiply(a, d)


KINDS: tuple[Callable[[random.Random, tuple[int, int]], Drawn], ...] = (_sum, _difference, _product)


def make(draw: Draw) -> Problem:
    """One question: a kind, a language and a wording, each uniform."""
    rng = draw.rng
    a, sign, b, answer, steps = rng.choice(KINDS)(rng, DIGITS[draw.level])
    language = draw.language()
    written = rng.choice(SIGNS[language][sign])
    question = draw.wording(QUESTIONS[language], UNSEEN[language]).format(x=f"{a}{written}{b}")
    return Problem(question, answer, steps, REPLIES[language].format(answer), language, verify=told)


TASK = Task(
    "arithmetic", make, about="one sum, difference or product of whole numbers, worked column by column",
    ability="mathematics", levels=4, usual=(2, 2),
)  # fmt: skip
