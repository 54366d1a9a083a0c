"""Numbers that are too large for the head: a thought, a call of the calculator or two, and the reply.

Levels: a product; several operations at once; percentages; two steps, the second with what the first one gave. A result has
at least six digits, so that a guess is never right. What the calculator says in a worked solution is what it really says.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from firesteel.tasks.answers import NOTHING, Found, doubted, wrong
from firesteel.tasks.families.arithmetic import QUESTIONS, REPLIES, UNSEEN
from firesteel.tasks.families.arithmetic import number as drawn
from firesteel.tasks.families.stories import told
from firesteel.tasks.task import Called, Draw, Problem, Task
from firesteel.tasks.tools import CALCULATOR

THOUGHTS = {"zh": "数太大，用计算器。", "en": "Too large for the head: I call the calculator."}
LEAST = 100_000  # of a result


@dataclass(frozen=True)
class Asked:
    """What is asked for: texts with places for numbers, by language, seen and unseen; and how it is worked."""

    seen: dict[str, tuple[str, ...]]
    unseen: dict[str, tuple[str, ...]]
    draw: Callable[[random.Random], tuple[int, ...]]
    steps: tuple[str, ...]  # expressions; {r} is what the one before gave


def _plain(expression: str, draw: Callable[[random.Random], tuple[int, ...]]) -> Asked:
    """An expression as it stands."""
    seen, unseen = (
        {language: tuple(text.replace("{x}", expression) for text in texts) for language, texts in each.items()}
        for each in (QUESTIONS, UNSEEN)
    )
    return Asked(seen, unseen, draw, (expression,))


def _large(count: int, low: int = 4, high: int = 5) -> Callable[[random.Random], tuple[int, ...]]:
    return lambda rng: tuple(drawn(rng, low, high) for _ in range(count))


def _share(rng: random.Random) -> tuple[int, ...]:
    return drawn(rng, 7, 8), rng.choice([n for n in range(11, 90) if n % 10])


def _rest(rng: random.Random) -> tuple[int, ...]:
    return drawn(rng, 4, 5), drawn(rng, 4, 4), drawn(rng, 5, 6)


def _packs(rng: random.Random) -> tuple[int, ...]:
    return drawn(rng, 5, 6), drawn(rng, 4, 4), rng.randint(12, 99)


def _days(rng: random.Random) -> tuple[int, ...]:
    return drawn(rng, 4, 5), rng.randint(120, 365), drawn(rng, 3, 3)


PRODUCT = (_plain("{0}*{1}", _large(2)),)
SEVERAL = (
    _plain("{0}*{1}+{2}", _large(3)), _plain("{0}*{1}-{2}", _large(3)), _plain("({0}+{1})*{2}", _large(3)),
    _plain("{0}*{1}+{2}*{3}", _large(4, 4, 5)),
)  # fmt: skip
PERCENT = (
    Asked(
        {"zh": ("{0}的{1}%是多少？", "求{0}的{1}%。"), "en": ("What is {1}% of {0}?", "Find {1}% of {0}.")},
        {"zh": ("{0}里占{1}%的是多少？",), "en": ("How much do you get if you take {1}% of {0}?",)},
        _share, ("{0}*{1}/100",),
    ),
    Asked(
        {"zh": ("{0}增加{1}%后是多少？",), "en": ("What is {0} increased by {1}%?",)},
        {"zh": ("把{0}提高{1}%，得多少？",), "en": ("If {0} grows by {1}%, what does it become?",)},
        _share, ("{0}*(100+{1})/100",),
    ),
    Asked(
        {"zh": ("{0}减少{1}%后是多少？",), "en": ("What is {0} decreased by {1}%?",)},
        {"zh": ("把{0}降低{1}%，得多少？",), "en": ("If {0} shrinks by {1}%, what does it become?",)},
        _share, ("{0}*(100-{1})/100",),
    ),
)  # fmt: skip
TWO_STEPS = (
    Asked(
        {
            "zh": ("仓库有{0}箱螺丝，每箱{1}个，运走{2}个，还剩多少个？",),
            "en": ("A store has {0} crates of {1} screws and sends off {2}. How many screws are left?",),
        },
        {
            "zh": ("{0}箱螺丝，一箱{1}个，用掉{2}个以后，剩下几个？",),
            "en": ("There are {1} screws in each of {0} crates. After {2} are used, how many remain?",),
        },
        _rest, ("{0}*{1}", "{r}-{2}"),
    ),
    Asked(
        {
            "zh": ("工厂有{0}排货架，每排{1}个零件，每{2}个装一盒，能装满多少盒？",),
            "en": ("A plant has {0} shelves of {1} parts, packed {2} to a box. How many full boxes are there?",),
        },
        {
            "zh": ("{0}排货架各有{1}个零件，{2}个一盒，最多装满几盒？",),
            "en": ("If {0} shelves hold {1} parts each and a box takes {2}, how many boxes can be filled?",),
        },
        _packs, ("{0}*{1}", "{r}//{2}"),
    ),
    Asked(
        {
            "zh": ("一台机器每小时做{0}件，每天24小时，{1}天后扣除次品{2}件，还有多少件？",),
            "en": ("A machine makes {0} parts an hour, 24 hours a day. After {1} days, less {2} bad ones, how many are there?",),
        },
        {
            "zh": ("机器昼夜不停，每小时出{0}件，{1}天里有{2}件不合格，合格的有多少件？",),
            "en": ("At {0} parts an hour around the clock, how many good ones come in {1} days, if {2} are bad?",),
        },
        _days, ("{0}*24*{1}", "{r}-{2}"),
    ),
)  # fmt: skip
LEVELS = {1: PRODUCT, 2: SEVERAL, 3: PERCENT, 4: TWO_STEPS}


SPACED = re.compile(r"(?<![\d.,])(?<![\d.,] )\d{1,3}(?: \d{3}){2,}(?![\d.,]*\d)(?! \d)")  # 231 162 607


def exactly(problem: Problem, reply: str) -> Found:
    """Verifier: the number that the reply claims is the result to the last digit; 20% is no 20."""
    found = told(problem, SPACED.sub(lambda m: m[0].replace(" ", ""), reply))
    if found.reward and found.parsed and doubted(found.parsed, reply):
        return NOTHING
    return wrong(found.parsed) if found.reward and found.parsed and found.parsed.endswith("%") else found


def make(draw: Draw) -> Problem:
    """One question of the level, a kind and a wording, each uniform."""
    rng = draw.rng
    language = draw.language()
    kind = rng.choice(LEVELS[draw.level])
    text = draw.wording(kind.seen[language], kind.unseen[language])
    while True:
        numbers = kind.draw(rng)
        calls, worked = _worked(kind.steps, numbers, THOUGHTS[language])
        result = calls[-1].result
        if Fraction(result) >= LEAST:
            break
    answer = int(result) if result.isdigit() else float(result)
    return Problem(
        text.format(*numbers), answer, worked, REPLIES[language].format(result), language, verify=exactly,
        tools=(CALCULATOR.name,), calls=tuple(calls),
    )  # fmt: skip


def _worked(steps: tuple[str, ...], numbers: tuple[int, ...], thought: str) -> tuple[list[Called], str]:
    """The calls, each thought of as what the one before gave, and the last thought: the last call with its result."""
    calls: list[Called] = []
    result = ""
    for step in steps:
        expression = step.format(*numbers, r=result)
        result = CALCULATOR.run({"expression": expression})
        calls.append(Called(CALCULATOR.name, {"expression": expression}, result, thought))
        thought = f"{expression}={result}"
    return calls, thought


TASK = Task(
    "calculator", make, about="numbers too large for the head, worked with calls of a calculator",
    ability="mathematics", levels=len(LEVELS), usual=(1, 2),
)  # fmt: skip
