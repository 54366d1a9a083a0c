"""One choice of a request: from token ids to the text that leaves the server.

ids -> reasoning or answer -> UTF-8 -> stop strings (answer only) -> guard -> out
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firesteel.core.tokenizer import IncrementalDecoder, Tokenizer
from firesteel.serve.sequence import Event
from firesteel.serve.text import EVERY, WINDOW, Guard, GuardedText, StopMatcher

REFUSAL = "抱歉，我不能协助处理这个请求。\nSorry, I can't help with this request."


@dataclass
class Delta:
    """What one event let out: pieces of reasoning and answer, and the logprob entries of the answer's tokens."""

    reasoning: str = ""
    answer: str = ""
    logprobs: list[dict[str, Any]] = field(default_factory=list)


class Reply:
    """One choice of a request, from its first token to its last character."""

    def __init__(
        self, tokenizer: Tokenizer, *, stops: tuple[str, ...] = (), guard: Guard | None = None, logprobs: bool = False,
        streamed: bool = True,
    ) -> None:  # fmt: skip
        check, every = guard.check_output if guard else None, EVERY if streamed else WINDOW
        self._tokenizer, self._wants_logprobs = tokenizer, logprobs
        self._reasoning, self._answer = GuardedText(check, every), GuardedText(check, every)
        self._stop = StopMatcher(stops)
        self._utf8 = IncrementalDecoder(tokenizer)
        self._entries: list[tuple[int, int, dict[str, Any]]] = []  # where a token's text starts and ends in the answer
        self._decoded = 0  # characters of the answer decoded
        self._emitted = 0  # characters of the answer that have left
        self.thinking = False
        self.thought = False  # whether there is reasoning at all
        self.tokens = self.reasoning_tokens = 0
        self.finish_reason: str | None = None
        self.blocked: str | None = None  # category, if the guard stopped it
        self.refusal = REFUSAL  # what is said instead

    def push(self, event: Event) -> Delta:
        """Take the sequence's next token. When `finish_reason` gets set, nothing further will come out."""
        assert self.finish_reason is None
        first = self.tokens == 0
        self.tokens += 1
        delta = Delta()
        if first and event.token == self._tokenizer.think_id:
            self.thinking = self.thought = True
        self.reasoning_tokens += self.thinking
        if self.thinking and event.token == self._tokenizer.end_think_id:
            delta.reasoning = self._reasoning.push(self._utf8.finish(), last=True)
            self.thinking = False
            self._utf8 = IncrementalDecoder(self._tokenizer)
        elif self.thinking:
            delta.reasoning = self._reasoning.push(self._utf8.push(event.token))
        else:
            self._speak(event, delta)
        self._settle(event, delta)
        return delta

    def _speak(self, event: Event, delta: Delta) -> None:
        text = self._utf8.push(event.token)
        start, self._decoded = self._decoded, self._decoded + len(text)
        if self._wants_logprobs and self._tokenizer.token_bytes[event.token]:
            self._entries.append((start, self._decoded, self._entry(event)))
        delta.answer = self._answer.push(self._stop.push(text))

    def _settle(self, event: Event, delta: Delta) -> None:
        """Decide whether this was the end, and if so let out the rest."""
        if (
            self._reasoning.blocked is None
            and self._answer.blocked is None
            and (event.finish_reason or self._stop.matched)
        ):
            self.finish_reason = "stop" if self._stop.matched else event.finish_reason
            if self.thinking:
                delta.reasoning += self._reasoning.push(self._utf8.finish(), last=True)
            else:
                delta.answer += self._answer.push(self._stop.push(self._utf8.finish()) + self._stop.finish(), last=True)
        self.blocked = self._reasoning.blocked or self._answer.blocked
        if self.blocked is not None:
            self.finish_reason = "content_filter"
            self.refusal = self._reasoning.refusal or self._answer.refusal or REFUSAL
            delta.answer += ("\n\n" if self._emitted + len(delta.answer) else "") + self.refusal
            self._entries.clear()
        self._emitted += len(delta.answer)
        delta.logprobs = self._ready()

    def _ready(self) -> list[dict[str, Any]]:
        """Logprob entries whose text has left. None after a redaction: they would tell what was redacted."""
        if self._answer.altered:
            self._entries.clear()
        whole = self.finish_reason is None  # a stop string may end inside a token; that token counts
        n = sum((end if whole else start + 1) <= self._emitted for start, end, _ in self._entries)
        ready, self._entries = self._entries[:n], self._entries[n:]
        return [entry for _, _, entry in ready]

    def _entry(self, event: Event) -> dict[str, Any]:
        top = [self._one(token, logprob) for token, logprob in event.top]
        return self._one(event.token, event.logprob) | {"top_logprobs": top}

    def _one(self, token: int, logprob: float) -> dict[str, Any]:
        raw = self._tokenizer.token_bytes[token]
        return {"token": raw.decode("utf-8", errors="replace"), "logprob": logprob, "bytes": list(raw)}
