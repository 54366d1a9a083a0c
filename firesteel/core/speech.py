"""A reply taken apart: reasoning first, if there is any, then the answer; token by token, as it comes.

Where a tokenizer has <think> and </think> as tokens they are looked for as ids, else as text. A prompt may already have
opened the thought (DeepSeek-R1's does): then the reply begins inside it. A thought that never ends is all reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firesteel.core.decoding import IncrementalText, Pieces

THINK, END_THINK = "<think>", "</think>"


@dataclass(frozen=True)
class Manner:
    """How a model thinks aloud. `exact`: it was trained to write no line break around its thoughts, so none is dropped."""

    think_id: int | None
    end_think_id: int | None
    opened: bool  # the prompt ends inside a thought
    exact: bool
    begun: bool = False  # the prompt ends inside a text, thought or answer, that the reply goes on with


class Speech:
    """One reply. `push` gives (reasoning, answer) that became certain; `thinking` is how it stands, `thought` how it was.

    `marks`: characters that stand in the answer for ids that are markup there (calls.py).
    """

    def __init__(self, pieces: Pieces, manner: Manner, marks: Mapping[int, str] | None = None) -> None:
        self._pieces, self._manner, self._marks = pieces, manner, marks or {}
        self._utf8 = IncrementalText(pieces, begun=manner.begun)
        self._by_id = manner.think_id is not None and manner.end_think_id is not None
        self._held = ""  # text that may yet turn out to be a tag
        self._trim = _Trim(manner.exact, thought=True if manner.opened else None, begun=manner.begun)
        self.thinking = self.thought = manner.opened
        self.decided = manner.opened or manner.begun  # thought or answer?

    def push(self, id: int) -> tuple[str, str]:
        """Take the reply's next token."""
        if self._by_id and id == self._manner.think_id and (self.thinking or not self.decided):
            return ("", "") if self.thinking else self._open()  # one that the prompt has opened may be opened again
        if self._by_id and id == self._manner.end_think_id and self.thinking:
            return self._close(self._utf8.finish())
        if id in self._marks and not self.thinking:
            return self._sort(self._utf8.finish() + self._marks[id])
        return self._sort(self._utf8.push(id))

    def finish(self) -> tuple[str, str]:
        """What is left at the end."""
        reasoning, answer = self._sort(self._utf8.finish())
        held, self._held = self._held, ""
        if self.thinking:
            return reasoning + self._trim.push(held), answer
        self.decided = True
        return reasoning, answer + self._trim.push(held)

    def _open(self) -> tuple[str, str]:
        self._held, self.thinking, self.thought, self.decided = "", True, True, True
        self._utf8, self._trim = IncrementalText(self._pieces), _Trim(self._manner.exact, thought=True)
        return "", ""

    def _close(self, last: str) -> tuple[str, str]:
        reasoning = self._trim.push(last)
        self._held, self.thinking = "", False
        self._utf8, self._trim = IncrementalText(self._pieces), _Trim(self._manner.exact, thought=False)
        return reasoning, ""

    def _sort(self, text: str) -> tuple[str, str]:
        if not self.decided:
            return self._begin(text)
        if self.thinking and not self._by_id:
            return self._until_tag(text)
        piece = self._trim.push(text)
        return (piece, "") if self.thinking else ("", piece)

    def _begin(self, text: str) -> tuple[str, str]:
        """The reply's first text: hold it while it is blank or may become a tag."""
        self._held += text
        seen = self._held.lstrip()
        if self._manner.exact:
            self.decided = True
        elif not self._by_id and seen.startswith(THINK):
            rest = seen.removeprefix(THINK)
            self._open_in_text()
            return self._until_tag(rest)
        else:
            self.decided = not (THINK.startswith(seen) and (not seen or not self._by_id))
        if not self.decided:
            return "", ""
        held, self._held = self._held, ""
        return "", held

    def _open_in_text(self) -> None:
        self._held, self.thinking, self.thought, self.decided = "", True, True, True
        self._trim = _Trim(self._manner.exact, thought=True)

    def _until_tag(self, text: str) -> tuple[str, str]:
        text, self._held = self._held + text, ""
        before, tag, after = text.partition(END_THINK)
        if tag:
            reasoning = self._trim.push(before)
            self.thinking, self._trim = False, _Trim(self._manner.exact, thought=False)
            return reasoning, self._trim.push(after)
        keep = next((n for n in range(len(END_THINK) - 1, 0, -1) if text.endswith(END_THINK[:n])), 0)
        self._held = text[len(text) - keep :]
        return self._trim.push(text[: len(text) - keep]), ""


class _Trim:
    """Drops the line breaks that templates put around a thought and before the answer after it."""

    def __init__(self, exact: bool, thought: bool | None = None, *, begun: bool = False) -> None:
        self._leading = thought is not None and not exact and not begun
        self._trailing = thought is True and not exact
        self._held = ""

    def push(self, text: str) -> str:
        if self._leading:
            text = text.lstrip("\n")
            self._leading = not text
        if not self._trailing:
            return text
        text = self._held + text
        kept = text.rstrip("\n")
        self._held = text[len(kept) :]
        return kept
