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
from firesteel.tasks.judging.answering import Answer, Asking, Conversation
from firesteel.tasks.judging.http import Broken, Refused, Server, said

CUT = (
    "length",
    "max_tokens",
    "content_filter",
    "tool_calls",
    "function_call",
)  # reasons of an answer that is none, yet
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
        found: list[Answer | None] = [None] * len(conversations)
        waiting = []
        for i, conversation in enumerate(conversations):
            found[i] = self._journal.get(self._asked(conversation, asking, i))
            waiting += [i] if found[i] is None else []
        if waiting and not self._tried:
            first = waiting.pop(0)
            found[first] = self._first(conversations[first], asking, first)
        for i, answer in self._several(conversations, asking, waiting):
            found[i] = answer
        return [answer for answer in found if answer is not None]

    def _several(
        self, conversations: Sequence[Conversation], asking: Asking, waiting: Sequence[int]
    ) -> list[tuple[int, Answer]]:
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="firesteel-ask")
        try:
            futures = {pool.submit(self._one, conversations[i], asking, i): i for i in waiting}
            return [(futures[done], done.result()) for done in as_completed(futures)]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self.server.close()  # so that no thread waits for what nobody wants any more
            raise
        finally:
            pool.shutdown(wait=True)

    def _first(self, conversation: Conversation, asking: Asking, i: int) -> Answer:
        """The first question, asked as the server wants it: some know other names of a field, some not a seed."""
        for _ in range(4):
            try:
                answer = self.server.ask("/chat/completions", self._body(conversation, asking, i), answer_of)
                self._journal.put(self._asked(conversation, asking, i), answer)
                self._tried = True
                return answer
            except Refused as e:
                if not self._adapt(e.why):
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

    def _one(self, conversation: Conversation, asking: Asking, i: int) -> Answer:
        try:
            answer = self.server.ask("/chat/completions", self._body(conversation, asking, i), answer_of)
        except Refused as e:
            if not any(status in str(e.value) for status in ABOUT_THE_QUESTION):
                raise
            answer = Answer(None, "", False, refused=f"{e.value}: {e.why}")
        self._journal.put(self._asked(conversation, asking, i), answer)
        return answer

    def _body(self, conversation: Conversation, asking: Asking, i: int) -> Body:
        seed = {"seed": (asking.seed * 1_000_003 + i) % 2**31} if self._seeded else {}
        length = {self._limit: asking.max_new_tokens} if self._limit else {}
        return {
            "model": self.name, "messages": list(conversation), "temperature": asking.temperature, **length, **seed,
        }  # fmt: skip

    def _asked(self, conversation: Conversation, asking: Asking, i: int) -> str:
        """What identifies a request, whichever way the server wants it."""
        what = [self.server.url, self.name, list(conversation), asdict(asking), i]
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
    stopped = choice.get("finish_reason") not in CUT
    return Answer(reasoning, content, stopped, tokens if type(tokens) is int else None)


def _thought(spoken: Mapping[str, Any]) -> str | None:
    for name in ("reasoning_content", "reasoning"):
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
