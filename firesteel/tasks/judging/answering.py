"""Who is judged: whatever answers conversations. An engine on this machine is one, a server at a URL (remote.py) another."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from firesteel.core.call_formats import Call
from firesteel.core.call_reader import CallReader
from firesteel.core.errors import UserError
from firesteel.core.sampler import Completion, Sampler
from firesteel.core.thoughts import spoken
from firesteel.core.tokenizer import Tokenizer
from firesteel.core.tools import with_keys
from firesteel.tasks.task import call_id

Conversation = Sequence[dict[str, Any]]
NEXT_TURN = 1_000_033  # from the seed of one turn to that of the next


@dataclass(frozen=True)
class Answer:
    """One answer: what was thought (None: no thought was shown), what was said, and whether the model ended it itself."""

    reasoning: str | None
    reply: str
    stopped: bool
    tokens: int | None = None  # thought and reply together, where they were counted
    refused: str = ""  # why the server would not answer this question
    turn: dict[str, Any] | None = (
        None  # where it calls tools: the assistant's message, to be said back with the results
    )
    calls: list[dict[str, str]] = field(default_factory=list)  # all that were made on the way: name, arguments, result


@dataclass(frozen=True)
class Asking:
    """How answers are drawn."""

    max_new_tokens: int = 256  # of an answer, all turns together
    temperature: float = 1.0  # 0: always the likeliest token
    seed: int = 0
    max_turns: int = 4  # of the model, where a problem has tools; 1: tools are not offered


@dataclass(frozen=True)
class Request:
    """One turn that is asked for: the conversation up to it, and what may be called."""

    messages: Conversation
    number: int  # of the question; a turn is a function of the conversation, this number and the seed
    tools: Sequence[dict[str, Any]] = ()  # schemas
    turn: int = 0  # of this answer
    spent: int = 0  # tokens that earlier turns took, as far as they were counted


class Answerer(Protocol):
    """Answers conversations, in their order. Where tools are offered, `turns` answers one turn each."""

    def answer(self, conversations: Sequence[Conversation], asking: Asking) -> list[Answer]: ...
    def turns(self, requests: Sequence[Request], asking: Asking) -> list[Answer]: ...


class Local:
    """A sampler and its tokenizer as an Answerer."""

    def __init__(self, sampler: Sampler, tokenizer: Tokenizer) -> None:
        self._sampler, self._tokenizer = sampler, tokenizer
        self._readers: dict[tuple[str, ...], CallReader] = {}

    def answer(self, conversations: Sequence[Conversation], asking: Asking) -> list[Answer]:
        """Continue all conversations together; answer i is a function of conversation i, i and the seed."""
        return self.turns([Request(c, i) for i, c in enumerate(conversations)], asking)

    def turns(self, requests: Sequence[Request], asking: Asking) -> list[Answer]:
        """One turn of each, all of the same number. What tools said counts as a part of the answer, as in training.

        Raises UserError for a model that cannot call the tools that are offered.
        """
        tokenizer, found = self._tokenizer, [Answer(None, "", False, 0) for _ in requests]
        readers = [self._reader(r.tools) if r.tools else None for r in requests]
        prompts = [tokenizer.prompt(self._told(r.messages), tools=r.tools) for r in requests]
        left = [self._left(r, p, asking) for r, p in zip(requests, prompts, strict=True)]
        speaking = [i for i, n in enumerate(left) if n > 0]
        if not speaking:
            return found
        done = self._sampler.sample(
            [prompts[i] for i in speaking], max_new_tokens=max(left[i] for i in speaking),
            temperature=asking.temperature, seed=asking.seed + NEXT_TURN * requests[0].turn, stop_ids=tokenizer.stop_ids,
        )  # fmt: skip
        for i, completion in zip(speaking, done, strict=True):
            found[i] = self._answer(requests[i], completion, left[i], readers[i])
        return found

    def _left(self, request: Request, prompt: list[int], asking: Asking) -> int:
        """Tokens that a turn may have: what stands between it and the question is spent, and the context holds no more."""
        if not request.turn:
            return asking.max_new_tokens
        asked = 1 + max(i for i, message in enumerate(request.messages) if message["role"] == "user")
        spent = len(prompt) - len(self._tokenizer.prompt(request.messages[:asked], tools=request.tools))
        context: int = getattr(self._sampler, "context", sys.maxsize)  # of an engine; other samplers cut by themselves
        return min(asking.max_new_tokens - spent, context - len(prompt))

    def _told(self, messages: Conversation) -> Conversation:
        """The thoughts of earlier turns where the template has a place for them, or as text; some templates drop them."""
        try:
            return spoken(self._tokenizer, messages)
        except UserError:
            return messages

    def _reader(self, tools: Sequence[dict[str, Any]]) -> CallReader:
        names = tuple(tool["function"]["name"] for tool in tools)
        if names not in self._readers:
            hint = "judge it without tools: max_turns = 1, or --max-turns 1"
            self._readers[names] = CallReader(self._tokenizer, tools, hint)
        return self._readers[names]

    def _answer(self, request: Request, done: Completion, left: int, reader: CallReader | None) -> Answer:
        ids = done.ids[:left]
        stopped = done.finish_reason == "stop" and len(done.ids) <= left
        if reader is None:
            return Answer(*self._tokenizer.parse(ids), stopped, len(ids))
        thought, reply, calls = reader.read(ids)
        made = sum(message["role"] == "tool" for message in request.messages)
        turn = _calling(thought, reply, calls, made) if calls and stopped else None
        return Answer(thought, reply, stopped, len(ids), turn=turn)


def _calling(thought: str | None, reply: str, calls: Sequence[Call], made: int) -> dict[str, Any]:
    """The message of a turn that calls, after `made` earlier calls."""
    listed = [
        {
            "id": call_id(made + i),
            "type": "function",
            "function": {"name": call.name, "arguments": _whole(call.arguments)},
        }
        for i, call in enumerate(calls)
    ]
    own = {"reasoning_content": thought} if thought else {}
    return {"role": "assistant", "content": reply, **own, "tool_calls": listed}


def _whole(arguments: str) -> str:
    """Arguments as JSON text that can be said back: without half characters; nothing where they are nested too deep."""
    try:
        value = with_keys(json.loads(arguments), str)
    except UserError:
        return "{}"
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def shows_thoughts(tokenizer: Tokenizer) -> bool:
    """Whether a model thinks aloud before every answer: ours do, and those whose prompt opens the thought."""
    return tokenizer.own or tokenizer.manner.opened
