"""One choice of a request: from token ids to the text and the tool calls that leave the server.

ids -> text, reasoning or answer -> calls taken out (answer only) -> stop strings (answer only) -> guard -> out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from firesteel.core.calls import CallDelta as CallDelta
from firesteel.core.calls import CallParser
from firesteel.core.speech import Manner, Speech
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.endings import Ending
from firesteel.serve.openai.fields import table_of
from firesteel.serve.openai.text import EVERY, WINDOW, Guard, GuardedText, StopMatcher
from firesteel.serve.sequence import Event

ALL = 1 << 62  # characters between two looks of the guard: it looks once, at the end
REFUSAL = "抱歉，我不能协助处理这个请求。\nSorry, I can't help with this request."


@dataclass
class Delta:
    """What one event let out: pieces of reasoning and answer, logprob entries of the answer's tokens, pieces of calls."""

    reasoning: str = ""
    answer: str = ""
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    calls: list[CallDelta] = field(default_factory=list)


@dataclass(frozen=True)
class Form:
    """What the text of a reply holds besides words."""

    opened: bool | None = None  # whether the prompt ends inside a thought; None: as the model's prompts do
    calls: CallParser | None = None
    marks: Mapping[int, str] = field(default_factory=dict)  # of the calls' markup (calls.py)
    one_call: bool = False  # the reply is over after the first call
    named: bool = False  # the call was asked for by name: OpenAI's finish_reason is then "stop"
    json: bool = False  # the answer is one JSON value, which a guard must see whole
    said: str = ""  # what the prompt has said already of the text, thought or answer, that the reply goes on with


class Reply:
    """One choice of a request, from its first token to its last character."""

    def __init__(
        self, tokenizer: Tokenizer, *, ending: Ending | None = None, guard: Guard | None = None, logprobs: bool = False,
        streamed: bool = True, form: Form | None = None,
    ) -> None:  # fmt: skip
        self._form, self._ending = form or Form(), ending or Ending()
        check, every = guard.check_output if guard else None, EVERY if streamed else WINDOW
        self._tokenizer, self._wants_logprobs, self._check = tokenizer, logprobs, check
        self._stop = StopMatcher(self._ending.stops, shown=self._ending.shown)
        manner: Manner = replace(tokenizer.manner, begun=bool(self._form.said))
        if self._form.opened is not None:
            manner = replace(manner, opened=self._form.opened)
        thought, answered = (self._form.said, "") if manner.opened else ("", self._form.said)
        self._reasoning = GuardedText(check, every, thought)
        self._answer = GuardedText(check, ALL if self._form.json else every, answered)
        self._speech = Speech(tokenizer.pieces, manner, self._form.marks)
        self._entries: list[tuple[int, int, dict[str, Any]]] = []  # where a token's text starts and ends in the answer
        self._early: list[dict[str, Any]] = []  # entries of tokens that may yet turn out to open a thought
        self._decoded = 0  # characters of the answer decoded
        self._emitted = 0  # characters of the answer that have left
        self._raw = self._answered = (
            answered  # the answer before the guard, where it is JSON; what of it the prompt said
        )
        self._stopped: str | None = None  # category, if the guard stopped a call
        self.tokens = self.reasoning_tokens = 0
        self.finish_reason: str | None = None
        self.blocked: str | None = None  # category, if the guard stopped it
        self.refusal = REFUSAL  # what is said instead

    def push(self, event: Event) -> Delta:
        """Take the sequence's next token. When `finish_reason` gets set, nothing further will come out."""
        assert self.finish_reason is None
        self.tokens += 1
        before = self._speech.thinking
        dropped = self._ending.drops(event)
        reasoning, answer = ("", "") if dropped else self._speech.push(event.token)
        thinking = self._speech.thinking
        self.reasoning_tokens += before or thinking
        delta = Delta()
        if before or thinking or reasoning:
            delta.reasoning = self._reasoning.push(reasoning, last=not thinking)
            self._early.clear()  # what came before the thought was its tag
        if not thinking:
            self._speak(event, answer, delta, told=not (before or dropped))
        self._settle(event, delta)
        return delta

    @property
    def thought(self) -> bool:
        """Whether there is reasoning at all."""
        return self._speech.thought

    @property
    def called(self) -> bool:
        """Whether a tool was called."""
        return self._form.calls is not None and self._form.calls.begun > 0

    def _speak(self, event: Event, text: str, delta: Delta, *, told: bool) -> None:
        """Let text of the answer out; `told`: its token is one of the answer's, not the end of a thought."""
        if told and self._wants_logprobs and self._tokenizer.pieces.of(event.token):
            self._early.append(self._entry(event))
        if self._speech.decided:
            delta.answer = self._let_out(self._stop.push(self._sift(text, delta), armed=self._armed))

    @property
    def _armed(self) -> bool:
        """Whether a stop string may end the answer with this token."""
        return self.tokens > self._ending.min_tokens

    def _let_out(self, text: str, *, last: bool = False) -> str:
        """Text of the answer, past the guard."""
        self._raw += text if self._form.json else ""
        return self._answer.push(text, last=last)

    def _sift(self, text: str, delta: Delta, *, last: bool = False) -> str:
        """Take the calls out of the answer's text. Tokens of a call have no logprobs."""
        parser = self._form.calls
        if parser is None:
            self._place(len(text))
            return text
        text, calls = parser.push(text)
        if last:
            rest, late = parser.finish()
            text, calls = text + rest, calls + late
        if calls:
            self._early.clear()
        if text or parser.clear:
            self._place(len(text))
        delta.calls += [call for call in calls if self._may_leave(call)]
        return text

    def _may_leave(self, call: CallDelta) -> bool:
        """Show a call to the guard. One that it would redact is stopped: half a call, or a changed one, does harm."""
        if self._check is None or not call.arguments or self._stopped is not None:
            return self._stopped is None
        verdict = self._check(call.arguments)
        if not verdict.allowed or verdict.text != call.arguments:
            self._stopped, self.refusal = (
                verdict.category or "privacy",
                (not verdict.allowed and verdict.text) or REFUSAL,
            )
        return self._stopped is None

    def _place(self, length: int) -> None:
        """So many characters more of the answer are decoded; the entries that had no place yet belong to them."""
        start, self._decoded = self._decoded, self._decoded + length
        self._entries += [(start, self._decoded, entry) for entry in self._early]
        self._early = []

    def _settle(self, event: Event, delta: Delta) -> None:
        """Decide whether this was the end, and if so let out the rest."""
        parser, form = self._form.calls, self._form
        enough = form.one_call and parser is not None and parser.closed > 0
        if self._category is None and (event.finish_reason or self._stop.matched or enough):
            self._end(delta, enough)
            self.finish_reason = "stop" if self._stop.matched or enough else event.finish_reason
            if self.finish_reason == "stop" and self.called and not form.named:
                self.finish_reason = "tool_calls"
        self.blocked = self._category
        if self.blocked is not None:
            self.finish_reason = "content_filter"
            self.refusal = self._reasoning.refusal or self._answer.refusal or self.refusal
            delta.answer += ("\n\n" if self._emitted + len(delta.answer) else "") + self.refusal
            delta.calls.clear()
            self._entries.clear()
            self._early.clear()
        self._emitted += len(delta.answer)
        delta.logprobs = self._ready()

    @property
    def _category(self) -> str | None:
        """Why the guard stopped it, if it did."""
        return self._stopped or self._reasoning.blocked or self._answer.blocked

    def _end(self, delta: Delta, enough: bool) -> None:
        """Let out what is held back; after `enough`, nothing further is wanted."""
        reasoning, answer = self._speech.finish()
        if self._speech.thinking:
            delta.reasoning += self._reasoning.push(reasoning, last=True)
            return
        if not (self._stop.matched or enough):
            rest = self._sift(answer, delta, last=True)
            answer = self._stop.push(rest, armed=self._armed) + self._stop.finish()
        else:
            answer = self._stop.finish()
        delta.answer += self._let_out(answer, last=True)
        if self._answer.altered and _is_json(self._raw) and not _is_json(self._answered + delta.answer):
            self._stopped, delta.answer = "privacy", ""  # half a value does harm

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


def _is_json(text: str) -> bool:
    return table_of(f'{{"value": {text}}}') is not None
