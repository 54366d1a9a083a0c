"""One choice of a completion request: from token ids to the text that leaves the server.

ids -> text -> stop strings -> guard -> out. The text is what `Tokenizer.decode` makes of the ids: special tokens are left out,
and a thought is text like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firesteel.core.decoding import IncrementalText
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.endings import Ending
from firesteel.serve.openai.names import token_name
from firesteel.serve.openai.reply import REFUSAL, Delta
from firesteel.serve.openai.text import EVERY, WINDOW, Guard, GuardedText, StopMatcher
from firesteel.serve.sequence import Alternatives, Event, Sequence

LEAST = -9999.0  # what is reported for a logprob of minus infinity, which JSON does not know


@dataclass(frozen=True)
class Manner:
    """What a request wants of its choices. `anew`: the text does not go on from the prompt's last character."""

    ending: Ending = field(default_factory=Ending)
    echo: bool = False
    logprobs: bool = False
    streamed: bool = False
    anew: bool = False


class Continuation:
    """One choice, from its first token (of the prompt, with echo) to its last character."""

    def __init__(self, tokenizer: Tokenizer, sequence: Sequence, manner: Manner, guard: Guard | None = None) -> None:
        self.sequence, self._tokenizer, self._manner = sequence, tokenizer, manner
        self._text, self._stop = IncrementalText(tokenizer.pieces), StopMatcher(
            manner.ending.stops, shown=manner.ending.shown
        )  # fmt: skip
        check, every = guard.check_output if guard else None, EVERY if manner.streamed else WINDOW
        self._guarded = GuardedText(check, every)
        self._entries: list[tuple[int, int, dict[str, Any]]] = []  # where a token's text starts and ends
        self._decoded = 0  # characters decoded, those of an echoed prompt included
        self._emitted = 0  # characters that have left
        self._begun, self._total = False, 0.0
        self.tokens = 0
        self.finish_reason: str | None = None
        self.blocked: str | None = None  # category, if the guard stopped it
        self.refusal = REFUSAL  # what is said instead

    def refuse(self, text: str) -> None:
        """End it before it began: the guard refused the prompt."""
        self.finish_reason, self.refusal = "content_filter", text or REFUSAL

    def push(self, event: Event) -> Delta:
        """Take the sequence's next token. When `finish_reason` gets set, nothing further will come out."""
        assert self.finish_reason is None
        delta = Delta(answer="" if self._begun else self._begin())
        if event.token >= 0:
            self.tokens += 1
            self._total += event.logprob
            text = "" if self._manner.ending.drops(event) else self._text.push(event.token)
            self._place(event.token, event.logprob, event.top, len(text))
            delta.answer += self._guarded.push(self._stop.push(text, armed=self._armed))
        if self._guarded.blocked is None and (event.finish_reason or self._stop.matched):
            self._end(event, delta)
        if self._guarded.blocked is not None:
            self._block(delta)
        self._emitted += len(delta.answer)
        delta.logprobs = self._ready()
        return delta

    @property
    def mean_logprob(self) -> float:
        """Mean logprob of its tokens, nats: what best_of judges by."""
        return self._total / max(1, self.tokens)

    @property
    def _armed(self) -> bool:
        """Whether a stop string may end the text with this token."""
        return self.tokens > self._manner.ending.min_tokens

    def _begin(self) -> str:
        """Read the prompt, so that the text goes on where it ends. Returns it if it is to be echoed."""
        self._begun = True
        if self._manner.anew:
            return ""
        known = self.sequence.prompt_logprobs if self._manner.echo else []
        parts = []
        for i, id in enumerate(self.sequence.prompt):
            parts.append(self._text.push(id))
            if self._manner.echo:
                logprob, top = known[i - 1] if i and known else (None, None)
                self._place(id, logprob, top and top[: self.sequence.sampling.top_logprobs], len(parts[-1]))
        return "".join(parts) if self._manner.echo else ""

    def _place(self, id: int, logprob: float | None, top: Alternatives | None, length: int) -> None:
        """So many characters more are decoded, and this token wrote them."""
        start, self._decoded = self._decoded, self._decoded + length
        if self._manner.logprobs:
            self._entries.append((start, self._decoded, self._entry(id, logprob, top, start)))

    def _end(self, event: Event, delta: Delta) -> None:
        """Let the rest out."""
        rest = self._stop.push(self._text.finish(), armed=self._armed) + self._stop.finish()
        delta.answer += self._guarded.push(rest, last=True)
        self.finish_reason = "stop" if self._stop.matched else event.finish_reason

    def _block(self, delta: Delta) -> None:
        self.blocked, self.finish_reason = self._guarded.blocked, "content_filter"
        self.refusal = self._guarded.refusal or REFUSAL
        delta.answer += ("\n\n" if self._emitted + len(delta.answer) else "") + self.refusal
        self._entries.clear()

    def _ready(self) -> list[dict[str, Any]]:
        """Logprob entries whose text has left. None after a redaction: they would tell what was redacted."""
        if self._guarded.altered:
            self._entries.clear()
        if self.finish_reason is None:
            n = sum(end <= self._emitted for _, end, _ in self._entries)
        elif self._stop.matched:  # it may begin inside a token; that token counts
            n = sum(start < self._emitted for start, _, _ in self._entries)
        else:  # all, also the special token that ended it
            n = len(self._entries)
        ready, self._entries = self._entries[:n], self._entries[n:]
        return [entry for _, _, entry in ready]

    def _entry(self, id: int, logprob: float | None, top: Alternatives | None, start: int) -> dict[str, Any]:
        """What the four lists of the legacy logprobs object say of one token."""
        name = token_name(self._tokenizer, id)
        likely: dict[str, float] | None = None
        if logprob is not None:
            likely = {}
            for other, value in top or []:  # of tokens with one name, the likeliest
                likely.setdefault(token_name(self._tokenizer, other), max(value, LEAST))
            likely[name] = logprob = max(logprob, LEAST)  # one number, so that clients may compare it with the others
        return {"tokens": name, "token_logprobs": logprob, "top_logprobs": likely, "text_offset": start}


def logprobs_object(entries: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The legacy logprobs object: four lists, an item a token."""
    names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    return {name: [entry[name] for entry in entries] for name in names}
