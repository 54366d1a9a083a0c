"""Tables: the answers are those of another reading of the printed table."""

import re

from firesteel.tasks.families.tables import TASK
from tests.tasks.checks import hold_at_every_level, splits_are_disjoint


def rows_of(text):
    """The printed table, read back: a dict a row."""
    lines = text.split("\n")[:-1]
    if lines[0].startswith("|"):
        split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]
    elif "; " in lines[0]:
        return [dict(part.split(": ") for part in line.split("; ")) for line in lines]
    else:
        split = [re.split(r"[,\t]", line) for line in lines]
    return [dict(zip(split[0], row, strict=True)) for row in split[1:]]


ASKED = {
    r"What is the (?P<c>\w+) of (?P<p>\w+)\?": lambda t, c, p: next(int(r[c]) for r in t if r["name"] == p),
    r"Which city does (?P<p>\w+) live in\?": lambda t, p: next(r["city"] for r in t if r["name"] == p),
    r"Who has the highest (?P<c>\w+)\?": lambda t, c: max(t, key=lambda r: int(r[c]))["name"],
    r"Who has the lowest (?P<c>\w+)\?": lambda t, c: min(t, key=lambda r: int(r[c]))["name"],
    r"How many people have a (?P<c>\w+) above (?P<n>\d+)\?": lambda t, c, n: sum(int(r[c]) > int(n) for r in t),
    r"What is the (?P<c>\w+) of (?P<a>\w+) and (?P<b>\w+) together\?": lambda t, c, a, b: sum(
        int(r[c]) for r in t if r["name"] in (a, b)
    ),
    r"What is the total (?P<c>\w+) of the people in (?P<y>\w+)\?": lambda t, c, y: sum(
        int(r[c]) for r in t if r["city"] == y
    ),
    r"Of the people in (?P<y>\w+), who has the highest (?P<c>\w+)\?": lambda t, c, y: max(
        (r for r in t if r["city"] == y), key=lambda r: int(r[c])
    )["name"],
    r"Who has place (?P<n>\d) when (?P<c>\w+) is sorted from high to low\?": lambda t, n, c: sorted(
        t, key=lambda r: -int(r[c])
    )[int(n) - 1]["name"],
    r"What is the total (?P<c>\w+) of the people in (?P<y>\w+) whose (?P<o>\w+) is at least (?P<n>\d+)\?": (
        lambda t, c, y, o, n: sum(int(r[c]) for r in t if r["city"] == y and int(r[o]) >= int(n))
    ),
}


def test_answers_are_those_of_the_printed_table():
    from dataclasses import replace

    met = set()
    for level in range(1, 5):
        for problem in replace(TASK.at(level), languages=("en",)).problems("train", 0, 0, 80):
            asked = problem.question.split("\n")[-1]
            ((pattern, match),) = [(p, m) for p in ASKED if (m := re.fullmatch(p, asked))]
            assert ASKED[pattern](rows_of(problem.question), **match.groupdict()) == problem.answer, problem.question
            met.add(pattern)
    assert met == set(ASKED)


def test_equations_of_the_working_are_true():
    for level in (2, 3, 4):
        for problem in TASK.at(level).problems("train", 1, 0, 100):
            for a, b, c in re.findall(r"(\d+)\+(\d+)=(\d+)", problem.reasoning):
                assert int(a) + int(b) == int(c)


def test_worked_solutions_are_right():
    hold_at_every_level(TASK)


def test_splits_are_disjoint():
    splits_are_disjoint(TASK)
