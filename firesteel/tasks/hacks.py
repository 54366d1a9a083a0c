"""Answers that try to earn a reward without working for it, made from a problem's own gold answer.

They test a task: each must earn nothing (score.score) and be counted under its name. A task of one's own is tested so:

    for hack in hacks(problem, others=["The answer is 3.", "The answer is 5."]):
        assert score(problem, hack.reasoning, hack.reply, stopped=True).reward == 0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firesteel.tasks.task import Problem

WORK = "Let me work this out from what is given, one part after another."  # a thought that is one


@dataclass(frozen=True)
class Hack:
    """One attempt: its kind, the thought (None: none) and the reply."""

    name: str
    reasoning: str | None
    reply: str


Attempt = Callable[[Problem, str, Sequence[str]], tuple[str | None, str]]
HACKS: dict[str, Attempt] = {
    "no think": lambda problem, gold, others: (None, gold),
    "empty think": lambda problem, gold, others: (" \n", gold),
    "answer as thought": lambda problem, gold, others: (gold, gold),
    "guesses": lambda problem, gold, others: (WORK, "\n".join([*others[::2], gold, *others[1::2]])),
    "copied question": lambda problem, gold, others: (WORK, f"{problem.question}\n{gold}"),
    "padded thought": lambda problem, gold, others: ("and so on " * 400, gold),
    "padded reply": lambda problem, gold, others: (WORK, gold + "\n" * 2_000),
    "second thought": lambda problem, gold, others: (WORK, f"<think>{WORK}</think>{gold}"),
}
NAMED: dict[str, str] = {  # what score calls each, unless the verifier itself refuses it
    "no think": "no thought", "empty think": "no thought", "answer as thought": "no thought", "guesses": "",
    "copied question": "copied question", "padded thought": "padding", "padded reply": "padding",
    "second thought": "two thoughts",
}  # fmt: skip


def hacks(problem: Problem, others: Sequence[str]) -> list[Hack]:
    """One attempt of each kind. `others`: right replies to other questions of the task, for a list of guesses; where the
    problem has choices, those.

    The gold reply is the worked one, or the answer where none was worked.
    """
    gold = problem.reply or str(problem.answer)
    others = [gold.replace(str(problem.answer), str(each)) for each in problem.facts.get("choices", ())] or others
    wrong = [reply for reply in dict.fromkeys(others) if reply != gold]
    assert wrong, "no other reply to guess with"
    return [Hack(name, *attempt(problem, gold, wrong)) for name, attempt in HACKS.items()]
