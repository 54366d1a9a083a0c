"""One- and two-step word problems in Chinese and English; the reasoning names each step and works it by columns."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from firesteel.tasks.families import working
from firesteel.tasks.families.arithmetic import REPLIES, number
from firesteel.tasks.families.stories import told
from firesteel.tasks.task import Draw, Problem, Task

NAMES = {"zh": ("小明", "小红", "李华", "王芳"), "en": ("Tom", "Anna", "Li Hua", "Sam")}
THINGS = {"zh": ("苹果", "铅笔", "书", "邮票"), "en": ("apples", "pencils", "books", "stamps")}


@dataclass(frozen=True)
class Story:
    """A situation: its texts with places for name {p}, thing {t} and numbers {a} {b} {c}, how to draw and how to solve it."""

    zh: str
    en: str
    unseen: dict[str, str]  # the same in other words, by language
    draw: Callable[[random.Random], tuple[int, int, int]]
    steps: Callable[[int, int, int], tuple[tuple[str, str, int], ...]]  # (expression, working, value)


def _plus(a: int, b: int) -> tuple[str, str, int]:
    return f"{a}+{b}", working.add(a, b), a + b


def _minus(a: int, b: int) -> tuple[str, str, int]:
    return f"{a}-{b}", working.subtract(a, b), a - b


def _times(a: int, d: int) -> tuple[str, str, int]:
    return f"{a}*{d}", working.multiply(a, d), a * d


def _two(rng: random.Random) -> tuple[int, int, int]:
    return number(rng, 2, 3), number(rng, 2, 3), 0


def _falling(rng: random.Random) -> tuple[int, int, int]:
    x, y, _ = _two(rng)
    return max(x, y), min(x, y), 0


def _gain_then_loss(rng: random.Random) -> tuple[int, int, int]:
    a, b = number(rng, 2, 3), number(rng, 2, 3)
    return a, b, rng.randint(10, a + b - 1)


def _boxes(rng: random.Random) -> tuple[int, int, int]:
    return number(rng, 2, 2), rng.randint(2, 9), number(rng, 2, 3)


STORIES = (
    Story(
        "{p}有{a}个{t}，又买了{b}个，现在一共有多少个？",
        "{p} has {a} {t} and buys {b} more. How many are there now?",
        {
            "zh": "{p}原来有{t}{a}个，后来收到{b}个。{p}共有多少个{t}？",
            "en": "There are {a} {t} on the shelf, and {p} puts {b} others beside them. What is the number of {t} on the shelf?",
        },
        _two, lambda a, b, c: (_plus(a, b),),
    ),
    Story(
        "{p}有{a}个{t}，送给别人{b}个，还剩多少个？",
        "{p} has {a} {t} and gives away {b}. How many are left?",
        {
            "zh": "商店里原有{t}{a}个，卖掉了{b}个，剩下几个？",
            "en": "Of {a} {t} in the shop, {b} are sold to {p}. What number of {t} remains?",
        },
        _falling, lambda a, b, c: (_minus(a, b),),
    ),
    Story(
        "每箱有{a}个{t}，{b}箱一共有多少个？",
        "Each box holds {a} {t}. How many are in {b} boxes?",
        {
            "zh": "一个袋子装{t}{a}个，{b}个这样的袋子能装几个{t}？",
            "en": "{p} fills {b} bags with {a} {t} each. What number of {t} is that?",
        },
        lambda rng: (number(rng, 2, 3), rng.randint(2, 9), 0), lambda a, b, c: (_times(a, b),),
    ),
    Story(
        "{p}有{a}个{t}，又买了{b}个，然后送给别人{c}个，还剩多少个？",
        "{p} has {a} {t}, buys {b} more and then gives away {c}. How many are left?",
        {
            "zh": "仓库里存放着{t}{a}个，上午运来{b}个，下午运走{c}个，仓库里剩下几个{t}？",
            "en": "{p} finds {a} {t} in one drawer and {b} in another, and sells {c} of them. What number of {t} remains?",
        },
        _gain_then_loss, lambda a, b, c: (_plus(a, b), _minus(a + b, c)),
    ),
    Story(
        "每箱有{a}个{t}，{p}买了{b}箱，家里还有{c}个，一共有多少个？",
        "Each box holds {a} {t}. {p} buys {b} boxes and has {c} at home. How many are there in all?",
        {
            "zh": "{p}的桌上放着{c}个{t}，又搬来{b}袋，每袋装着{a}个。{p}共有几个{t}？",
            "en": "{p} packs {b} bags of {a} {t} each and leaves {c} on the table. What is the number of all these {t}?",
        },
        _boxes, lambda a, b, c: (_times(a, b), _plus(a * b, c)),
    ),
)  # fmt: skip


def make(draw: Draw) -> Problem:
    """One question: a story, a language, a name and a thing, each uniform."""
    rng = draw.rng
    story = rng.choice(STORIES)
    language = draw.language()
    a, b, c = story.draw(rng)
    seen = story.zh if language == "zh" else story.en
    text = story.unseen[language] if draw.unseen else seen
    question = text.format(p=rng.choice(NAMES[language]), t=rng.choice(THINGS[language]), a=a, b=b, c=c)
    steps = story.steps(a, b, c)
    reasoning = "\n".join(f"{expression}:{work}" for expression, work, _ in steps)
    answer = steps[-1][2]
    return Problem(question, answer, reasoning, REPLIES[language].format(answer), language, verify=told)


TASK = Task(
    "word-problems", make, about="a short story with one or two operations, worked step by step", ability="mathematics"
)
