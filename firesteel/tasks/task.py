"""What a task is: seeded problems in two disjoint splits, worked solutions, and one scoring function."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Split = Literal["train", "test"]
TEST_SHARE = 10  # one question in this many is kept for tests, by the hash of its text


@dataclass(frozen=True)
class Problem:
    """One question with its checkable answer and one worked solution."""

    question: str
    answer: int
    reasoning: str
    reply: str
    language: Literal["zh", "en"]

    def messages(self) -> list[dict[str, Any]]:
        """The whole worked conversation, for supervised fine-tuning."""
        return [*self.prompt(), {"role": "assistant", "reasoning_content": self.reasoning, "content": self.reply}]

    def prompt(self) -> list[dict[str, Any]]:
        """The question alone."""
        return [{"role": "user", "content": self.question}]


@dataclass(frozen=True)
class Score:
    """What the verifier found in one reply."""

    correct: bool  # the reply's last number is the answer
    well_formed: bool  # it thought, ended the thought, gave one short answer, and stopped


@dataclass(frozen=True)
class Task:
    """A named generator of problems."""

    name: str
    make: Callable[[random.Random], Problem]

    def problems(self, split: Split, seed: int, start: int, count: int) -> list[Problem]:
        """Problems number start .. start+count-1 of a split's endless, seeded stream; no question is in both splits."""
        return [self.problem(split, seed, i) for i in range(start, start + count)]

    def problem(self, split: Split, seed: int, index: int) -> Problem:
        """One problem of the stream."""
        rng = random.Random(f"{self.name}/{split}/{seed}/{index}")
        while True:
            problem = self.make(rng)
            if in_test(problem.question) == (split == "test"):
                return problem

    def distinct(self, split: Split, seed: int, count: int) -> list[Problem]:
        """`count` problems with different questions."""
        found: dict[str, Problem] = {}
        index = 0
        while len(found) < count:
            problem = self.problem(split, seed, index)
            found.setdefault(problem.question, problem)
            index += 1
            assert index < 100 * count + 10_000, f"task {self.name} has fewer than {count} different questions"
        return list(found.values())


def in_test(question: str) -> bool:
    """Whether a question belongs to the test split: decided by its text alone, so it holds across seeds and stages."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") % TEST_SHARE == 0


def score(problem: Problem, reasoning: str | None, reply: str, *, stopped: bool) -> Score:
    """Judge a reply by its last number, exactly; the reasoning is never searched for the answer.

    `stopped`: the model ended by itself. A reply of more than 64 characters, or one with two different numbers, is not
    well-formed: answers are not to be hidden in a list of guesses.
    """
    numbers = re.findall(r"-?\d+", reply[-256:])
    correct = stopped and bool(numbers) and len(set(numbers)) == 1 and numbers[-1] == str(problem.answer)
    tidy = reasoning is not None and bool(reasoning.strip()) and len(reply) <= 64 and len(set(numbers)) == 1
    return Score(correct, stopped and tidy)
