"""Chains of 2 to 8 operations with precedence and brackets; the working reduces one operation a line.

Each operation is small (products within the table of twelve, sums below 200): a longer chain is harder only by its length,
which is what tests of carrying over to longer chains need.
"""

from __future__ import annotations

import random

from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.expressions import Expression, Operation, reduced, worth, written
from firesteel.tasks.families.stories import told
from firesteel.tasks.task import Draw, Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("计算{x}。", "{x}等于多少？", "求{x}的值。", "算一算：{x}=？"),
    "en": ("Compute {x}.", "What is {x}?", "Evaluate {x}.", "{x} = ?"),
}
UNSEEN: dict[str, tuple[str, ...]] = {
    "zh": ("按运算顺序，{x}最后得几？", "请你一步一步算{x}。"),
    "en": ("Following the order of operations, what does {x} come to?", "Simplify {x} to one number."),
}
MOST, LARGEST, FACTOR = 8, 199, 12  # operations, of a value on the way, of a product
PLAIN = 1  # the last level without brackets


def _join(rng: random.Random, left: Expression, right: Expression) -> Operation | None:
    a, b = worth(left), worth(right)
    fits = {
        "+": a + b <= LARGEST,
        "-": a >= b,
        "*": 2 <= a <= FACTOR and 2 <= b <= FACTOR,
        "/": 2 <= b <= FACTOR and a >= b and (a / b).denominator == 1 and a / b <= FACTOR,
    }
    signs = [sign for sign, fit in fits.items() if fit for _ in range(1 if sign in "+-" else 2)]
    return Operation(rng.choice(signs), left, right) if signs else None


def tree(rng: random.Random, operations: int) -> Expression:
    """An expression of so many operations, whole and between 0 and LARGEST at every step."""
    if operations == 0:
        return rng.randint(1, 12) if rng.random() < 0.6 else rng.randint(13, 60)
    while True:
        before = rng.randint(0, operations - 1)
        joined = _join(rng, tree(rng, before), tree(rng, operations - 1 - before))
        if joined is not None:
            return joined


def make(draw: Draw) -> Problem:
    """Level n: n + 1 operations."""
    rng = draw.rng
    found = tree(rng, draw.level + 1)
    while (draw.level <= PLAIN and "(" in written(found)) or not isinstance(found, Operation):
        found = tree(rng, draw.level + 1)
    language = draw.language()
    shown = written(found)
    if rng.random() < 0.3:
        shown = shown.replace("*", "×").replace("/", "÷")
    question = draw.wording(QUESTIONS[language], UNSEEN[language]).format(x=shown)
    lines, answer = steps(found), int(worth(found))
    return Problem(question, answer, lines, REPLIES[language].format(answer), language, verify=told)


def steps(found: Operation) -> str:
    """The expression, then what is left after each operation, a line each: equal all the way down."""
    left: Expression = found
    lines = [written(left)]
    while isinstance(left, Operation):
        left = reduced(left)
        lines.append("=" + written(left))
    return "\n".join(lines)


TASK = Task(
    "chain", make, about="2 to 8 operations with precedence and brackets, reduced one a line",
    ability="mathematics", levels=MOST - 1, usual=(1, 3),
)  # fmt: skip
