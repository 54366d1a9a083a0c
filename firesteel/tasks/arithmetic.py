"""Sums, differences and products asked in Chinese and English, worked column by column."""

from __future__ import annotations

import random
from collections.abc import Callable

from firesteel.tasks import working
from firesteel.tasks.task import Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("计算{x}。", "{x}等于多少？", "请算出{x}的结果。", "{x}=？"),
    "en": ("Compute {x}.", "What is {x}?", "Find the value of {x}.", "{x} = ?"),
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


def _sum(rng: random.Random) -> Drawn:
    a, b = number(rng, 2, 3), number(rng, 2, 3)
    return a, "+", b, a + b, working.add(a, b)


def _difference(rng: random.Random) -> Drawn:
    a, b = number(rng, 2, 3), number(rng, 2, 3)
    a, b = max(a, b), min(a, b)
    return a, "-", b, a - b, working.subtract(a, b)


def _product(rng: random.Random) -> Drawn:
    a, d = number(rng, 2, 3), rng.randint(2, 9)
    return a, "*", d, a * d, working.multiply(a, d)


KINDS: tuple[Callable[[random.Random], Drawn], ...] = (_sum, _difference, _product)


def make(rng: random.Random) -> Problem:
    """One question: a kind, a language and a wording, each uniform."""
    a, sign, b, answer, steps = rng.choice(KINDS)(rng)
    language = rng.choice(("zh", "en"))
    written = rng.choice(SIGNS[language][sign])
    question = rng.choice(QUESTIONS[language]).format(x=f"{a}{written}{b}")
    return Problem(question, answer, steps, REPLIES[language].format(answer), language)  # type: ignore[arg-type]


TASK = Task("arithmetic", make)
