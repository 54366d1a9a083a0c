"""What a task is: seeded problems in two disjoint splits, and the verifier that rewards and evaluates answers to them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from firesteel.core.errors import UserError
from firesteel.tasks.answers import Found, exact

T = TypeVar("T")
Split = Literal["train", "test"]
Verifier = Callable[["Problem", str], Found]
TEST_SHARE = 10  # one question in this many is kept for tests, by the hash of its text
PATIENCE = 50  # draws in a row without a new question, for each that was found, until no more are looked for
LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class Called:
    """A tool's call in a worked solution: a turn of its own, with what is thought before it and what the tool says to it."""

    name: str  # of the tool
    arguments: dict[str, Any]  # JSON
    result: str  # as the tool really says it
    reasoning: str = ""


@dataclass(frozen=True)
class Problem:
    """One question, what its verifier has to know, and a worked solution where the task can work one.

    The turns of a worked solution are its calls, in order, and then `reasoning` with `reply`.
    """

    question: str
    answer: Any  # what the verifier compares with; JSON
    reasoning: str = ""  # of the worked solution; empty where there is none
    reply: str = ""  # of the worked solution
    language: str = ""  # that the question is in; "" where it does not matter
    level: int = 1
    verify: Verifier = exact
    facts: dict[str, Any] = field(default_factory=dict)  # what else the verifier needs: a table, unit tests; JSON
    system: str = ""  # instructions that come before the question
    tools: tuple[str, ...] = ()  # names (tasks.tools) of what may be called on the way
    calls: tuple[Called, ...] = ()  # of the worked solution; a problem that has some needs its tools

    def messages(self) -> list[dict[str, Any]]:
        """The whole worked conversation, for supervised fine-tuning; whoever renders it shows the tools (rendering.py)."""
        called = [message for i, call in enumerate(self.calls) for message in _turn(i, call)]
        last = {"role": "assistant", "reasoning_content": self.reasoning, "content": self.reply}
        return [*self.prompt(), *called, last]

    def worked(self) -> str:
        """The worked solution as one text, for a tokenizer to see: thoughts, calls, results and the reply, a line each."""
        lines = []
        for call in self.calls:
            written = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
            lines += [*([call.reasoning] if call.reasoning else []), written, call.result]
        return "\n".join([*lines, self.reasoning, self.reply])

    def prompt(self) -> list[dict[str, Any]]:
        """The question alone."""
        told = [{"role": "system", "content": self.system}] if self.system else []
        return [*told, {"role": "user", "content": self.question}]


def call_id(number: int) -> str:
    """The id of a conversation's call: nine letters and digits, as Mistral's template wants them."""
    return f"call{number:05d}"


def _turn(number: int, call: Called) -> list[dict[str, Any]]:
    """The assistant's turn that calls, and what the tool says."""
    id, function = call_id(number), {"name": call.name, "arguments": call.arguments}
    calling = {"role": "assistant", "content": "", "tool_calls": [{"id": id, "type": "function", "function": function}]}
    calling |= {"reasoning_content": call.reasoning} if call.reasoning else {}
    return [calling, {"role": "tool", "tool_call_id": id, "name": call.name, "content": call.result}]


@dataclass(frozen=True)
class Draw:
    """What a problem is made from: seeded randomness, a level, and the languages and wordings that may be used."""

    rng: random.Random
    level: int = 1
    languages: tuple[str, ...] = LANGUAGES
    unseen: bool = False  # word it as no training question is worded

    def language(self) -> str:
        """One of the languages, uniform. Raises UserError for a task that has none."""
        if not self.languages:
            raise UserError(
                "the task draws a language and has none", hint='after the function: boxes.languages = ("zh", "en")'
            )
        return self.rng.choice(self.languages)

    def wording(self, seen: Sequence[T], unseen: Sequence[T]) -> T:
        """One of the wordings; those of `unseen` are kept for tests of how a skill carries over."""
        return self.rng.choice(unseen if self.unseen else seen)


@dataclass(frozen=True)
class Task:
    """A named maker of problems, from easy (level 1) to hard (level `levels`).

    `make` is a function of its Draw alone. `usual`: the levels that are drawn, each alike, where nobody says which.
    """

    name: str
    make: Callable[[Draw], Problem]
    about: str = ""  # one line: what it asks
    ability: str = "reasoning"  # text, understanding, knowledge, reasoning, mathematics, code
    levels: int = 1
    usual: tuple[int, int] = (1, 1)
    languages: tuple[str, ...] = LANGUAGES
    unseen: bool = False
    worked: bool = True  # its problems carry a worked solution, so that it can be taught before it is rewarded
    source: str = ""  # whose problems these are, with licence, where they are not ours

    def at(self, low: int, high: int | None = None) -> Task:
        """The same task at some of its levels."""
        return replace(self, usual=(low, low if high is None else high))

    def problems(self, split: Split, seed: int, start: int, count: int) -> list[Problem]:
        """Problems number start .. start+count-1 of a split's endless, seeded stream; no question is in both splits."""
        return [self.problem(split, seed, i) for i in range(start, start + count)]

    def problem(self, split: Split, seed: int, index: int) -> Problem:
        """One problem of the stream."""
        rng = random.Random(f"{self.name}/{split}/{seed}/{index}")
        for _ in range(10_000):
            low, high = self.usual
            level = low if low == high else rng.randint(low, high)
            problem = self.make(Draw(rng, level, self.languages, self.unseen))
            if in_test(problem.question) == (split == "test"):
                return problem if problem.level == level else replace(problem, level=level)
        raise self._too_few(f"none of 10,000 draws is for the {split} split")

    def distinct(self, split: Split, seed: int, count: int) -> list[Problem]:
        """`count` problems with different questions."""
        found: dict[str, Problem] = {}
        index = latest = 0
        while len(found) < count:
            problem = self.problem(split, seed, index)
            index += 1
            if problem.question not in found:
                found[problem.question], latest = problem, index
            elif index - latest >= PATIENCE * (len(found) + 10):
                raise self._too_few(f"{index} draws gave {len(found)} of {count} for the {split} split")
        return list(found.values())

    def _too_few(self, why: str) -> UserError:
        hint = "ask for fewer of them, or draw from wider numbers, more names or more levels"
        return UserError("the task makes too few different questions", value=self.name, why=why, hint=hint)


def in_test(question: str) -> bool:
    """Whether a question belongs to the test split: decided by its text alone, so it holds across seeds and stages."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") % TEST_SHARE == 0
