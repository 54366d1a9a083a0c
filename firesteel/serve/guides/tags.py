"""Whether a reply is inside a thought, followed token by token as core/speech.py does, and how a thought is ended.

The tags <think> and </think> are tokens of their own in some vocabularies, and text in others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from firesteel.core.decoding import Pieces
from firesteel.core.errors import UserError
from firesteel.core.speech import END_THINK, THINK, Manner
from firesteel.core.tokenizer import Tokenizer

_OPEN, _CLOSE = THINK.encode(), END_THINK.encode()


class Thought(Protocol):
    """One reply's: `thinking` is how it stands, `closing` the next token of what ends the thought."""

    thinking: bool

    @property
    def closing(self) -> int: ...

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        ...


class ThoughtInTokens:
    """The tags are tokens."""

    def __init__(self, think_id: int | None, end_think_id: int | None, *, opened: bool) -> None:
        self.thinking, self._begun = opened, False
        self._think, self._end = think_id, end_think_id

    @property
    def closing(self) -> int:
        """The token </think>."""
        assert self._end is not None
        return self._end

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        if self.thinking:
            self.thinking = token != self._end
        elif not self._begun:  # later it is a word like others
            self.thinking = token == self._think
        self._begun = True


@dataclass(frozen=True)
class TextTags:
    """How a model says its tags as text: the bytes of its tokens, and the tokens that say </think>."""

    pieces: Pieces
    closing: tuple[int, ...]


def tags_are_tokens(manner: Manner) -> bool:
    """Whether the tags are looked for as ids."""
    return manner.think_id is not None and manner.end_think_id is not None


def tags_in_template(tokenizer: Tokenizer) -> bool:
    """Whether the model's template writes a thought's tags."""
    template = tokenizer.template
    try:
        return tokenizer.manner.opened or (
            template is not None and any(tag in template.literals for tag in (THINK, END_THINK))
        )
    except UserError:  # no Jinja: whoever renders will be told
        return False


def text_tags(tokenizer: Tokenizer) -> TextTags | None:
    """How this model says its tags, if it thinks aloud and they are text."""
    if tags_are_tokens(tokenizer.manner) or tokenizer.manner.exact or not tags_in_template(tokenizer):
        return None
    closing = tuple(tokenizer.encode(END_THINK))
    said = b"".join(map(tokenizer.pieces.of, closing))
    return TextTags(tokenizer.pieces, closing) if said.endswith(_CLOSE) else None


class ThoughtInText:
    """The tags are text. The last of its tokens count as the beginning of </think> if they are."""

    def __init__(self, tags: TextTags, *, opened: bool) -> None:
        self.thinking, self._decided = opened, opened
        self._tags, self._said, self._closed = tags, b"", 0

    @property
    def closing(self) -> int:
        """The next token of </think>."""
        return self._tags.closing[self._closed]

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        self._said += self._tags.pieces.of(token)
        if not self._decided:
            self._begin()
        elif self.thinking:
            closing = self._tags.closing
            self._closed = self._closed + 1 if token == closing[self._closed] else int(token == closing[0])
        if self.thinking:
            self.thinking = _CLOSE not in self._said
            self._said = self._said[-len(_CLOSE) + 1 :]

    def _begin(self) -> None:
        """The reply's first text: is it <think>? Blanks before it do not count."""
        seen = self._said.decode("utf-8", errors="ignore").lstrip().encode()
        if seen.startswith(_OPEN):
            self.thinking, self._said = True, seen[len(_OPEN) :]
        self._decided = self.thinking or not _OPEN.startswith(seen)
