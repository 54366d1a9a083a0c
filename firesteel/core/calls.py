"""Tool calls in a reply, found while it comes: text in, text without calls and pieces of calls out.

One parser for every format. However a reply is cut into pieces, text and calls are the same. What looked like a call and is
none (broken JSON, a tool that nobody offered) comes out as text without its markup, so that nothing is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firesteel.core.call_formats import FORMATS, HEAD, OWN, CallFormat, Schemas
from firesteel.core.chat_template import Message
from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer

_MARK = 0xDC00  # lone surrogates: no decoded text can hold one, so they stand for the tokens of the markup


@dataclass(frozen=True)
class CallDelta:
    """A piece of a tool call: `id` and `name` once, at its beginning; `arguments` are a fragment of their JSON text."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class CallParser:
    """One reply. `schemas` are the tools on offer; `marks` says what stands for a marker that is a token (`marks_of`).

    `eager`: a grammar holds the calls, so the beginning of one may leave before its end is known. Else each leaves whole.
    """

    def __init__(
        self, format: CallFormat, schemas: Schemas, new_id: Callable[[], str], *, marks: Mapping[str, str] | None = None,
        eager: bool = False,
    ) -> None:  # fmt: skip
        self.begun = self.closed = 0  # calls
        self._format, self._schemas, self._new_id = format, schemas, new_id
        self._eager = eager and format.json
        spelled = {literal: (marks or {}).get(literal, literal) for literal in format.markers}
        self._literal = {spelling: literal for literal, spelling in spelled.items()}
        self._begin, self._end = spelled[format.begin], spelled.get(format.end, "")
        self._inner = {spelled[literal] for literal in format.inner}
        self._buffer, self._blank = "", ""  # what is not decided yet; blanks that may turn out to stand before a call
        self._inside, self._fresh = False, format.bare
        self._after = False  # nothing has been said since a call
        self._scan: _Scan | None = None  # of arguments that leave while they come
        self._out: list[str] = []
        self._calls: list[CallDelta] = []

    @property
    def clear(self) -> bool:
        """Whether nothing is held back."""
        return not (self._inside or self._buffer or self._blank)

    def push(self, text: str) -> tuple[str, list[CallDelta]]:
        """Take text of the answer; text and pieces of calls that became certain."""
        self._buffer += text
        while self._inner_step() if self._inside else self._outer_step():
            pass
        return self._taken()

    def finish(self) -> tuple[str, list[CallDelta]]:
        """What is left at the end."""
        if self._inside:
            self._close(self._buffer)
        else:
            self._say(self._buffer)
        self._buffer, self._inside = "", False
        if not self.begun:
            self._out.append(self._blank)
        self._blank = ""
        return self._taken()

    def _taken(self) -> tuple[str, list[CallDelta]]:
        out, calls = "".join(self._out), self._calls
        self._out, self._calls = [], []
        return out, calls

    def _outer_step(self) -> bool:
        """Text up to the next marker. False: more is needed."""
        if self._fresh:
            seen = self._buffer.lstrip()
            self._fresh = not seen
            if seen.startswith("{"):
                self._blank = self._buffer[: len(self._buffer) - len(seen)]
                self._inside, self._buffer = True, seen
                return True
            if not seen:
                return False
        at, marker = self._find(set(self._literal))
        if marker:
            self._say(self._buffer[:at])
            self._buffer = self._buffer[at + len(marker) :]
            self._inside = marker == self._begin
            return True
        keep = self._partial()
        self._say(self._buffer[: len(self._buffer) - keep])
        self._buffer = self._buffer[len(self._buffer) - keep :]
        return False

    def _inner_step(self) -> bool:
        """A call, up to the marker that ends it. False: more is needed."""
        if self._scan is not None:
            return self._arguments(self._scan)
        if self._eager and self._head():
            return True
        at, marker = self._find(set(self._literal) - self._inner)
        if not marker:
            return False
        self._close(self._buffer[:at])
        self._buffer = self._buffer[at + len(marker) :]
        self._inside = marker == self._begin
        return True

    def _head(self) -> bool:
        """Whether a call of a known tool has begun, whose arguments may leave."""
        head = HEAD.match(self._buffer)
        if not head:
            return False
        try:
            name = json.loads(head[1])
        except ValueError:
            return False
        if name not in self._schemas:
            return False
        self._open(name, "")
        self._buffer, self._scan = self._buffer[head.end() :], _Scan()
        return True

    def _arguments(self, scan: _Scan) -> bool:
        if scan.done:
            at, marker = self._find(set(self._literal) - self._inner)
            if marker:
                self._close(self._buffer[:at])
                self._buffer, self._inside = self._buffer[at + len(marker) :], marker == self._begin
            return bool(marker)
        n = scan.take(self._buffer)
        if n:
            self._calls.append(CallDelta(self.begun - 1, arguments=self._buffer[:n]))
            self._buffer = self._buffer[n:]
        self.closed += scan.done
        return scan.done

    def _close(self, raw: str) -> None:
        """What stood inside is complete."""
        if self._scan is not None:
            rest = raw.strip().removeprefix("}") if self._scan.done else ""
            self._scan = None
            return self._say(rest)
        for spelling in self._inner:
            raw = raw.replace(spelling, self._literal[spelling])
        calls = self._format.read(raw, self._schemas)
        if not calls or any(call.name not in self._schemas for call in calls):
            for literal in self._format.inner:
                raw = raw.replace(literal, "")
            return self._say(raw)
        for call in calls:
            self._open(call.name, call.arguments)
            self.closed += 1

    def _open(self, name: str, arguments: str) -> None:
        self._calls.append(CallDelta(self.begun, self._new_id(), name, arguments))
        self.begun += 1
        self._blank, self._after = "", True

    def _say(self, text: str) -> None:
        """Text that is no call. Blanks wait: those around calls are the template's."""
        if self._format.exact:
            self._out.append(text)
            return
        text = self._blank + text
        text = text.lstrip() if self._after else text
        kept = text.rstrip()
        self._after = self._after and not kept
        self._blank = text[len(kept) :]
        self._out.append(kept)

    def _find(self, markers: set[str]) -> tuple[int, str]:
        """The first of these markers in the buffer, and where it stands."""
        found = [(at, marker) for marker in markers if (at := self._buffer.find(marker)) >= 0]
        return min(found, default=(-1, ""))

    def _partial(self) -> int:
        """Length of the longest end of the buffer that may become a marker."""
        longest = min(max(map(len, self._literal)) - 1, len(self._buffer))
        return next(
            (n for n in range(longest, 0, -1) if any(m.startswith(self._buffer[-n:]) for m in self._literal)), 0
        )


class _Scan:
    """Where a JSON table ends, while it comes."""

    def __init__(self) -> None:
        self.done = False
        self._depth, self._quoted, self._escaped = 0, False, False

    def take(self, text: str) -> int:
        """How many characters of the text belong to the table; a marker's token ends it too."""
        for i, c in enumerate(text):
            if _MARK <= ord(c) < _MARK + 0x100:
                self.done = True
                return i
            if self._quoted:
                self._quoted = c != '"' or self._escaped
                self._escaped = c == "\\" and not self._escaped
                continue
            self._quoted = c == '"'
            self._depth += (c in "{[") - (c in "}]")
            if self._depth == 0:
                self.done = True
                return i + 1
        return len(text)


def marks_of(format: CallFormat, tokenizer: Tokenizer) -> dict[int, str]:
    """Token id -> character that stands for it, for the markers that are tokens. Their text, spelled out, is then text."""
    added = {token.content: id for id, token in tokenizer.backend.get_added_tokens_decoder().items()}
    return {added[marker]: chr(_MARK + i) for i, marker in enumerate(format.markers) if marker in added}


def format_of(tokenizer: Tokenizer) -> CallFormat | None:
    """The format of a model's calls: that in which the call its template draws can be read back. None if there is none."""
    if tokenizer.own:
        return OWN if tokenizer.call_id is not None else None
    drawn = _drawn_call(tokenizer)
    return next((format for format in FORMATS if _reads(format, drawn)), None) if drawn else None


_PROBE = "probe_tool"
_ARGUMENTS = {"probe_key": "probe value"}


def _reads(format: CallFormat, text: str) -> bool:
    parser = CallParser(format, {_PROBE: {}}, lambda: "")
    calls = parser.push(text)[1] + parser.finish()[1]
    return [(c.name, json.loads(c.arguments)) for c in calls] == [(_PROBE, _ARGUMENTS)]


def _drawn_call(tokenizer: Tokenizer) -> str:
    """What the template makes of an assistant's call, without what ends the turn; empty if it refuses."""
    template = tokenizer.template
    if template is None or not template.knows("tools") or not template.knows("tool_calls"):
        return ""
    tool = {"type": "function", "function": {"name": _PROBE, "description": "", "parameters": {"type": "object"}}}
    template = template.with_tools([tool])
    asked: Message = {"role": "user", "content": "probe question"}
    ends = [token for id in tokenizer.stop_ids if (token := tokenizer.backend.id_to_token(id))]
    for arguments in (_ARGUMENTS, json.dumps(_ARGUMENTS)):  # DeepSeek's templates take them as text
        function: dict[str, Any] = {"name": _PROBE, "arguments": arguments}
        call = {"id": "probecall", "type": "function", "function": function}
        messages: list[Message] = [asked, {"role": "assistant", "content": "", "tool_calls": [call]}]
        try:
            text = template.draw(messages, template.marks(messages, [tool]), add_generation_prompt=False)
            before = template.draw([asked], template.marks([asked], [tool]), add_generation_prompt=True)
        except UserError:
            continue
        text = text[len(before) :] if text.startswith(before) else text.rpartition("probe question")[2]
        return re.split("|".join(map(re.escape, ends)), text, maxsplit=1)[0] if ends else text
    return ""
