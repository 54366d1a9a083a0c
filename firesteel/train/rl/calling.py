"""Tool calls in sampled turns: read them, have them run, and say what the template writes in answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from firesteel.core.call_formats import Call
from firesteel.core.call_reader import CallReader, Turn
from firesteel.core.chat_template import Message, Tool
from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.train.rl.sampled import Reply

Run = Callable[[str, Mapping[str, Any]], str]  # (name, arguments) -> what the tool says
MOST = 4  # calls of one turn that are run; the others are told so


class Caller:
    """Turns of a model that may call `tools` (schemas). Raises UserError for a model whose template knows no calls."""

    def __init__(self, tokenizer: Tokenizer, tools: Sequence[Tool], run: Run) -> None:
        hint = "set grpo.max_turns = 1, or take a model whose chat template shows tools and calls"
        self.reader = CallReader(tokenizer, tools, hint)
        self.tokenizer, self.tools, self.run = tokenizer, list(tools), run

    def calls(self, turn: Sequence[int]) -> Turn:
        """What a turn thought, said and called."""
        return self.reader.read(turn)

    def respond(self, turn: Sequence[int]) -> Reply | None:
        """What follows the turn up to where the model goes on; None if it calls nothing."""
        calls = self.calls(turn).calls
        if not calls:
            return None
        said = [self._run(call) if i < MOST else f"error: at most {MOST} calls at once" for i, call in enumerate(calls)]
        return Reply(self._written(calls, said), tuple(call.name for call in calls[:MOST]))

    def _run(self, call: Call) -> str:
        try:
            arguments = json.loads(call.arguments)
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            return "error: the arguments are no table"
        return self.run(call.name, arguments).encode("utf-8", "replace").decode()  # a program may print half characters

    def _written(self, calls: Sequence[Call], said: Sequence[str]) -> list[int]:
        """The ids that the template writes behind a turn that ends with these calls.

        Drawn in a conversation of its own, with the results and without: what differs behind the end of the turn. So the
        ids before stay as they were sampled, however the template would have written them. What the model gave as arguments
        is left out: it may be anything, also what a template refuses.
        """
        ids = [f"call{i:05d}" for i in range(len(calls))]  # nine letters and digits, as Mistral's template wants them
        called = [
            {"id": id, "type": "function", "function": {"name": call.name, "arguments": "{}"}}
            for id, call in zip(ids, calls, strict=True)
        ]
        turns: list[Message] = [
            {"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": called},
        ]  # fmt: skip
        told: list[Message] = [
            {"role": "tool", "tool_call_id": id, "name": call.name, "content": text}
            for id, call, text in zip(ids, calls, said, strict=True)
        ]
        before, after = (self.tokenizer.prompt(m, tools=self.tools) for m in (turns, turns + told))
        same = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
        ends = [i for i in range(same) if after[i] in self.tokenizer.stop_ids]
        if not ends:
            hint = "set grpo.max_turns = 1"
            raise UserError("the model's chat template does not end a turn that calls tools", hint=hint)
        return after[ends[-1] + 1 :]
