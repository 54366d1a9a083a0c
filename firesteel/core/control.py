"""Control tokens: those that steer a model (special tokens, and tokens that a chat template writes), kept apart from text.

A person may write the text of a control token ("<|im_end|>"); it must never become one (OWASP LLM01). A seam, a character
that occurs nowhere else, is put inside such text before the template sees it, and taken out after rendering.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken

from firesteel.core.chat_template import Message


@dataclass(frozen=True)
class Cut:
    """A part of rendered text: characters start .. end, and the control token that it is, if it is one."""

    start: int
    end: int
    id: int | None


class Control:
    """The control tokens of a tokenizer. `speech`: those that an assistant's own text may hold (<think>)."""

    def __init__(self, tokens: Mapping[int, AddedToken], speech: Sequence[str] = ()) -> None:
        self.ids = {token.content: id for id, token in tokens.items()}  # text -> id
        self._all = _longest_first(self.ids)
        self._foreign = _longest_first([name for name in self.ids if name not in speech])
        self._absorbing = _longest_first(self.ids, {token.content: token for token in tokens.values()})

    def disarm(self, messages: Sequence[Message], seam: str) -> list[Message]:
        """The messages with a seam inside each text of a control token; roles are not text."""
        return [
            {key: value if key == "role" else self._seamed(value, message["role"], seam) for key, value in message.items()}
            for message in messages
        ]  # fmt: skip

    def _seamed(self, value: Any, role: str, seam: str) -> Any:
        if isinstance(value, str):
            pattern = self._foreign if role == "assistant" else self._all
            return pattern.sub(lambda found: found[0][0] + seam + found[0][1:], value)
        if isinstance(value, dict):
            return {key: self._seamed(inner, role, seam) for key, inner in value.items()}
        return [self._seamed(inner, role, seam) for inner in value] if isinstance(value, list) else value

    def cut(self, text: str) -> Iterator[Cut]:
        """The text from left to right: control tokens, longest first as tokenizers do, and what stands between."""
        at = 0
        for found in self._absorbing.finditer(text):
            if found.start() > at:
                yield Cut(at, found.start(), None)
            name = found[0] if found[0] in self.ids else found[0].strip()
            yield Cut(found.start(), found.end(), self.ids[name])
            at = found.end()
        if at < len(text):
            yield Cut(at, len(text), None)


def _longest_first(names: Iterable[str], tokens: Mapping[str, AddedToken] | None = None) -> re.Pattern[str]:
    """Any of the names, with the blanks around it that its token absorbs, if `tokens` are given."""
    patterns = []
    for name in sorted(names, key=len, reverse=True):
        token = (tokens or {}).get(name)
        patterns.append(
            (r"\s*" if token and token.lstrip else "") + re.escape(name) + (r"\s*" if token and token.rstrip else "")
        )
    return re.compile("|".join(patterns) or r"(?!)")  # (?!) matches nothing
