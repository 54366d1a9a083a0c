"""A model behind an OpenAI-compatible URL as an Answerer: /chat/completions, several questions at once.

Thoughts come as reasoning_content or reasoning, or as <think> in the text. What was answered is kept in a journal, so a
stopped evaluation goes on without asking, or paying, twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firesteel.core.errors import UserError
from firesteel.tasks.judging.answering import Answer, Asking, Conversation, Request
from firesteel.tasks.judging.http import Broken, Refused, Server, said
from firesteel.tasks.task import call_id

CUT = (
    "length",
    "max_tokens",
    "content_filter",
    "tool_calls",
    "function_call",
)  # reasons of an answer that is none, yet
CUT_SHORT = CUT[:3]  # of these, calls are not whole
THOUGHTS = ("reasoning_content", "reasoning")  # fields of a message
OPEN, CLOSE = "<think>", "</think>"
ABOUT_THE_QUESTION = ("400", "413", "422")  # statuses that may be one question's fault
LENGTH = re.compile(
    r"max_tokens|max_completion_tokens|context|too (?:long|large|many)", re.I
)  # words of such a refusal
Say = Callable[[str], None]
Body = dict[str, Any]


@dataclass
class Journal:
    """Answers by what was asked, one a line of a file, or in memory alone. Lines that were cut off are asked again."""

    file: Path | None = None
    _known: dict[str, Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.file is None or not self.file.is_file():
            return
        text = self.file.read_text(encoding="utf-8", errors="replace")
        for line in text.split("\n"):
            try:
                row = json.loads(line)
                self._known[row["asked"]] = Answer(**row["answer"])
            except (ValueError, KeyError, TypeError):
                continue
        if text and not text.endswith("\n"):
            with self.file.open("a", encoding="utf-8") as f:
                f.write("\n")

    def get(self, asked: str) -> Answer | None:
        """The answer that is known."""
        return self._known.get(asked)

    def put(self, asked: str, answer: Answer) -> None:
        """Keep an answer; it is on the disk when this returns."""
        with self._lock:
            self._known[asked] = answer
            if self.file is not None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with self.file.open("a", encoding="utf-8") as f:
                    f.write(json.dumps({"asked": asked, "answer": asdict(answer)}) + "\n")


class Remote:
    """The model `name` of a server; `concurrency` questions are under way at once."""

    def __init__(
        self, server: Server, name: str = "", *, concurrency: int = 8, journal: Journal | None = None,
        shorten: bool = False, say: Say = lambda text: None,
    ) -> None:  # fmt: skip
        """`shorten`: where the server gives fewer new tokens than are asked for, its own limit holds instead."""
        self.server, self._say, self._concurrency, self._shorten = server, say, concurrency, shorten
        self.name = name or only_model(server)
        self._journal = journal or Journal()
        self._limit, self._seeded = "max_tokens", True  # how this server wants to be asked; learnt from its first reply
        self._tried = False

    def answer(self, conversations: Sequence[Conversation], asking: Asking) -> list[Answer]:
        """Ask them all; the first one alone, so that a wrong key or name is said after one question.

        A question that the server refuses is an answer with `refused`; if it refuses the first, or goes away, that is an
        error (UserError, SourceError), and the journal keeps what was answered.
        """
        return self.turns([Request(c, i) for i, c in enumerate(conversations)], asking)

    def turns(self, requests: Sequence[Request], asking: Asking) -> list[Answer]:
        """One turn of each, as `answer` does it; the bound of new tokens holds for all turns whose tokens the server counts."""
        found = [self._journal.get(self._key(request, asking)) for request in requests]
        for i, request in enumerate(requests):
            if found[i] is None and request.spent >= asking.max_new_tokens:
                found[i] = Answer(None, "", False, 0)
        waiting = [i for i, answer in enumerate(found) if answer is None]
        if waiting and not self._tried:
            first = waiting.pop(0)
            found[first] = self._first(requests[first], asking)
        for i, answer in self._several(requests, asking, waiting):
            found[i] = answer
        return [answer for answer in found if answer is not None]

    def _several(self, requests: Sequence[Request], asking: Asking, waiting: Sequence[int]) -> list[tuple[int, Answer]]:
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="firesteel-ask")
        try:
            futures = {pool.submit(self._one, requests[i], asking): i for i in waiting}
            return [(futures[done], done.result()) for done in as_completed(futures)]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self.server.close()  # so that no thread waits for what nobody wants any more
            raise
        finally:
            pool.shutdown(wait=True)

    def _first(self, request: Request, asking: Asking) -> Answer:
        """The first question, asked as the server wants it: some know other names of a field, some not a seed."""
        for _ in range(4):
            try:
                answer = self.server.ask("/chat/completions", self._body(request, asking), answer_of)
                self._journal.put(self._key(request, asking), answer)
                self._tried = True
                return answer
            except Refused as e:
                if self._adapt(e.why):
                    continue
                if request.tools and "tool" in e.why.casefold():
                    e.hint = "a model that cannot call tools is judged without them: --max-turns 1"
                raise
        raise AssertionError("there are three ways to adapt")

    def _adapt(self, why: str) -> bool:
        if self._limit == "max_tokens" and "max_completion_tokens" in why:
            self._limit = "max_completion_tokens"
            return True
        if self._shorten and self._limit and LENGTH.search(why):
            self._limit = ""
            self._say(f"answers are as long as the server lets them be, for it says: {why}")
            return True
        if self._seeded and "seed" in why:
            self._seeded = False
            self._say("the server takes no seed: asked again, it may answer otherwise")
            return True
        return False

    def _one(self, request: Request, asking: Asking) -> Answer:
        try:
            answer = self.server.ask("/chat/completions", self._body(request, asking), answer_of)
        except Refused as e:
            if not any(status in str(e.value) for status in ABOUT_THE_QUESTION):
                raise
            answer = Answer(None, "", False, refused=f"{e.value}: {e.why}")
        self._journal.put(self._key(request, asking), answer)
        return answer

    def _body(self, request: Request, asking: Asking) -> Body:
        seed = {"seed": (asking.seed * 1_000_003 + request.number) % 2**31} if self._seeded else {}
        length = {self._limit: asking.max_new_tokens - request.spent} if self._limit else {}
        tools = {"tools": list(request.tools)} if request.tools else {}
        return {
            "model": self.name, "messages": list(request.messages), "temperature": asking.temperature, **length, **seed,
            **tools,
        }  # fmt: skip

    def _key(self, request: Request, asking: Asking) -> str:
        return self._asked(request.messages, asking, request.number, request.tools)

    def _asked(self, conversation: Conversation, asking: Asking, i: int, tools: Sequence[dict[str, Any]] = ()) -> str:
        """What identifies a request, whichever way the server wants it."""
        drawn = {name: value for name, value in asdict(asking).items() if name != "max_turns"}  # one turn is the same
        what = [self.server.url, self.name, list(conversation), drawn, i, *([list(tools)] if tools else [])]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def only_model(server: Server) -> str:
    """The name of the model that a server serves. Raises UserError if it serves several, or does not say."""
    hint = "name one with --model-name"
    try:
        listed: Any = server.ask("/models")
    except Refused as e:
        raise UserError("the server does not say which models it has", value=server.url, why=e.why, hint=hint) from e
    rows = listed.get("data") if isinstance(listed, dict) else None
    found = rows if isinstance(rows, list) else []
    names = [row["id"] for row in found if isinstance(row, dict) and isinstance(row.get("id"), str)]
    if len(names) != 1:
        known = said(", ".join(names[:20])) if names else "none"
        raise UserError("the server has not one model", value=server.url, why=f"it names {known}", hint=hint)
    return str(names[0])


def answer_of(reply: Any) -> Answer:
    """The answer in the body of a chat completion. Raises Broken for a body that holds none."""
    try:
        choice = reply["choices"][0]
        spoken = choice["message"]
        content, reasoning = _text(spoken.get("content")), _thought(spoken)
    except (KeyError, IndexError, TypeError, AttributeError) as e:
        raise Broken(f"the reply is no chat completion: {said(json.dumps(reply)[:120])}") from e
    if reasoning is None:
        reasoning, content = parted(content)
    usage = reply.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    finish = choice.get("finish_reason")
    turn = None if finish in CUT_SHORT else calling(spoken)
    return Answer(reasoning, content, finish not in CUT, tokens if type(tokens) is int else None, turn=turn)


def calling(spoken: Mapping[str, Any]) -> dict[str, Any] | None:
    """A message that calls tools, as it is said back to the server with the results; None if it calls none.

    Thoughts go back under the name they came with: some servers want to see them until the answer is over.
    """
    listed = spoken.get("tool_calls")
    calls = [found for i, call in enumerate(listed if isinstance(listed, list) else []) if (found := _call(i, call))]
    if not calls:
        return None
    said_in = next((name for name in THOUGHTS if _thought({name: spoken.get(name)}) is not None), None)
    own = {said_in: spoken[said_in]} if said_in else {}
    return {"role": "assistant", "content": spoken.get("content"), **own, "tool_calls": calls}


def _call(number: int, call: Any) -> dict[str, Any] | None:
    """One call with what it needs; servers add fields that they do not want back."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    arguments, id = function.get("arguments"), call.get("id")
    arguments = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    named = id if isinstance(id, str) and id else call_id(number)
    return {"id": named, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _thought(spoken: Mapping[str, Any]) -> str | None:
    for name in THOUGHTS:
        if isinstance(spoken.get(name), str) and spoken[name]:
            return str(spoken[name])
    return None


def _text(content: Any) -> str:
    """The text of a message: a string, nothing, or parts with texts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if part.get("type") in ("text", "output_text"))
    if content is not None and not isinstance(content, str):
        raise TypeError("content is no text")
    return content or ""


def parted(text: str) -> tuple[str | None, str]:
    """(thought, answer) of a text: <think>thought</think>answer, where the prompt may have opened the thought.

    A thought that never ends is all thought. Without marks there is none.
    """
    begun = text.lstrip().startswith(OPEN)
    thought, end, rest = text.partition(CLOSE)
    if not begun and (not end or OPEN in thought):
        return None, text
    thought = thought.lstrip().removeprefix(OPEN)
    return thought.strip("\n"), rest.strip("\n")
