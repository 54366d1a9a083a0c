"""Responses that may be asked for again: in memory, bounded, each for its owner alone."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from firesteel.serve.openai.faults import to_json
from firesteel.serve.openai.responses.items import Record

MOST = 1000  # responses kept
MOST_BYTES = 64 << 20  # of their JSON, with the conversations before them


@dataclass(frozen=True)
class Kept:
    """One response and all that was said before it, as JSON: small, and nobody can change it."""

    owner: str
    response: bytes
    input: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.response) + len(self.input)

    def before(self) -> list[Record]:
        """The items that it answered, oldest first: earlier turns and its own input."""
        return list(json.loads(self.input))

    def conversation(self) -> list[Record]:
        """The items up to and with its answer."""
        return self.before() + list(json.loads(self.response)["output"])


class Store:
    """Keeps the newest responses. Whole conversations are kept with each: deleting one takes nothing from those after it."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, owner: str, response: dict[str, Any], before: list[Record]) -> None:
        """Keep a response; the oldest make room. One that is too large for all of it is not kept."""
        kept = Kept(owner, to_json(response), to_json(before))
        if kept.size > self._most_bytes:
            return
        self._kept[response["id"]] = kept
        self.bytes += kept.size
        while len(self._kept) > self._most or self.bytes > self._most_bytes:
            self.bytes -= self._kept.popitem(last=False)[1].size

    def get(self, id: str, owner: str) -> Kept | None:
        """A response, if it is the owner's."""
        kept = self._kept.get(id)
        return kept if kept is not None and kept.owner == owner else None

    def delete(self, id: str, owner: str) -> bool:
        """Forget a response; whether there was one of the owner's."""
        kept = self.get(id, owner)
        if kept is not None:
            self.bytes -= self._kept.pop(id).size
        return kept is not None
