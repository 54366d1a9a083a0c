"""The keys of a GGUF file that describe its model, read with their types and counted: none is passed over unread."""

from __future__ import annotations

from typing import Any

import numpy as np

from firesteel.core.errors import ArtefactError
from firesteel.model.gguf.file import GGUF

MAX_SIZE = 1 << 31  # of any other count; more is damage
HARMLESS = ("vocab_size", "tensor_data_layout", "rope.scaling.finetuned")  # keys that say nothing about the computation


class Keys:
    """The keys of one architecture, typed and without its prefix. Remembers which were asked for."""

    def __init__(self, file: GGUF) -> None:
        self.file, self.prefix, self.asked = file, f"{file.architecture}.", set(HARMLESS)

    def _value(self, name: str, default: Any) -> Any:
        self.asked.add(name)
        found = self.file.keys.get(self.prefix + name, default)
        if found is None:
            return self.file.need(self.prefix + name)
        if isinstance(found, list) and found and all(one == found[0] for one in found):
            return found[0]  # one value a layer, and all the same
        return found

    def whole(self, name: str, default: int | None = None) -> int:
        """A count. Raises ArtefactError if it is missing without a default, no count, or different in every layer."""
        found = self._value(name, default)
        if not isinstance(found, int) or not 0 <= found < MAX_SIZE:
            raise unsupported(self.prefix + name, found, "a count was expected, the same in every layer")
        return int(found)

    def text(self, name: str, default: str) -> str:
        """A word. Raises ArtefactError if it is none."""
        found = self._value(name, default)
        if not isinstance(found, str):
            raise unsupported(self.prefix + name, found, "a word was expected")
        return found

    def real(self, name: str, default: float | None = None) -> float:
        """A number, as the decimal that was rounded to the file's float32: 1e-05, not 9.999999747378752e-06."""
        found = self._value(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or not np.isfinite(found):
            raise unsupported(self.prefix + name, found, "a number was expected")
        return float(str(np.float32(found)))

    def has(self, name: str) -> bool:
        """Whether the file has the key."""
        return self.prefix + name in self.file.keys

    def refuse_the_rest(self) -> None:
        """Raise ArtefactError for a key that nobody asked for: it may change what is to be computed. Zeros mean "off"."""
        for key, value in self.file.keys.items():
            name = key.removeprefix(self.prefix)
            if key.startswith(self.prefix) and name not in self.asked and value not in (0, "", "none", []):
                shown = value if not isinstance(value, list) else f"{len(value)} values"
                raise unsupported(key, shown, "this version does not know what the key asks for")


def unsupported(name: str, value: Any, why: str) -> ArtefactError:
    """The error for a key or tensor that asks for what is not computed here."""
    return ArtefactError("this model's architecture is not supported", value=f"{name} = {value!r}", why=why)
