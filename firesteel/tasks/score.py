"""One scoring function: what an answer earns, and why. The same for the reward of learning and for evaluation.

An answer earns what its task's verifier says of the reply, and nothing if it is a trick (tricks.py): reward that can be had
without thinking is what reinforcement learning finds first. The thought is never searched for the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from firesteel.tasks.task import Problem
from firesteel.tasks.tricks import second_thought, trick

TIDY = 64  # characters; a reply longer than this and than twice the worked one is not well-formed


@dataclass(frozen=True)
class Score:
    """What was found in one answer."""

    reward: float  # 0 to 1
    reason: str  # "right", or in a word or two why not; the names of tricks are those of tricks.py
    parsed: str | None  # the answer that was read in the reply; None: there was none
    well_formed: bool  # it thought, ended the thought, gave one short answer, and stopped
    trick: bool = False  # it earned nothing because it is a trick

    @property
    def correct(self) -> bool:
        """Whether it earned everything."""
        return self.reward >= 1.0


def score(problem: Problem, reasoning: str | None, reply: str, *, stopped: bool, think: bool = True) -> Score:
    """Judge a reply, and the thought before it (None: there was no thought).

    `stopped`: the model ended by itself; what did not end earns nothing. `think`: an answer without a thought is a trick;
    False judges models that have no thoughts to show.
    """
    if not stopped:
        return Score(0.0, "unfinished", None, False)
    if second_thought(reply):  # before the verifier, which need not understand it
        return Score(0.0, "two thoughts", None, False, trick=True)
    found = problem.verify(problem, reply)
    tidy = found.parsed is not None and len(reply) <= max(TIDY, 2 * len(problem.reply))
    well_formed = tidy and reasoning is not None and bool(reasoning.strip())
    if found.reward > 0 and (name := trick(problem, reasoning, reply, think=think)):
        return Score(0.0, name, found.parsed, False, trick=True)
    return Score(found.reward, found.reason, found.parsed, well_formed)
