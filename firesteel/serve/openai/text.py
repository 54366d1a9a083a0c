"""Filters of text on its way out: stop strings and the guard. Each holds back what it cannot yet be sure of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

HOLD = 32  # characters kept back for the guard: what it must see whole before the first of it leaves
EVERY = 16  # new characters between two looks of the guard at a stream; a look costs some microseconds a character
WINDOW = 256  # characters of context the guard sees again at each look, at least


class Verdict(Protocol):
    """What a guard says. `text` is the text (perhaps redacted) if it is allowed, else a refusal to show, or empty."""

    @property
    def allowed(self) -> bool: ...
    @property
    def text(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def category(self) -> str: ...


class Guard(Protocol):
    """Looks at what goes in and what comes out; the caller of the server brings one."""

    def check_input(self, text: str) -> Verdict:
        """Judge one message to the model."""
        ...

    def check_output(self, text: str) -> Verdict:
        """Judge what the model said so far."""
        ...


class StopMatcher:
    """Cuts text before the stop string that is complete first, or behind it if it is `shown`, however text is split."""

    def __init__(self, stops: tuple[str, ...], *, shown: bool = False) -> None:
        self.stops = stops
        self.matched = False
        self._held, self._shown = "", shown

    def push(self, text: str, *, armed: bool = True) -> str:
        """Text that can no longer be part of a stop string. Unless `armed`, none becomes complete with this text."""
        if self.matched:
            return ""
        held, buffer = len(self._held), self._held + text
        found = [(buffer.find(s, max(0, held - len(s) + 1)), s) for s in self.stops] if armed else []
        ends = [(at + len(s), at) for at, s in found if at >= 0]
        if ends:
            self.matched, self._held = True, ""
            return buffer[: min(ends)[0 if self._shown else 1]]
        keep = self._possible(buffer)
        self._held = buffer[len(buffer) - keep :]
        return buffer[: len(buffer) - keep]

    def finish(self) -> str:
        """What was held back in vain."""
        held, self._held = self._held, ""
        return held

    def _possible(self, buffer: str) -> int:
        """Length of the longest end of the buffer that begins a stop string."""
        longest = max((len(s) for s in self.stops), default=1) - 1
        lengths = range(min(longest, len(buffer)), 0, -1)
        return next((n for n in lengths if any(s.startswith(buffer[-n:]) for s in self.stops)), 0)


class GuardedText:
    """Lets text out after a guard has seen it together with what follows; `blocked` is the category once it said no."""

    def __init__(self, check: Callable[[str], Verdict] | None, every: int = EVERY, before: str = "") -> None:
        """`before`: what the text goes on from, which the guard sees with it."""
        self._check, self._every = check, every
        self.blocked: str | None = None
        self.refusal = ""  # the guard's own words, if it has any
        self.altered = False  # whether anything was redacted
        self._window = before  # raw text: what was released not long ago, and what was not yet
        self._sent = before  # how much of the window's clean text has left
        self._unseen = 0

    def push(self, text: str, *, last: bool = False) -> str:
        """Text that may leave now; with `last`, all the rest."""
        if self._check is None:
            return text
        self._window += text
        self._unseen += len(text)
        if self.blocked or not self._window or (self._unseen < self._every and not last):
            return ""
        self._unseen = 0
        return self._look(self._check, last)

    def _look(self, check: Callable[[str], Verdict], last: bool) -> str:
        verdict = check(self._window)
        clean = verdict.text
        if not verdict.allowed:
            self.blocked, self.refusal = verdict.category, clean
            return ""
        if not clean.startswith(self._sent):  # it would redact what has already left: no more leaves
            self.blocked = verdict.category or "privacy"
            return ""
        self.altered = self.altered or clean != self._window
        end = len(clean) if last else max(len(self._sent), len(clean) - HOLD)
        out = clean[len(self._sent) : end]
        self._sent = clean[:end]
        if len(self._window) > 2 * WINDOW:
            self._forget(check, clean)
        return out

    def _forget(self, check: Callable[[str], Verdict], clean: str) -> None:
        """Drop the oldest context, unless that would change what the rest looks like."""
        recent = self._window[-WINDOW:]
        verdict = check(recent)
        cut = len(clean) - len(verdict.text)
        if verdict.allowed and clean.endswith(verdict.text) and cut <= len(self._sent):
            self._window, self._sent = recent, self._sent[cut:]
