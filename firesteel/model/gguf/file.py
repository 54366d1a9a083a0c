"""Opening a GGUF file: its keys, and where each tensor's bytes lie. What cannot be read is refused by name.

The header is read here and not by the `gguf` package, whose reader believes every length in the file: a damaged or hostile
one makes it allocate without end. Format: ggml's docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from firesteel.core.errors import ArtefactError

READABLE = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q6_K")
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MAX_AXES = 4
MAX_HEADER = 1 << 26  # bytes; the largest vocabularies in use need a quarter of it


@dataclass(frozen=True)
class Stored:
    """One tensor in the file: its shape, outermost axis first, its number format, and the place of its bytes."""

    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    begin: int  # byte of the file

    def bytes_of(self, weights: int) -> int:
        """Bytes that hold so many weights, which are whole blocks of the number format."""
        block, size = GGML_QUANT_SIZES[self.kind]
        assert weights % block == 0
        return weights // block * size


@dataclass(frozen=True)
class GGUF:
    """An open file: its keys, and where its tensors are. read.py reads them."""

    path: Path
    keys: dict[str, Any]
    tensors: dict[str, Stored]
    size: int  # bytes

    def need(self, key: str) -> Any:
        """A key's value. Raises ArtefactError if the file lacks it."""
        if key not in self.keys:
            raise ArtefactError("the GGUF file lacks a key", value=key, why=f"in {self.path}")
        return self.keys[key]

    @property
    def architecture(self) -> Any:
        """What the file says it holds, such as `llama`."""
        return self.keys.get("general.architecture")


class _Cursor:
    """Reads forward through a file; whatever does not fit in it is an error before anything is allocated."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.at, self.end = file, 0, min(size, MAX_HEADER)

    def take(self, count: int) -> bytes:
        if count > self.end - self.at:
            raise ValueError(f"{count} bytes are announced at byte {self.at}, {self.end - self.at} are left")
        self.at += count
        found = self.file.read(count)
        if len(found) != count:
            raise ValueError(f"it became shorter while it was read, at byte {self.at}")
        return found

    def number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        return self.take(self.number("Q")).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind != ARRAY:
            raise ValueError(f"unknown kind of value: {kind}")
        inner, count = self.number("I"), self.number("Q")
        if inner in SCALARS:
            data = self.take(count * struct.calcsize(f"<{SCALARS[inner]}"))
            return list(struct.unpack(f"<{count}{SCALARS[inner]}", data))
        if inner != STRING or count > self.end:
            raise ValueError(f"{count} values of kind {inner} in an array")
        return [self.text() for _ in range(count)]


def open_gguf(path: Path | str) -> GGUF:
    """Open a GGUF file. Raises ArtefactError for damaged files and for number formats that are not read here."""
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as f:
            keys, places, start = _header(_Cursor(f, size))
        tensors = {name: _stored(name, size, start, *place) for name, place in places.items()}
    except FileNotFoundError as e:
        raise ArtefactError("no such file", value=path) from e
    except (OSError, ValueError, struct.error) as e:
        raise ArtefactError(
            "the GGUF file cannot be read", value=path, why=str(e), hint="fetch or make it again"
        ) from e
    if keys.get("split.count", 0) not in (0, 1):
        hint = "join the parts with llama.cpp's llama-gguf-split --merge"
        raise ArtefactError(
            "this is one part of a model", value=path, why="its other parts are in other files", hint=hint
        )
    return GGUF(path, keys, tensors, size)


def _header(c: _Cursor) -> tuple[dict[str, Any], dict[str, tuple[list[int], int, int]], int]:
    """Keys, (shape, kind, offset) of each tensor, and where the tensors' bytes begin."""
    if c.take(4) != b"GGUF":
        raise ValueError("it does not begin with 'GGUF'")
    version, tensors, pairs = c.number("I"), c.number("Q"), c.number("Q")
    if version not in VERSIONS:
        raise ValueError(f"version {version}; readable: {', '.join(map(str, VERSIONS))}")
    if max(tensors, pairs) > c.end:
        raise ValueError(f"{tensors} tensors and {pairs} keys are announced")
    keys = {}
    for _ in range(pairs):
        name = c.text()
        keys[name] = c.value(c.number("I"))
    places = {}
    for _ in range(tensors):
        name, axes = c.text(), c.number("I")
        if axes > MAX_AXES or name in places:
            raise ValueError(f"tensor '{name}' has {axes} axes, or is there twice")
        shape = [c.number("Q") for _ in range(axes)]
        places[name] = (shape[::-1], c.number("I"), c.number("Q"))  # the file counts the innermost axis first
    alignment = keys.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"alignment {alignment!r}")
    return keys, places, -(-c.at // alignment) * alignment


def _stored(name: str, size: int, start: int, shape: list[int], number: int, offset: int) -> Stored:
    """A tensor's place, checked against the file's size."""
    kind = GGMLQuantizationType(number)
    if kind.name not in READABLE:
        hint = "take a file of a readable kind, or convert it with llama.cpp's llama-quantize"
        why = f"tensor '{name}'; readable: {', '.join(READABLE)}"
        raise ArtefactError("unreadable number format in the GGUF file", value=kind.name, why=why, hint=hint)
    if not shape or shape[-1] % GGML_QUANT_SIZES[kind][0]:
        raise ValueError(f"the {kind.name} tensor '{name}' has the shape {shape}")
    found = Stored(tuple(shape), kind, start + offset)
    over = found.begin + found.bytes_of(math.prod(shape)) - size
    if over > 0:
        raise ValueError(f"the tensor '{name}' of shape {shape} ends {over} bytes after the file")
    return found
