"""Sums, differences and products asked in Chinese and English, worked column by column."""

from __future__ import annotations

import random
from collections.abc import Callable

from firesteel.tasks import working
from firesteel.tasks.task import Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("计算{x}。", "{x}等于多少？", "请算出{x}的结果。"),
    "en": ("Compute {x}.", "What is {x}?", "Find the value of {x}."),
}
REPLIES = {"zh": "答案是{}。", "en": "The answer is {}."}


def number(rng: random.Random, low_digits: int, high_digits: int) -> int:
    """A number whose count of digits is uniform, then uniform among those."""
    digits = rng.randint(low_digits, high_digits)
    return rng.randint(10 ** (digits - 1), 10**digits - 1)


def _sum(rng: random.Random) -> tuple[str, int, str]:
    a, b = number(rng, 2, 4), number(rng, 2, 4)
    return f"{a}+{b}", a + b, working.add(a, b)


def _difference(rng: random.Random) -> tuple[str, int, str]:
    a, b = number(rng, 2, 4), number(rng, 2, 4)
    a, b = max(a, b), min(a, b)
    return f"{a}-{b}", a - b, working.subtract(a, b)


def _product(rng: random.Random) -> tuple[str, int, str]:
    a, d = number(rng, 2, 3), rng.randint(2, 9)
    return f"{a}*{d}", a * d, working.multiply(a, d)


KINDS: tuple[Callable[[random.Random], tuple[str, int, str]], ...] = (_sum, _difference, _product)


def make(rng: random.Random) -> Problem:
    """One question: a kind, a language and a wording, each uniform."""
    expression, answer, steps = rng.choice(KINDS)(rng)
    language = rng.choice(("zh", "en"))
    question = rng.choice(QUESTIONS[language]).format(x=expression)
    return Problem(question, answer, steps, REPLIES[language].format(answer), language)  # type: ignore[arg-type]


TASK = Task("arithmetic", make)
