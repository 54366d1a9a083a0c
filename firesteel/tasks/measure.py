"""How good a verifier is: the shares of right answers that it refuses and of wrong ones that it rewards.

    BOXES = cases(Problem("How many boxes?", answer=12), right=["12", ("twelve... 12", "thinks aloud")], wrong=["12 or 13"])
    print(table({"boxes": rates(BOXES)}))

The answers should be written before one looks at what the verifier says of them, or they measure nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from firesteel.core.stats import wilson
from firesteel.tasks.task import Problem

Written = str | tuple[str, str]  # a reply, or a reply and a note on what is tricky about it


@dataclass(frozen=True)
class Case:
    """One reply to a problem, and what a careful person says of it."""

    problem: Problem
    reply: str
    right: bool
    note: str = ""


@dataclass(frozen=True)
class Rates:
    """What a verifier made of cases."""

    right: int  # cases that a person calls right
    wrong: int
    rejected: tuple[Case, ...]  # right, and not fully rewarded
    accepted: tuple[Case, ...]  # wrong, and rewarded in full


def cases(problem: Problem, right: Iterable[Written] = (), wrong: Iterable[Written] = ()) -> tuple[Case, ...]:
    """Cases of one problem from its right and wrong replies, each alone or with a note."""
    return tuple(_case(problem, written, good) for good, all_ in ((True, right), (False, wrong)) for written in all_)


def _case(problem: Problem, written: Written, good: bool) -> Case:
    reply, note = (written, "") if isinstance(written, str) else written
    return Case(problem, reply, good, note)


def rates(judged: Sequence[Case]) -> Rates:
    """Ask each problem's verifier about each reply, and compare with what a person says."""
    paid = [(case, case.problem.verify(case.problem, case.reply).reward >= 1.0) for case in judged]
    return Rates(
        right=sum(case.right for case in judged),
        wrong=sum(not case.right for case in judged),
        rejected=tuple(case for case, full in paid if case.right and not full),
        accepted=tuple(case for case, full in paid if full and not case.right),
    )


def table(measured: Mapping[str, Rates]) -> str:
    """A table in Markdown, a verifier a line."""
    head = "| verifier | right answers | refused | wrong answers | rewarded |\n|---|---:|---:|---:|---:|"
    return "\n".join([head, *(_line(name, found) for name, found in measured.items())])


def _line(name: str, found: Rates) -> str:
    rejected, accepted = len(found.rejected), len(found.accepted)
    refused, rewarded = _percent(rejected, found.right), _percent(accepted, found.wrong)
    return f"| {name} | {found.right} | {refused} | {found.wrong} | {rewarded} |"


def _percent(some: int, all_: int) -> str:
    if not all_:
        return "-"
    return f"{some} ({100 * some / all_:.1f} %, at most {100 * wilson(some, all_).high:.1f} %)"
