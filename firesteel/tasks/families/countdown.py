"""Countdown: reach a target with given numbers, each at most once, by + - * and /. Any expression that does so is right."""

from __future__ import annotations

import random
import re
from collections import Counter
from fractions import Fraction

from firesteel.tasks.answers import NOTHING, SEVERAL, Found, concluding, marked, right, wrong
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.expressions import LONGEST, Expression, Operation, leaves, parse, reduced, worth, written
from firesteel.tasks.families.numbers import ALTERNATIVE, LATEX, plain, undenied
from firesteel.tasks.task import Draw, Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("用{n}（每个最多用一次）和加减乘除得到{t}。", "用数字{n}凑出{t}，每个数最多用一次，写出算式。"),
    "en": (
        "Reach {t} with {n}, each used at most once, and + - * /.",
        "Make {t} from the numbers {n}; use each at most once.",
    ),
}
UNSEEN: dict[str, tuple[str, ...]] = {
    "zh": ("有这些数：{n}。每个数至多出现一次，怎样算出{t}？",),
    "en": ("Here are some numbers: {n}. Write an expression worth {t} in which none of them occurs twice.",),
}
LARGEST = {1: 20, 2: 30, 3: 60, 4: 100, 5: 200}  # level -> the largest target; a level has that level's numbers and one
MISSES = 2  # tries that fail, shown before the one that does not


def make(draw: Draw) -> Problem:
    """Level n: n + 1 numbers are used; from level 3 one more is there that is not needed."""
    rng = draw.rng
    tree = _reaching(rng, draw.level)
    used, target = leaves(tree), int(worth(tree))
    given = used + [rng.randint(1, 12)] * (draw.level >= 3)
    rng.shuffle(given)
    language = draw.language()
    listed = ("、" if language == "zh" else ", ").join(map(str, given))
    question = draw.wording(QUESTIONS[language], UNSEEN[language]).format(n=listed, t=target)
    expression = written(tree)
    lines = [*_misses(rng, given, target), *_steps(tree)]
    reply = REPLIES[language].format(expression)
    return Problem(
        question, expression, "\n".join(lines), reply, language, verify=reaches,
        facts={"numbers": given, "target": target},
    )  # fmt: skip


def _reaching(rng: random.Random, level: int) -> Operation:
    """An expression of level + 1 numbers, whole and positive at every step, whose value is not among its numbers."""
    while True:
        tree: Expression = rng.randint(1, 12)
        for _ in range(level):
            new, sign = rng.randint(1, 12), rng.choice("+-*/" if level > 1 else "+-")
            tree = Operation(sign, new, tree) if sign in "+*" and rng.random() < 0.5 else Operation(sign, tree, new)
            value = worth(tree)
            if value.denominator != 1 or not 1 <= value <= LARGEST[level]:
                break
        else:
            if isinstance(tree, Operation) and worth(tree) not in leaves(tree):
                return tree


def _misses(rng: random.Random, given: list[int], target: int) -> list[str]:
    """Combinations of two of the numbers that are not the target."""
    lines = []
    for _ in range(MISSES):
        a, b = sorted(rng.sample(given, 2), reverse=True)
        sign, value = rng.choice((("+", a + b), ("*", a * b), ("-", a - b)))
        if value != target:
            lines.append(f"{a}{sign}{b}={value}≠{target}")
    return list(dict.fromkeys(lines))


def _steps(tree: Operation) -> list[str]:
    """The operations of the way there, then the whole."""
    lines = []
    rest: Expression = tree
    while isinstance(rest, Operation):
        lines.append(_first(rest))
        rest = reduced(rest)
    whole = [f"{written(tree)}={rest}"]
    return whole if len(lines) == 1 else [";".join(lines), *whole]


def _first(tree: Operation) -> str:
    """The operation that is worked out next, as an equation."""
    if isinstance(tree.left, Operation):
        return _first(tree.left)
    return _first(tree.right) if isinstance(tree.right, Operation) else f"{written(tree)}={worth(tree)}"


# --- the verifier ------------------------------------------------------------------------------------------------------

TIMES = re.compile(r"(?<=\d)\s*[xX]\s*(?=[\d(])")
WRITTEN = re.compile(r"(?<![A-Za-z])[0-9(][0-9\s+*/()=-]*[0-9)]")
SIGNS = ("+", "-", "*", "/")
READ = 1_024  # characters of a reply that marks nothing


def reaches(problem: Problem, reply: str) -> Found:
    """Verifier: the one expression that the reply claims has the target's value and uses each given number at most once."""
    result = re.compile(rf"[,，;；。]\s?[^\d\n+*/-]{{0,12}}{problem.facts['target']}\W*$")  # ..., which is 24
    reply = result.sub("", reply) if any(sign in reply for sign in "+*/-×÷−") else reply
    said = [_cleaned(result.sub("", text)) for text in marked(reply)]
    found = list(dict.fromkeys(side for text in said for side in _sides(text, problem.facts["target"])))
    if not said:
        found = _unmarked(reply, problem.facts["target"])
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    tree = parse(found[0])
    if tree is None:
        return NOTHING
    return right(found[0]) if _reached(tree, problem.facts["numbers"], problem.facts["target"]) else wrong(found[0])


def _reached(tree: Expression, given: list[int], target: int) -> bool:
    return _worth(tree) == target and not Counter(leaves(tree)) - Counter(given)


def _cleaned(text: str) -> str:
    """An expression with the four signs of a keyboard."""
    for pattern, replacement in LATEX:
        text = pattern.sub(replacement, text)
    text = plain(text).replace("×", "*").replace("÷", "/").replace("·", "*").replace("⋅", "*")
    return TIMES.sub("*", text.replace("[", "(").replace("]", ")").replace("{", "(").replace("}", ")")).strip(
        ' .,*`?!"“”'
    )


def _sides(text: str, target: int) -> list[str]:
    """The expression of an equation: its first side with an operation, if the others are worth the same; else all."""
    sides = ["".join(side.split()) for side in text.split("=")]
    sides = [side if len(side) <= LONGEST else "?" for side in sides if side]
    trees = [parse(side) for side in sides]
    grown = [len(leaves(tree)) for tree in trees if tree is not None]
    if len(sides) > 1 and grown[1:] != sorted(grown[1:], reverse=True) and len(sides) > 2:
        return sides  # a side after the result is another answer
    if len(sides) > 1 and all(tree is not None and _worth(tree) == target for tree in trees):
        return [side for side, tree in zip(sides, trees, strict=True) if isinstance(tree, Operation)][:1]
    return sides


def _worth(tree: Expression) -> Fraction | None:
    try:
        return worth(tree)
    except ZeroDivisionError:
        return None


REFUTED = re.compile(r"不对|不行|错|\b(?:wrong|incorrect|false|fails?)\b|n't work", re.I)


def _unmarked(reply: str, target: int) -> list[str]:
    """The expressions of a reply that marks none: all with an operation, each line and sentence by itself."""
    found = []
    for line in re.split(r"[\n。;；,，]", undenied(_cleaned(concluding(reply[-READ:])))):
        for match in () if REFUTED.search(line) else WRITTEN.finditer(line):
            if any(sign in match[0] for sign in "+-*/") and not _step(match[0], target):
                found += _sides(match[0], target)
                unfinished = line[match.end() :].strip() in SIGNS
                found += ["?"] if unfinished or ALTERNATIVE.search(line) else []
    return list(dict.fromkeys(found))


def _step(equation: str, target: int) -> bool:
    """Whether it is a true equation of one operation with another result than the target: a step, and no answer."""
    left, sign, result = "".join(equation.split()).partition("=")
    tree, worth_ = parse(left), parse(result) if sign else None
    return isinstance(tree, Operation) and isinstance(worth_, int) and worth_ != target and _worth(tree) == worth_


TASK = Task(
    "countdown", make, about="reach a target with given numbers, each used at most once", ability="reasoning",
    levels=5, usual=(1, 2),
)  # fmt: skip
