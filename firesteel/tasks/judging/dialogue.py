"""Answers that may take several turns: the model calls tools, they are run, and it is asked again.

Conversations are messages, as OpenAI's chat completions have them, so that a model here and one behind a URL hold the
same dialogue. The last turn's reply is judged, after the thoughts of all turns: as reinforcement learning does it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from firesteel.tasks.judging.answering import Answer, Answerer, Asking, Request
from firesteel.tasks.task import Problem
from firesteel.tasks.tools import answered, schemas, table_of

MOST = 4  # calls of one turn that are run; the others are told so, as in training
TOGETHER = 8  # programs that run at once, at most


@dataclass
class Talk:
    """The dialogue on one question."""

    number: int
    problem: Problem
    tools: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    turns: list[Answer] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)

    def request(self) -> Request:
        """The turn that is asked for next."""
        spent = sum(turn.tokens or 0 for turn in self.turns)
        return Request(self.messages, self.number, self.tools, len(self.turns), spent)

    @property
    def calling(self) -> bool:
        """Whether the last turn waits for what its calls give."""
        return bool(self.tools) and self.turns[-1].turn is not None

    def hear(self) -> None:
        """Run the calls of the last turn, and put down what the tools said."""
        message = self.turns[-1].turn
        assert message is not None
        self.messages.append(message | {"tool_calls": [_sayable(call) for call in message["tool_calls"]]})
        for i, call in enumerate(message["tool_calls"]):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            allowed = i < MOST
            said = answered(self.problem.tools, name, arguments) if allowed else f"error: at most {MOST} calls at once"
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "name": name, "content": said})
            self.calls.append({"name": name, "arguments": arguments, "result": said})

    def answer(self) -> Answer:
        """All turns as one answer; one that still calls has not ended."""
        last = self.turns[-1]
        thoughts = [turn.reasoning for turn in self.turns if turn.reasoning is not None]
        counts = [turn.tokens for turn in self.turns if turn.tokens is not None]
        return Answer(
            "\n".join(thoughts) if thoughts else None, last.reply, last.stopped and not self.calling,
            sum(counts) if len(counts) == len(self.turns) else None, last.refused, calls=self.calls,
        )  # fmt: skip


def _sayable(call: dict[str, Any]) -> dict[str, Any]:
    """A call as it is said back: servers and templates refuse arguments that are no table, and with them all the rest."""
    function = call["function"]
    return call if table_of(function["arguments"]) is not None else call | {"function": function | {"arguments": "{}"}}


def answers_to(answerer: Answerer, problems: Sequence[Problem], asking: Asking) -> list[Answer]:
    """An answer to each problem, with its tools, in at most `asking.max_turns` turns; to those without tools in one.

    Raises UserError for a model that cannot call tools, and RecipeError for a problem that names an unknown one.
    """
    if asking.max_turns == 1 or not any(problem.tools for problem in problems):
        return answerer.answer([problem.prompt() for problem in problems], asking)
    talks = [Talk(i, p, schemas(p.tools), p.prompt()) for i, p in enumerate(problems)]
    speaking = talks
    with ThreadPoolExecutor(min(TOGETHER, os.cpu_count() or 1), thread_name_prefix="firesteel-tool") as pool:
        for turn in range(asking.max_turns):
            said = answerer.turns([talk.request() for talk in speaking], asking)
            for talk, answer in zip(speaking, said, strict=True):
                talk.turns.append(answer)
            speaking = [talk for talk in speaking if talk.calling]
            if not speaking or turn + 1 == asking.max_turns:
                break
            list(pool.map(Talk.hear, speaking))
    return [talk.answer() for talk in talks]
