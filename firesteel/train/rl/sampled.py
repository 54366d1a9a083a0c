"""What passes from sampling to learning: a question, an answer to it, and the verifier's word on the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Verdict:
    """What a verifier says of one answer of `length` tokens.

    `steps`: (token past the step's end, right or not), up to and including the first wrong one; empty when only the
    answer as a whole can be judged.
    """

    length: int
    correct: bool
    well_formed: bool
    steps: tuple[tuple[int, bool], ...] = ()
    earned: float | None = None  # 0 to 1, where a verifier gives parts; None: all or nothing
    reason: str = ""  # why, in a word or two
    trick: bool = False  # it earned nothing because it is a trick (tasks.tricks)
    language: float = 1.0  # share of its words that are in the question's language
    thought: str | None = None  # what was read of the answer, for people: the thought, None where there was none,
    reply: str = ""  # and the reply that was judged

    def reward(self, format_reward: float, language_reward: float = 0.0) -> float:
        """What the answer earned, a little for its form, and a little for staying in its language (R1 §2.3.2)."""
        earned = float(self.correct) if self.earned is None else self.earned
        return earned + format_reward * float(self.well_formed) + language_reward * self.language


@dataclass(frozen=True)
class Reply:
    """What comes back to a turn that calls tools: the ids that the template writes after the turn, and who was called."""

    ids: list[int]
    called: tuple[str, ...] = ()


class Dialogue(Protocol):
    """How tools speak between the model's turns, and how an answer of several turns is judged.

    A turn is its ids with the stop id. `respond` gives None for a turn that calls nothing: the answer is over.
    """

    def respond(self, turn: Sequence[int]) -> Reply | None: ...
    def judge(self, turns: Sequence[Sequence[int]], stopped: bool) -> Verdict: ...


@dataclass(frozen=True)
class Question:
    """A prompt [ids] and the verifier of its answers: (ids, stopped by itself) -> verdict."""

    prompt: list[int]
    judge: Callable[[list[int], bool], Verdict]
    task: str = ""  # its name, for the tables of a run
    level: int = 1
    tools: tuple[str, ...] = ()  # what may be called on the way
    text: str = ""  # what it asks, for people
    dialogue: Dialogue | None = None  # None: an answer is one turn, whatever it calls
    slow: bool = False  # its judge waits for another process, so that several may wait at once


@dataclass(frozen=True)
class Sampled:
    """One judged answer: what the model wrote (and what tools said in between), T tokens."""

    question: Question
    ids: list[int]  # [T]
    logprobs: list[float]  # [T] nats, under the policy that sampled it; 0 where a tool spoke
    stopped: bool  # by itself, and not at a bound
    verdict: Verdict
    said: list[bool] = field(default_factory=list)  # [T]: the model's own words; empty: all are
    routing: Tensor | None = None  # [P+T-1, layers, experts a token] of prompt and answer, as they were sampled
    called: tuple[str, ...] = ()  # tools, in order


Group = list[Sampled]  # answers to one question
