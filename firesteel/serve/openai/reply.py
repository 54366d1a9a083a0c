"""One choice of a request: from token ids to the text that leaves the server.

ids -> text, reasoning or answer -> stop strings (answer only) -> guard -> out
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firesteel.core.speech import Speech
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.text import EVERY, WINDOW, Guard, GuardedText, StopMatcher
from firesteel.serve.sequence import Event

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
        self._speech = Speech(tokenizer.pieces, tokenizer.manner)
        self._entries: list[tuple[int, int, dict[str, Any]]] = []  # where a token's text starts and ends in the answer
        self._early: list[dict[str, Any]] = []  # entries of tokens that may yet turn out to open a thought
        self._decoded = 0  # characters of the answer decoded
        self._emitted = 0  # characters of the answer that have left
        self.tokens = self.reasoning_tokens = 0
        self.finish_reason: str | None = None
        self.blocked: str | None = None  # category, if the guard stopped it
        self.refusal = REFUSAL  # what is said instead

    def push(self, event: Event) -> Delta:
        """Take the sequence's next token. When `finish_reason` gets set, nothing further will come out."""
        assert self.finish_reason is None
        self.tokens += 1
        before = self._speech.thinking
        reasoning, answer = self._speech.push(event.token)
        thinking = self._speech.thinking
        self.reasoning_tokens += before or thinking
        delta = Delta()
        if before or thinking or reasoning:
            delta.reasoning = self._reasoning.push(reasoning, last=not thinking)
            self._early.clear()  # what came before the thought was its tag
        if not thinking:
            self._speak(event, answer, delta, told=not before)
        self._settle(event, delta)
        return delta

    @property
    def thought(self) -> bool:
        """Whether there is reasoning at all."""
        return self._speech.thought

    def _speak(self, event: Event, text: str, delta: Delta, *, told: bool) -> None:
        """Let text of the answer out; `told`: its token is one of the answer's, not the end of a thought."""
        if told and self._wants_logprobs and self._tokenizer.pieces.of(event.token):
            self._early.append(self._entry(event))
        if self._speech.decided:
            self._place(len(text))
        delta.answer = self._answer.push(self._stop.push(text))

    def _place(self, length: int) -> None:
        """So many characters more of the answer are decoded; the entries that had no place yet belong to them."""
        start, self._decoded = self._decoded, self._decoded + length
        self._entries += [(start, self._decoded, entry) for entry in self._early]
        self._early = []

    def _settle(self, event: Event, delta: Delta) -> None:
        """Decide whether this was the end, and if so let out the rest."""
        if (
            self._reasoning.blocked is None
            and self._answer.blocked is None
            and (event.finish_reason or self._stop.matched)
        ):
            self.finish_reason = "stop" if self._stop.matched else event.finish_reason
            undecided = not self._speech.decided
            reasoning, answer = self._speech.finish()
            if undecided:
                self._place(len(answer))
            if self._speech.thinking:
                delta.reasoning += self._reasoning.push(reasoning, last=True)
            else:
                delta.answer += self._answer.push(self._stop.push(answer) + self._stop.finish(), last=True)
        self.blocked = self._reasoning.blocked or self._answer.blocked
        if self.blocked is not None:
            self.finish_reason = "content_filter"
            self.refusal = self._reasoning.refusal or self._answer.refusal or REFUSAL
            delta.answer += ("\n\n" if self._emitted + len(delta.answer) else "") + self.refusal
            self._entries.clear()
            self._early.clear()
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
        raw = self._tokenizer.pieces.of(token)
        return {"token": raw.decode("utf-8", errors="replace"), "logprob": logprob, "bytes": list(raw)}
