"""Ids back to text: the bytes behind each id, for byte-level, byte-fallback and Metaspace tokenizers."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tokenizers import Tokenizer as Backend

from firesteel.core.errors import ArtefactError

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
Lead = Literal["kept", "one space", "first token"]  # what of the spaces that begin a text is an artefact, and dropped


@dataclass(frozen=True)
class Pieces:
    """The bytes of each id (none for ids that are not text), and how a text begins."""

    table: list[bytes]
    lead: Lead

    def of(self, id: int) -> bytes:
        """Bytes of an id; none beyond the vocabulary, where a model's padded tables have rows too."""
        return self.table[id] if 0 <= id < len(self.table) else b""

    def text(self, ids: Iterable[int]) -> str:
        """Ids to text; invalid UTF-8 becomes U+FFFD."""
        raw = [piece for id in ids if (piece := self.of(id))]
        if raw and self.lead == "first token":
            raw[0] = raw[0].lstrip(b" ")
        text = b"".join(raw).decode("utf-8", errors="replace")
        return text.removeprefix(" ") if self.lead == "one space" else text


class IncrementalText:
    """Turns ids into text as they come, never emitting half of a UTF-8 character."""

    def __init__(self, pieces: Pieces, *, begun: bool = False) -> None:
        """`begun`: the ids go on with a text, rather than begin one."""
        self._pieces = pieces
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._first = pieces.lead != "kept" and not begun  # whether the beginning is still to come

    def push(self, id: int) -> str:
        """Text that became certain with this id (may be empty)."""
        raw = self._pieces.of(id)
        if self._first and raw:
            self._first = False
            raw = raw.lstrip(b" ") if self._pieces.lead == "first token" else raw.removeprefix(b" ")
        return self._utf8.decode(raw)

    def finish(self) -> str:
        """What is left at the end; an unfinished character becomes U+FFFD."""
        return self._utf8.decode(b"", final=True)


def pieces_of(backend: Backend, size: int, silent: set[int]) -> Pieces:
    """The pieces of ids 0 .. size-1; `silent` ids are no text. Raises ArtefactError for a decoder of another kind."""
    steps = _steps(backend)
    unknown = [step["type"] for step in steps if step["type"] not in _STEPS]
    if unknown or not steps:
        known = ", ".join(_STEPS)
        raise ArtefactError("this tokenizer decodes in a way that is not known", value=unknown, why=f"known: {known}")
    added = {id: token.content.encode() for id, token in backend.get_added_tokens_decoder().items()}
    decode = _token_decoder(steps)
    out = []
    for id in range(size):
        token = None if id in silent else backend.id_to_token(id)
        out.append(b"" if token is None else added[id] if id in added else decode(token))
    return Pieces(out, next((lead for step in steps if (lead := _lead(step)) != "kept"), "kept"))


def _steps(backend: Backend) -> list[dict[str, Any]]:
    """The decoder's steps, sequences unfolded."""
    if backend.decoder is None:
        return []
    decoder = json.loads(backend.decoder.__getstate__())
    queue, steps = [decoder], []
    while queue:
        step = queue.pop(0)
        queue = [*step["decoders"], *queue] if step["type"] == "Sequence" else queue
        steps += [] if step["type"] == "Sequence" else [step]
    return steps


def _byte_level(_: dict[str, Any]) -> Callable[[str], str | bytes]:
    alphabet = byte_alphabet()

    def decode(token: str) -> str | bytes:
        known = all(c in alphabet for c in token)
        return bytes(alphabet[c] for c in token) if known else token

    return decode


def _fallback(_: dict[str, Any]) -> Callable[[str], str | bytes]:
    def decode(token: str) -> str | bytes:
        found = _BYTE.fullmatch(token)
        return bytes([int(found[1], 16)]) if found else token

    return decode


def _replace(step: dict[str, Any]) -> Callable[[str], str | bytes]:
    pattern, content = step["pattern"], step["content"]
    if "String" in pattern:
        return lambda token: token.replace(pattern["String"], content)
    raise ArtefactError("this tokenizer decodes in a way that is not known", value=pattern)


def _metaspace(step: dict[str, Any]) -> Callable[[str], str | bytes]:
    return lambda token: token.replace(step["replacement"], " ")


def _unchanged(_: dict[str, Any]) -> Callable[[str], str | bytes]:
    return lambda token: token


_STEPS: dict[str, Callable[[dict[str, Any]], Callable[[str], str | bytes]]] = {
    "ByteLevel": _byte_level, "ByteFallback": _fallback, "Replace": _replace, "Metaspace": _metaspace,
    "Fuse": _unchanged, "Strip": _unchanged,
}  # fmt: skip


def _token_decoder(steps: list[dict[str, Any]]) -> Callable[[str], bytes]:
    made = [_STEPS[step["type"]](step) for step in steps]

    def decode(token: str) -> bytes:
        value: str | bytes = token
        for step in made:
            if isinstance(value, bytes):
                return value
            value = step(value)
        return value.encode() if isinstance(value, str) else value

    return decode


def _lead(step: dict[str, Any]) -> Lead:
    if step["type"] == "Strip" and step["content"] == " " and step["start"] == 1 and not step["stop"]:
        return "one space"
    return "first token" if step["type"] == "Metaspace" and step.get("prepend_scheme") != "never" else "kept"


def byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes: character -> byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(b): b for b in printable}
    rest = [b for b in range(256) if b not in set(printable)]
    return alphabet | {chr(256 + i): b for i, b in enumerate(rest)}
