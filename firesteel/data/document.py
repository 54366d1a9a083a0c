"""The one noun of this room: a document, and a document that a rule dropped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Document:
    """A piece of text with where it came from; `id` depends on source and position only, not on the text."""

    id: str
    text: str
    source: str  # "label/relative/path"; never an absolute path of the machine that read it
    licence: str
    meta: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The document as one JSON line of a `documents` artefact."""
        return {"id": self.id, "text": self.text, "source": self.source, "licence": self.licence, "meta": self.meta}


@dataclass(slots=True)
class Dropped:
    """A document that was left out, with the rule that said so and the value it judged by."""

    document: Document
    rule: str
    value: float | str

    def record(self) -> dict[str, Any]:
        """The dropped document as one JSON line of `dropped/`."""
        return self.document.record() | {"rule": self.rule, "value": self.value}


def document_id(source: str, position: str) -> str:
    """Stable 16-hex identity of the `position`-th piece of `source`."""
    return hashlib.blake2b(f"{source}\0{position}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
