"""The output of a response: items that grow with what the model says, and the event of each change.

Order of events: output_item.added, content_part.added, deltas, done for each of them in turn. A call has no parts. Items follow
one another; only the last one is ever open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from firesteel.serve.openai.reply import CallDelta, Delta
from firesteel.serve.openai.responses.items import PREFIXES, new_id, output_text

Change = dict[str, Any]  # an event without its sequence number; it shares nothing with the items, which go on growing


class _Open:
    """An item that is still growing: a thought, a message or a call."""

    def __init__(self, kind: str, call: CallDelta | None = None) -> None:
        self.kind, self.call, self.id = kind, call, new_id(PREFIXES[kind])
        self._pieces: list[str] = []
        self._logprobs: list[dict[str, Any]] = []

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(self._pieces)

    def push(self, text: str, logprobs: list[dict[str, Any]]) -> None:
        """Take what was said."""
        self._pieces.append(text)
        self._logprobs += logprobs

    def part(self) -> dict[str, Any]:
        """Its one part of content, as it stands."""
        if self.kind == "message":
            return output_text(self.text, list(self._logprobs))
        return {"type": "reasoning_text", "text": self.text}

    def item(self, status: str, *, filled: bool = True) -> dict[str, Any]:
        """As it stands; not `filled`: before anything was said."""
        own = {"id": self.id, "type": self.kind, "status": status}
        if self.call is not None:
            arguments = self.text if filled else ""
            return own | {"call_id": self.call.id, "name": self.call.name, "arguments": arguments}
        kind: dict[str, Any] = {"role": "assistant"} if self.kind == "message" else {"summary": []}
        return own | kind | {"content": [self.part()] if filled else []}

    def logprobs(self, entries: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """The field `logprobs` of the events of text; others have none."""
        return {"logprobs": list(self._logprobs if entries is None else entries)} if self.kind == "message" else {}


class Output:
    """The items of one response. `items` are complete once `finish` has run."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._open: _Open | None = None
        self._index = -1  # of the call that is open, in its reply

    def push(self, delta: Delta) -> Iterator[Change]:
        """Take what the model let out."""
        if delta.reasoning:
            yield from self._say("reasoning", delta.reasoning, [])
        if delta.answer or delta.logprobs:
            yield from self._say("message", delta.answer, delta.logprobs)
        for call in delta.calls:
            yield from self._call(call)

    def finish(self, status: str) -> Iterator[Change]:
        """End it; what is open ends with `status`. A complete answer that says and calls nothing is an empty message."""
        said = any(item["type"] != "reasoning" for item in self.items)
        if status == "completed" and not said and (self._open is None or self._open.kind == "reasoning"):
            yield from self._begin(_Open("message"))
        yield from self._end(status)

    def _say(self, kind: str, text: str, logprobs: list[dict[str, Any]]) -> Iterator[Change]:
        if self._open is None or self._open.kind != kind:
            yield from self._begin(_Open(kind))
        item = self._open
        assert item is not None
        item.push(text, logprobs)
        name = "output_text" if kind == "message" else "reasoning_text"
        yield self._change(f"{name}.delta", content_index=0, delta=text, **item.logprobs(logprobs))

    def _call(self, call: CallDelta) -> Iterator[Change]:
        if self._open is None or self._open.call is None or call.index != self._index:
            self._index = call.index
            yield from self._begin(_Open("function_call", call))
        if call.arguments:
            assert self._open is not None
            self._open.push(call.arguments, [])
            yield self._change("function_call_arguments.delta", delta=call.arguments)

    def _begin(self, item: _Open) -> Iterator[Change]:
        yield from self._end("completed")
        self._open = item
        empty = item.item("in_progress", filled=False)
        yield {"type": "response.output_item.added", "output_index": len(self.items), "item": empty}
        if item.call is None:
            yield self._change("content_part.added", content_index=0, part=item.part())

    def _end(self, status: str) -> Iterator[Change]:
        item = self._open
        if item is None:
            return
        if item.call is not None:
            yield self._change("function_call_arguments.done", name=item.call.name, arguments=item.text)
        else:
            name = "output_text" if item.kind == "message" else "reasoning_text"
            yield self._change(f"{name}.done", content_index=0, text=item.text, **item.logprobs())
            yield self._change("content_part.done", content_index=0, part=item.part())
        done = item.item(status)
        yield {"type": "response.output_item.done", "output_index": len(self.items), "item": done}
        self.items.append(done)
        self._open = None

    def _change(self, event: str, **fields: Any) -> Change:
        assert self._open is not None
        return {"type": f"response.{event}", "item_id": self._open.id, "output_index": len(self.items), **fields}
