"""Guides for models that think aloud: the thought is free, the answer after it follows the grammar.

Where a thought begins and ends is decided as core/speech.py does: by the ids of <think> and </think> where the tokenizer has
them, else by their text. A model that may think may begin with <think> or with the grammar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from firesteel.core.speech import END_THINK, THINK
from firesteel.serve.guides.vocabulary import Mask, Vocabulary
from firesteel.serve.sequence import Guide

MAX_BREAKS = 4  # tokens of line breaks between the thought and the answer; Speech drops them
_OPEN, _CLOSE = THINK.encode(), END_THINK.encode()
Phase = Literal["begin", "thought", "break", "answer"]


class AfterThought:
    """Leaves tokens free while the model thinks; the guide that `start` makes sees only what belongs to the answer.

    A thought must end before the turn may, else there would be no answer; where the answer is free the thought is too.
    """

    def __init__(self, vocabulary: Vocabulary, start: Callable[[], Guide], *, opened: bool) -> None:
        self._v, self._start, self._guide = vocabulary, start, start()
        self._phase: Phase = "thought" if opened else "begin"
        self._said = b""  # the reply so far while it may become <think>; then the thought's last bytes
        self._fits = True  # whether the reply so far may be an answer, too
        self._breaks = 0

    def allowed(self) -> Mask | None:
        """Which tokens may come next, [V]; None: any."""
        guided = self._guide.allowed()
        if guided is None or self._phase == "answer":
            return guided
        if self._phase == "thought":
            return self._inside()
        if self._phase == "break":
            more = self._breaks < MAX_BREAKS and not self._v.manner.exact
            return guided | self._v.breaks if more else guided
        return guided | self._tags() if self._fits else self._tags()

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        {"begin": self._begin, "thought": self._think, "break": self._pause, "answer": self._guide.push}[self._phase](
            token
        )

    def _begin(self, token: int) -> None:
        guided = self._guide.allowed()
        self._fits = self._fits and (guided is None or bool(guided[token]))
        if self._may_open(token):
            self._said += self._v.pieces.of(token)
            if self._v.tags_are_tokens or self._said.startswith(_OPEN):
                self._phase, self._said, self._guide = "thought", self._said[len(_OPEN) :], self._start()
                return
        else:
            self._phase = "answer"
        if self._fits or self._phase == "answer":
            self._guide.push(token)

    def _think(self, token: int) -> None:
        if self._v.tags_are_tokens:
            self._phase = "break" if token == self._v.manner.end_think_id else "thought"
            return
        self._said += self._v.pieces.of(token)
        if _CLOSE in self._said:
            self._phase = "break"
        self._said = self._said[-len(_CLOSE) + 1 :]

    def _pause(self, token: int) -> None:
        self._breaks += 1
        if not (self._v.breaks[token] and self._breaks <= MAX_BREAKS and not self._v.manner.exact):
            self._phase = "answer"
            self._guide.push(token)

    def _may_open(self, token: int) -> bool:
        """Whether the reply may still become <think> with this token."""
        if self._v.tags_are_tokens:
            return token == self._v.manner.think_id
        said = self._said + self._v.pieces.of(token)
        return len(said) > len(self._said) and (said.startswith(_OPEN) or _OPEN.startswith(said))

    def _tags(self) -> Mask:
        """Tokens with which the reply may go on to become <think>."""
        if self._v.tags_are_tokens:
            return self._v.mask([self._v.manner.think_id])
        return self._v.mask(id for id in self._v.tag_parts if self._may_open(id))

    def _inside(self) -> Mask:
        """Any token but those that end the turn, or that would close the thought and say something in the same breath."""
        mask = ~self._v.halts
        if not self._v.tags_are_tokens:
            mask[[id for id in self._v.closers if self._spills(self._v.pieces.of(id))]] = False
        return mask

    def _spills(self, piece: bytes) -> bool:
        _, closed, rest = (self._said + piece).partition(_CLOSE)
        return bool(closed and rest.strip(b"\n"))
