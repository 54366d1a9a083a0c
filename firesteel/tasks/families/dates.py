"""Clock times, dates and weekdays: later by so much, days between, leap years; worked by parts."""

from __future__ import annotations

import calendar
import random
from collections.abc import Callable
from datetime import date, timedelta

from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.moments import DAYS, says_date, says_day, says_days, says_time
from firesteel.tasks.task import Draw, Problem, Task

Texts = dict[str, dict[str, tuple[str, ...]]]
QUESTIONS: Texts = {
    "zh": {
        "clock": ("现在是{a}，{n}分钟以后是几点几分？（24小时制）", "{a}出发，走了{n}分钟，到达时是几点几分？（24小时制）"),
        "day": ("今天是{a}，{n}天以后是星期几？", "{a}之后第{n}天是星期几？"),
        "after": ("{a}之后{n}天是哪一天？", "从{a}起过{n}天是几月几日？请写出年份。"),
        "between": ("从{a}到{b}相差多少天？", "{a}与{b}之间隔了几天（后一天减前一天）？"),
        "weekday": ("{a}是星期几？", "请问{a}是周几？"),
    },
    "en": {
        "clock": (
            "It is {a}. What time is it {n} minutes later (24-hour clock)?",
            "A train leaves at {a} and takes {n} minutes. When does it arrive (24-hour clock)?",
        ),
        "day": ("Today is {a}. What day is it in {n} days?", "Which day of the week is {n} days after {a}?"),
        "after": ("Which date is {n} days after {a}?", "What is the date {n} days after {a}?"),
        "between": ("How many days are there from {a} to {b}?", "How many days after {a} is {b}?"),
        "weekday": ("What day of the week is {a}?", "On which weekday does {a} fall?"),
    },
}  # fmt: skip
UNSEEN: Texts = {
    "zh": {
        "clock": ("时钟指着{a}，再等{n}分钟会指向几点几分？（24小时制）",), "day": ("{a}过完{n}天轮到星期几？",),
        "after": ("{a}往后数{n}天，日历上写着哪年哪月哪日？",), "between": ("{a}要等多少天才到{b}？",),
        "weekday": ("翻开日历，{a}那天是星期几？",),
    },
    "en": {
        "clock": ("The clock shows {a}. Wait {n} minutes: what does it show (24-hour clock)?",),
        "day": ("Count {n} days on from {a}: which day of the week do you reach?",),
        "after": ("Starting at {a}, count {n} days forward. Which date do you reach?",),
        "between": ("At {a} you begin to wait for {b}. How many days is that?",),
        "weekday": ("Look {a} up in a calendar: which weekday is it?",),
    },
}  # fmt: skip
YEARS = (1950, 2050)
DAY = {"zh": DAYS[0], "en": DAYS[1]}


def _clock(rng: random.Random, language: str, most: int) -> Problem:
    """Minutes later, the working by hours and minutes; from level 2 midnight is crossed."""
    hour = rng.randint(0, 23) if most > 60 else rng.randint(0, 21)
    minute, later = rng.randint(0, 59), rng.randint(5, most)
    total = minute + later
    hours, rest = divmod(total, 60)
    after = hour + hours
    steps = [f"{minute}+{later}={total}", f"{total}={hours}*60+{rest}", f"{hour}+{hours}={after}"]
    if after >= 24:
        steps.append(f"{after}-{after // 24 * 24}={after % 24}")
    answer = f"{after % 24:02}:{rest:02}"
    facts = {"a": f"{hour:02}:{minute:02}", "n": later}
    return Problem("clock", answer, ";".join(steps), verify=says_time, facts=facts)


def _day(rng: random.Random, language: str, most: int) -> Problem:
    start, n = rng.randint(0, 6), rng.randint(2, most)
    total = start + 1 + n
    weeks, rest = divmod(total - 1, 7)
    first, last = DAY[language][start], DAY[language][rest]
    steps = f"{first}={start + 1};{start + 1}+{n}={total};{total}-{weeks}*7={rest + 1};{rest + 1}={last}"
    return Problem("day", last, steps, verify=says_day, facts={"a": first, "n": n})


def _some_date(rng: random.Random) -> date:
    return date(rng.randint(*YEARS), 1, 1) + timedelta(days=rng.randint(0, 364))


def _after(rng: random.Random, language: str, most: int) -> Problem:
    start, n = _some_date(rng), rng.randint(5, most)
    end = start + timedelta(days=n)
    facts = {"a": start.isoformat(), "n": n}
    return Problem("after", end.isoformat(), _month_by_month(start, n), verify=says_date, facts=facts)


def _month_by_month(start: date, n: int) -> str:
    """Days on from a date: what is over a month's length goes into the next month."""
    year, month, day = start.year, start.month, start.day + n
    lines = [f"{start.day}+{n}={day}"]
    while day > (length := calendar.monthrange(year, month)[1]):
        lines.append(f"{year}-{month:02}:{length};{day}-{length}={day - length}")
        day -= length
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return "\n".join([*lines, f"{year}-{month:02}-{day:02}"])


def _between(rng: random.Random, language: str, most: int) -> Problem:
    """Days left of the first month, whole months, days of the last."""
    start = _some_date(rng)
    end = start + timedelta(days=rng.randint(5, most))
    lines: list[str] = []
    total = -start.day
    at = start.replace(day=1)
    while (at.year, at.month) < (end.year, end.month):
        length = calendar.monthrange(at.year, at.month)[1]
        lines.append(f"{total}+{length}={total + length}" if lines else f"{length}-{start.day}={total + length}")
        total += length
        at = (at + timedelta(days=31)).replace(day=1)
    lines.append(f"{total}+{end.day}={total + end.day}" if lines else f"{end.day}-{start.day}={total + end.day}")
    facts = {"a": start.isoformat(), "b": end.isoformat()}
    return Problem("between", total + end.day, ";".join(lines), verify=says_days, facts=facts)


def _weekday(rng: random.Random, language: str, most: int) -> Problem:
    """By days since the year began and the years' shifts since 1 January 1900, a Monday."""
    found = _some_date(rng)
    past = found.year - 1900
    leaps, day = (past - 1) // 4, found.timetuple().tm_yday
    total = past + leaps + day
    weeks, rest = divmod(total, 7)
    number = rest or 7
    steps = [
        f"{found.year}-1900={past}", f"{past - 1}={leaps}*4+{(past - 1) % 4}",  # 2000 is a leap year as every fourth is
        *_day_of_year(found), f"{past}+{leaps}+{day}={total}", f"{total}-{weeks}*7={rest}", f"{DAY[language][number - 1]}",
    ]  # fmt: skip
    return Problem(
        "weekday", DAY[language][number - 1], "\n".join(steps), verify=says_day, facts={"a": found.isoformat()}
    )


def _day_of_year(found: date) -> list[str]:
    lengths = [calendar.monthrange(found.year, m)[1] for m in range(1, found.month)]
    parts = [*lengths, found.day]
    return ["+".join(map(str, parts)) + f"={sum(parts)}"] if lengths else []


KINDS: dict[int, tuple[tuple[Callable[[random.Random, str, int], Problem], int], ...]] = {
    1: ((_clock, 60), (_day, 10)), 2: ((_clock, 600), (_day, 60)), 3: ((_after, 60), (_between, 60)),
    4: ((_after, 400), (_between, 400), (_day, 999)), 5: ((_weekday, 0), (_after, 800)),
}  # fmt: skip


def make(draw: Draw) -> Problem:
    """One question of its level's kinds."""
    rng, language = draw.rng, draw.language()
    kind, most = rng.choice(KINDS[draw.level])
    found = kind(rng, language, most)
    name = found.question
    question = draw.wording(QUESTIONS[language][name], UNSEEN[language][name]).format(**found.facts)
    facts = {"asked": [str(each) for each in found.facts.values()]}
    reply = REPLIES[language].format(found.answer)
    return Problem(question, found.answer, found.reasoning, reply, language, verify=found.verify, facts=facts)


TASK = Task(
    "dates", make, about="clock times, dates and weekdays: how much later, how many days between", ability="reasoning",
    levels=5, usual=(1, 2),
)  # fmt: skip
