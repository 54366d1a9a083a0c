"""Questions about a small table, written as Markdown, CSV or plain lines: look up, compare, count, add, filter."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from firesteel.tasks.answers import Found, named, number, wrong
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.naming import one_of
from firesteel.tasks.task import Draw, Problem, Task

PEOPLE = {
    "zh": ("小明", "小红", "李华", "王芳", "张伟", "刘洋", "陈静", "赵磊", "孙悦", "周涛", "吴敏", "郑凯"),
    "en": ("Anna", "Ben", "Carl", "Dora", "Eric", "Fay", "Gus", "Hana", "Ivan", "Jane", "Kurt", "Lena"),
}
FIRST = {"zh": "姓名", "en": "name"}
NUMBERS = {"zh": ("年龄", "分数", "工资", "身高"), "en": ("age", "score", "pay", "height")}
CITY = {"zh": "城市", "en": "city"}
CITIES = {"zh": ("北京", "上海", "广州", "成都"), "en": ("Paris", "Rome", "Oslo", "Cairo")}


@dataclass(frozen=True)
class Table:
    """Names, a city for each, and columns of whole numbers."""

    names: tuple[str, ...]
    cities: tuple[str, ...]
    columns: dict[str, tuple[int, ...]]

    def rows(self, language: str) -> list[list[str]]:
        """Heading and rows as texts."""
        head = [FIRST[language], CITY[language], *self.columns]
        body = zip(self.names, self.cities, *self.columns.values(), strict=True)
        return [head, *([str(cell) for cell in row] for row in body)]


@dataclass(frozen=True)
class Asked:
    """A question about a table, its answer, how it is worked, and what may be chosen where it is not a number."""

    question: dict[str, tuple[str, str]]  # language -> wording of training, wording of tests alone
    words: dict[str, object]
    answer: int | str
    working: str
    choices: tuple[str, ...] = ()


def _lookup(rng: random.Random, t: Table) -> Asked:
    i, column = rng.randrange(len(t.names)), rng.choice(list(t.columns))
    value = t.columns[column][i]
    text = {
        "zh": ("{p}的{c}是多少？", "表里{p}那一行的{c}写的是几？"),
        "en": ("What is the {c} of {p}?", "Which {c} stands in the row of {p}?"),
    }
    return Asked(text, {"p": t.names[i], "c": column}, value, f"{t.names[i]}:{column}={value}")


def _where(rng: random.Random, t: Table) -> Asked:
    i = rng.randrange(len(t.names))
    text = {
        "zh": ("{p}在哪个城市？", "{p}住哪座城市？"),
        "en": ("Which city does {p} live in?", "Where does {p} live?"),
    }
    return Asked(text, {"p": t.names[i]}, t.cities[i], f"{t.names[i]}:{t.cities[i]}", tuple(dict.fromkeys(t.cities)))


def _most(rng: random.Random, t: Table) -> Asked:
    column, top = rng.choice(list(t.columns)), rng.random() < 0.5
    values = t.columns[column]  # a column's numbers differ
    best = (max if top else min)(values)
    name = t.names[values.index(best)]
    text = {
        "zh": ("谁的{c}最{d}？", "{c}最{d}的人是谁？"),
        "en": ("Who has the {d} {c}?", "Name the person whose {c} is {d}."),
    }
    words: dict[str, object] = {"c": column, "d": (("大", "highest") if top else ("小", "lowest"))}
    return Asked(text, words, name, f"{','.join(map(str, values))};={best};{name}", t.names)


def _count(rng: random.Random, t: Table) -> Asked:
    column = rng.choice(list(t.columns))
    values = t.columns[column]
    border = rng.choice(sorted(values)[:-1])
    over = [v for v in values if v > border]
    text = {
        "zh": ("有几个人的{c}大于{n}？", "{c}超过{n}的有几人？"),
        "en": ("How many people have a {c} above {n}?", "For how many rows is the {c} more than {n}?"),
    }
    return Asked(text, {"c": column, "n": border}, len(over), f"{','.join(map(str, over))};={len(over)}")


def _sum(rng: random.Random, t: Table) -> Asked:
    column = rng.choice(list(t.columns))
    picked = sorted(rng.sample(range(len(t.names)), 2))
    values = [t.columns[column][i] for i in picked]
    a, b = (t.names[i] for i in picked)
    text = {
        "zh": ("{a}和{b}的{c}加起来是多少？", "把{a}、{b}两人的{c}相加得几？"),
        "en": ("What is the {c} of {a} and {b} together?", "Add up the {c} of {a} and {b}."),
    }
    return Asked(text, {"a": a, "b": b, "c": column}, sum(values), _added(column, values))


def _sum_where(rng: random.Random, t: Table) -> Asked:
    column, city = rng.choice(list(t.columns)), rng.choice(t.cities)
    values = [v for v, c in zip(t.columns[column], t.cities, strict=True) if c == city]
    text = {
        "zh": ("{y}的人{c}一共是多少？", "只算{y}，{c}合计多少？"),
        "en": ("What is the total {c} of the people in {y}?", "Counting {y} alone, what does the {c} add up to?"),
    }
    return Asked(text, {"y": city, "c": column}, sum(values), _added(column, values))


def _most_where(rng: random.Random, t: Table) -> Asked:
    column, city = rng.choice(list(t.columns)), rng.choice(t.cities)
    rows = [(v, n) for v, n, c in zip(t.columns[column], t.names, t.cities, strict=True) if c == city]
    text = {
        "zh": ("{y}的人里，谁的{c}最大？", "住{y}的人当中{c}最大的是谁？"),
        "en": ("Of the people in {y}, who has the highest {c}?", "Who in {y} has the highest {c}?"),
    }
    work = ",".join(f"{n}:{v}" for v, n in rows)
    return Asked(text, {"y": city, "c": column}, max(rows)[1], f"{work};={max(rows)[1]}", t.names)


def _ranked(rng: random.Random, t: Table) -> Asked:
    column, place = rng.choice(list(t.columns)), rng.randint(2, 3)
    values = sorted(t.columns[column], reverse=True)[:place]
    name = t.names[t.columns[column].index(values[-1])]
    text = {
        "zh": ("{c}从大到小排，第{n}名是谁？", "谁的{c}排第{n}（从大往小数）？"),
        "en": ("Who has place {n} when {c} is sorted from high to low?", "By {c}, highest first, who is number {n}?"),
    }
    return Asked(text, {"c": column, "n": place}, name, f"{','.join(map(str, values))};={name}", t.names)


def _sum_both(rng: random.Random, t: Table) -> Asked:
    column, other = rng.sample(list(t.columns), 2)
    border = sorted(t.columns[other])[len(t.names) // 2]
    city = rng.choice([c for c, v in zip(t.cities, t.columns[other], strict=True) if v >= border])
    rows = zip(t.columns[column], t.columns[other], t.cities, strict=True)
    values = [v for v, w, c in rows if c == city and w >= border]
    text = {
        "zh": ("{y}的人里{o}不小于{n}的，{c}一共是多少？", "只看{y}且{o}至少{n}的人，{c}合计多少？"),
        "en": (
            "What is the total {c} of the people in {y} whose {o} is at least {n}?",
            "Take the rows of {y} with a {o} of {n} or more: what does their {c} add up to?",
        ),
    }
    return Asked(text, {"y": city, "o": other, "n": border, "c": column}, sum(values), _added(column, values))


def _added(column: str, values: Sequence[int]) -> str:
    """A running sum: age:3+4=7;7+5=12."""
    steps, total = [], values[0]
    for value in values[1:]:
        steps.append(f"{total}+{value}={total + value}")
        total += value
    return f"{column}:" + (";".join(steps) or f"{total};={total}")


Ask = Callable[[random.Random, Table], Asked]
LEVELS: dict[int, tuple[tuple[int, int], int, tuple[Ask, ...]]] = {  # level -> rows, columns of numbers, questions
    1: ((3, 4), 1, (_lookup, _where, _most)),
    2: ((4, 6), 2, (_lookup, _where, _most, _count, _sum)),
    3: ((6, 8), 3, (_count, _sum, _sum_where, _most_where)),
    4: ((9, 12), 4, (_sum_where, _most_where, _ranked, _sum_both)),
}


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _csv(rows: list[list[str]]) -> str:
    return "\n".join(",".join(row) for row in rows)


def _lines(rows: list[list[str]]) -> str:
    head = rows[0]
    return "\n".join("; ".join(f"{h}: {cell}" for h, cell in zip(head, row, strict=True)) for row in rows[1:])


def _tabs(rows: list[list[str]]) -> str:
    return "\n".join("\t".join(row) for row in rows)


SHAPES = (_markdown, _csv, _lines)


def table(rng: random.Random, language: str, rows: int, columns: int) -> Table:
    """A random table; the numbers of a column differ."""
    names = tuple(rng.sample(PEOPLE[language], rows))
    cities = tuple(rng.choice(CITIES[language][: max(2, rows // 3)]) for _ in names)
    ranges = {0: (18, 65), 1: (10, 99), 2: (20, 99), 3: (140, 199)}
    picked = sorted(rng.sample(range(4), columns))
    numbers = {NUMBERS[language][i]: tuple(rng.sample(range(*ranges[i]), rows)) for i in picked}
    return Table(names, cities, numbers)


AVERAGE = re.compile(r"平均|\baverage\b|\bmean\b", re.I)
SUMMED = re.compile(r"\+|[和总共计]|加起来|\b(?:total|sum|together|altogether)\b", re.I)
MOST = re.compile(r"最[大高多]|\b(?:highest|tallest|oldest|largest|biggest|most)\b", re.I)
LEAST = re.compile(r"最[小低少矮]|\b(?:lowest|shortest|youngest|smallest|least)\b", re.I)


def person(problem: Problem, reply: str) -> Found:
    """Verifier: the one choice that the reply names, and not as the lowest where the highest is asked."""
    found, last = one_of(problem, reply), problem.question.strip().rpartition("\n")[2]
    for asked, other in ((MOST, LEAST), (LEAST, MOST)):
        if found.reward and asked.search(last) and other.search(reply) and not asked.search(reply):
            return wrong(str(found.parsed))
    return found


def amount(problem: Problem, reply: str) -> Found:
    """Verifier: the number that the reply claims, and not of somebody or some city that the question does not name."""
    found = number(problem, reply)
    if not found.reward:
        return found
    if AVERAGE.search(reply) and not SUMMED.search(reply):
        return wrong(str(found.parsed))  # no question asks for one
    last = problem.question.strip().rpartition("\n")[2]
    for sort in (problem.facts.get("people", []), *problem.facts.get("kinds", [])):
        asked, said = set(named(last, sort)), set(named(reply, sort))
        if said and asked - said and (not asked & said or not SUMMED.search(reply)):
            return wrong(str(found.parsed))
    return found


def make(draw: Draw) -> Problem:
    """One table and one question."""
    rng, language = draw.rng, draw.language()
    rows, columns, asks = LEVELS[draw.level]
    found = table(rng, language, rng.randint(*rows), columns)
    shape = draw.wording(SHAPES, (_tabs,))
    asked = rng.choice(asks)(rng, found)
    words = {k: v[language == "en"] if isinstance(v, tuple) else v for k, v in asked.words.items()}
    seen, unseen = asked.question[language]
    question = f"{shape(found.rows(language))}\n{draw.wording((seen,), (unseen,)).format(**words)}"
    reply = REPLIES[language].format(asked.answer)
    facts: dict[str, Any] = {"people": list(found.names), "kinds": [sorted(set(found.cities))]}
    facts |= {"choices": list(asked.choices)} if asked.choices else {}
    verify = person if asked.choices else amount
    return Problem(question, asked.answer, asked.working, reply, language, draw.level, verify, facts)


TASK = Task(
    "tables",
    make,
    about="look up, compare, count and add in a small table",
    ability="understanding",
    levels=4,
    usual=(1, 2),
)
