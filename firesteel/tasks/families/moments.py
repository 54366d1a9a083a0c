"""Reading clock times, dates and weekdays as people write them, and the verifiers that compare them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date

from firesteel.tasks.answers import (
    CLAIM,
    LONGEST,
    NOTHING,
    SEVERAL,
    WORDED,
    Found,
    concluding,
    conclusion,
    dubious,
    marked,
    number,
    right,
    wrong,
)  # fmt: skip
from firesteel.tasks.families.numbers import bare, plain, undenied
from firesteel.tasks.families.numerals import NUMERAL, han
from firesteel.tasks.task import Problem

DAYS = (
    ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
)
MONTHS = "january february march april may june july august september october november december".split()
DAY_ZH = re.compile(r"(?:星期|周|礼拜)([一二三四五六日天1-7])(?![年月])")
DAY_EN = re.compile(r"(?<![a-z])(mon|tues?|wed|thu|thurs|fri|sat|sun)(?:[a-z]{0,6}day|nesday|urday)?s?(?![a-z])", re.I)
NUMBER_OF = {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6} | {str(i + 1): i for i in range(7)}

TIME = re.compile(
    r"(?P<zh>凌晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|半夜|午夜)?\s{0,3}(?<![\d.:])(?P<h>\d{1,2})\s{0,3}(?::|点|时|h)\s{0,3}"
    r"(?:(?P<m>\d{1,2})(?!\d)|(?P<half>半)|(?P<quarter>一刻)|(?P<sharp>整|钟)?(?!\d))\s{0,3}分?(?::(?P<s>\d\d))?\s{0,3}(?P<en>[ap]\.?m\b\.?)?|"
    r"(?<![\d.:])(?P<h12>\d{1,2})\s{0,3}(?P<only>[ap]\.?m\b\.?)",
    re.I,
)
DURATION = re.compile(
    r"(?<![:\d])\d{1,4}\s{0,3}(?:hours?\b|hrs?\b|h\b|个?小时|minutes?\b|mins?\b|分钟)(?:\s{0,3}(?:and\s)?\d{1,4}\s{0,3}(?:minutes?\b|mins?\b|分钟?))?",
    re.I,
)
LATE = {"下午", "傍晚", "晚上", "夜里"}
NAMED_TIMES = ((re.compile(r"\bmidnight\b", re.I), 0), (re.compile(r"\bnoon\b", re.I), 720))
ISO = re.compile(r"(?<!\d)(\d{4})\s{0,3}[-/.年]\s{0,3}(\d{1,2})\s{0,3}[-/.月]\s{0,3}(\d{1,2})(?!\d)(?:日|号)?")
MONTH = "|".join(f"{m[:3]}(?:{m[3:]})?" if len(m) > 3 else m for m in MONTHS) + "|sept"
MONTH_FIRST = re.compile(rf"\b({MONTH})\.?\s{{1,3}}(\d{{1,2}})(?:st|nd|rd|th)?,?\s{{1,3}}(\d{{4}})(?!\d)", re.I)
DAY_FIRST = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th)?\s{{1,3}}(?:of\s{{1,3}})?({MONTH})\.?,?\s{{1,3}}(\d{{4}})(?!\d)", re.I
)
MOMENT = (
    rf"(?:\d{{1,2}}:\d\d\b|\d{{4}}-\d{{1,2}}-\d{{1,2}}\b|(?:{MONTH})\.?\s\d{{1,2}}\b"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?(?:{MONTH})\b"
    r"|[a-z]{3,6}day\b)"
)
MOMENT_ZH = (
    r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{4}年\d{1,2}月\d{1,2}[日号]|\d{1,2}:\d\d|\d{1,2}[点时](?:\d{1,2}分?|半|整)?"
    r"|(?:星期|周|礼拜)[一二三四五六日天])"
)
BESIDE = re.compile(  # 15:30 is not when it is before 15:30, about 15:30, or when one leaves
    r"\b(?:before|after|past|until|around|about|roughly|approximately|near(?:ly)?|close to|(?:less|more|earlier|later) than"
    rf"|(?:leav|depart|start)\w*(?:\sat)?)\s+{MOMENT}"
    rf"|{MOMENT}(?:'s)?\s+(?:minus|less|plus|eve|or the next|the day (?:after|before))\b"
    rf"|{MOMENT_ZH}\s?(?:的?(?:[前后]一?[天日]|第二天|次日)|[之以][前后]|[前后](?!\w)|左右|上下|出发)"
    rf"|(?:大概|大约|约|接近|将近|差不多|不到|超过|早于|晚于)[是在为]?\s?{MOMENT_ZH}",
    re.I,
)
SLASHED = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)")


def days(text: str) -> list[int]:
    """The weekdays of a text, Monday 0."""
    text = plain(text)
    found = [(m.start(), NUMBER_OF[m[1]]) for m in DAY_ZH.finditer(text)]
    names = [name[:3].casefold() for name in DAYS[1]]
    found += [(m.start(), names.index(m[1][:3].casefold())) for m in DAY_EN.finditer(text)]
    return [day for _, day in sorted(found)]


def times(text: str) -> list[int]:
    """The clock times of a text, in minutes after midnight; those that no clock shows are -1."""
    text = re.sub(rf"[{NUMERAL}]{{1,3}}(?=[点时分])", lambda m: str(han(m[0]) or m[0]), bare(text))
    text = re.sub(r"\b([01]\d|2[0-3])([0-5]\d)\s?hours\b", r"\1:\2", text)
    text = DURATION.sub(" ", text)
    found = [_minutes(m) for m in TIME.finditer(text)]
    return found + [at for pattern, at in NAMED_TIMES if pattern.search(text) and not found]


def _minutes(m: re.Match[str]) -> int:
    hour = int(m["h"] or m["h12"])
    minute = int(m["m"] or 0) + 30 * bool(m["half"]) + 15 * bool(m["quarter"])
    half = (m["en"] or m["only"] or "")[:1].casefold()
    if half and not 1 <= hour <= 12:
        return -1
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    elif m["zh"] in LATE and hour < 12:
        hour += 12
    elif m["zh"] in ("凌晨", "半夜", "午夜") and hour == 12:
        hour = 0
    hour = 0 if hour == 24 and minute == 0 else hour
    return hour * 60 + minute if hour < 24 and minute < 60 and not int(m["s"] or 0) else -1


def dates(text: str) -> list[date | None]:
    """The dates of a text that have a year; None for one that no calendar has, or that can be read in two ways."""
    text = re.sub(rf"[{NUMERAL}]{{1,4}}(?=[年月日号])", lambda m: str(han(m[0]) or m[0]), bare(text))
    found = [_date(int(y), int(m), int(d)) for y, m, d in ISO.findall(text)]
    found += [_date(int(y), _month(m), int(d)) for m, d, y in MONTH_FIRST.findall(text)]
    found += [_date(int(y), _month(m), int(d)) for d, m, y in DAY_FIRST.findall(text)]
    return found + [_slashed(int(a), int(b), int(y)) for a, b, y in SLASHED.findall(text)]


def _month(name: str) -> int:
    return [m[:3] for m in MONTHS].index(name[:3].casefold()) + 1


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _slashed(a: int, b: int, year: int) -> date | None:
    """3/25/2024 and 25/3/2024; 3/5/2024 may be either."""
    if a <= 12 and b <= 12 and a != b:
        return None
    return _date(year, a, b) if a <= 12 else _date(year, b, a)


# --- verifiers ---------------------------------------------------------------------------------------------------------

Read = Callable[[str], "Iterable[object]"]


def _says(problem: Problem, reply: str, read: Read) -> Found:
    """The one moment that a reply claims: in its mark, or in what it concludes, less those that the question names."""
    said = plain("\n".join(marked(reply)))

    def of(text: str) -> list[object]:
        return list(dict.fromkeys(read(undenied(BESIDE.sub(" ", text)))))

    found = of(said or plain(concluding(reply)))
    if not found and not said:
        found = of(plain(reply[-LONGEST:]))
    if len(found) > 1 and not said:
        found = of(plain(conclusion(reply))) or found
    if len(found) > 1 and not said:
        asked = set(read("\n".join(problem.facts.get("asked", ())) or problem.question))
        if WORDED.search(_without(plain(reply), read)) or len(found) > 2:  # else it only lists them
            found = [each for each in found if each not in asked] or found
    if len(found) > 1 and not said and "=" in reply:  # 8:55+6:35=15:30
        found = list(dict.fromkeys(read(reply.rpartition("=")[2]))) or found
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    wanted = list(read(str(problem.answer)))
    assert len(wanted) == 1, problem.answer
    if found != wanted:
        return wrong(str(found[0]))
    text = bare(reply[-LONGEST:])
    for pattern in WRITTEN[read]:
        text = pattern.sub(lambda m: CLAIM + " " * m[0][-1].isspace() if list(read(m[0])) == wanted else m[0], text)
    return NOTHING if dubious(text) or NO_MOMENT.search(text) else right(str(found[0]))


def _without(text: str, read: Read) -> str:
    """A text without its moments, and the words that stand between alternatives."""
    for pattern in WRITTEN[read]:
        text = pattern.sub(" ", text)
    return re.sub(r"\b(?:either|neither|or|nor|and)\b", " ", text, flags=re.I)


NO_MOMENT = re.compile(rf"-{CLAIM}|{CLAIM}\s?(?:\+\s?\d|minutes?\b|分?钟)")


WRITTEN: dict[Read, tuple[re.Pattern[str], ...]] = {
    days: (DAY_ZH, DAY_EN), times: (TIME,), dates: (ISO, MONTH_FIRST, DAY_FIRST),
}  # fmt: skip


def says_time(problem: Problem, reply: str) -> Found:
    """Verifier: the clock time of the reply is the answer's; 14:35, 2:35 pm, 下午2点35分."""
    return _says(problem, reply, times)


OTHER_UNIT = r"\s{0,2}(?:weeks?|months?|years?|hours?|minutes?|seconds?|周|个?星期|个?月|年|个?小时|分钟|秒)"


def says_days(problem: Problem, reply: str) -> Found:
    """Verifier: the number that the reply claims, and of days: 38 weeks are not 38 days."""
    found, text = number(problem, reply), plain(reply[-LONGEST:])
    said = rf"(?<![\d.]){re.escape(str(found.parsed))}(?!\d)"
    if found.reward and 0 < len(re.findall(said, text)) <= len(re.findall(said + OTHER_UNIT, text)):
        return wrong(str(found.parsed))
    return found


def says_date(problem: Problem, reply: str) -> Found:
    """Verifier: the date of the reply is the answer's; it has a year, and is written in any usual way."""
    return _says(problem, reply, dates)


def says_day(problem: Problem, reply: str) -> Found:
    """Verifier: the weekday of the reply is the answer's; Friday, 星期五, 周五."""
    return _says(problem, reply, days)
