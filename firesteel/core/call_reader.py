"""A model's turn that may call tools, read: its thought, its answer, and its calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from firesteel.core.call_formats import Call
from firesteel.core.calls import CallDelta, CallParser, format_of, marks_of
from firesteel.core.chat_template import Tool
from firesteel.core.errors import UserError
from firesteel.core.speech import Speech
from firesteel.core.tokenizer import Tokenizer


class Turn(NamedTuple):
    """The thought (None if there is none), the answer without the calls, and the calls."""

    thought: str | None
    answer: str
    calls: list[Call]


class CallReader:
    """Reads turns of a model that was shown `tools` (schemas). Raises UserError for one whose template knows no calls."""

    def __init__(self, tokenizer: Tokenizer, tools: Sequence[Tool], hint: str = "") -> None:
        format = format_of(tokenizer)
        if format is None:
            raise UserError("this model has no way to call tools", why="its chat template shows none", hint=hint)
        self.tokenizer, self.format = tokenizer, format
        self.schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
        self.marks = marks_of(format, tokenizer)
        self.spelled = {str(tokenizer.backend.id_to_token(id)): mark for id, mark in self.marks.items()}

    def read(self, ids: Sequence[int]) -> Turn:
        """A turn's ids, with or without what ends it."""
        tokenizer = self.tokenizer
        speech = Speech(tokenizer.pieces, tokenizer.manner, self.marks)
        parser = CallParser(self.format, self.schemas, lambda: "", marks=self.spelled)
        thought, answer, deltas = "", "", list[CallDelta]()
        for reasoning, text in [*(speech.push(id) for id in ids if id not in tokenizer.stop_ids), speech.finish()]:
            thought += reasoning
            said, found = parser.push(text)
            answer, deltas = answer + said, deltas + found
        said, found = parser.finish()
        calls = [Call(delta.name, delta.arguments) for delta in deltas + found]
        return Turn(thought if speech.thought else None, answer + said, calls)
