"""Opening a GGUF file: its keys, and its tensors dequantised when asked for. What cannot be read is refused by name.

The header is read here and not by the `gguf` package, whose reader believes every length in the file: a damaged or hostile
one makes it allocate without end. Format: ggml's docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize
from torch import Tensor

from firesteel.core.errors import ArtefactError
from firesteel.model.gguf_layout import ARCHITECTURE

READABLE = ("F32", "F16", "BF16", "Q8_0")
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MAX_AXES = 4


@dataclass(frozen=True)
class GGUF:
    """An open file: its keys, and its tensors in float32, read when asked for."""

    path: Path
    keys: dict[str, Any]
    tensors: dict[str, Callable[[], Tensor]]
    size: int  # bytes

    def need(self, key: str) -> Any:
        """A key's value. Raises ArtefactError if the file lacks it."""
        if key not in self.keys:
            raise ArtefactError("the GGUF file lacks a key", value=key, why=f"in {self.path}")
        return self.keys[key]


class _Cursor:
    """Reads forward through bytes; whatever does not fit in them is an error before anything is allocated."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> memoryview:
        if count > len(self.data) - self.at:
            raise ValueError(f"{count} bytes are announced at byte {self.at}, {len(self.data) - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        return bytes(self.take(self.number("Q"))).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind != ARRAY:
            raise ValueError(f"unknown kind of value: {kind}")
        inner, count = self.number("I"), self.number("Q")
        if inner in SCALARS:
            size = struct.calcsize(f"<{SCALARS[inner]}")
            return list(struct.unpack(f"<{count}{SCALARS[inner]}", self.take(count * size)))
        if inner != STRING or count > len(self.data):
            raise ValueError(f"{count} values of kind {inner} in an array")
        return [self.text() for _ in range(count)]


def open_gguf(path: Path | str) -> GGUF:
    """Open a GGUF file of our architecture. Raises ArtefactError for damaged files and for whatever else it may hold."""
    path = Path(path)
    try:
        with path.open("rb") as f:
            data = memoryview(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ))
        keys, places, start = _header(_Cursor(data))
        architecture = keys.get("general.architecture")
        if architecture != ARCHITECTURE:
            why = f"only '{ARCHITECTURE}' (DeepSeek-V2, V3 and their kin) can be read"
            raise ArtefactError("this GGUF file holds another architecture", value=architecture, why=why)
        return GGUF(path, keys, {name: _loader(data, start, *place) for name, place in places.items()}, len(data))
    except FileNotFoundError as e:
        raise ArtefactError("no such file", value=path) from e
    except (OSError, ValueError, struct.error) as e:
        raise ArtefactError(
            "the GGUF file cannot be read", value=path, why=str(e), hint="fetch or make it again"
        ) from e


def _header(c: _Cursor) -> tuple[dict[str, Any], dict[str, tuple[list[int], int, int]], int]:
    """Keys, (shape, kind, offset) of each tensor, and where the tensors' bytes begin."""
    if bytes(c.take(4)) != b"GGUF":
        raise ValueError("it does not begin with 'GGUF'")
    version, tensors, pairs = c.number("I"), c.number("Q"), c.number("Q")
    if version not in VERSIONS:
        raise ValueError(f"version {version}; readable: {', '.join(map(str, VERSIONS))}")
    if max(tensors, pairs) > len(c.data):
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


def _loader(data: memoryview, start: int, shape: list[int], number: int, offset: int) -> Callable[[], Tensor]:
    """Checks a tensor's place now, reads and dequantises it when called."""
    kind = GGMLQuantizationType(number)
    if kind.name not in READABLE:
        hint = "take a file of a readable kind, or convert it with llama.cpp's llama-quantize"
        why = f"readable: {', '.join(READABLE)}"
        raise ArtefactError("unreadable number format in the GGUF file", value=kind.name, why=why, hint=hint)
    block, size = GGML_QUANT_SIZES[kind]
    if not shape or shape[-1] % block:
        raise ValueError(f"a {kind.name} tensor has the shape {shape}")
    row = shape[-1] // block * size
    count, begin = math.prod(shape[:-1]) * row, start + offset
    if begin + count > len(data):
        raise ValueError(f"a tensor of shape {shape} ends {begin + count - len(data)} bytes after the file")

    def load() -> Tensor:
        rows = np.frombuffer(data[begin : begin + count], np.uint8).reshape(-1, row)
        return torch.from_numpy(dequantize(rows, kind).astype(np.float32).reshape(shape).copy())

    return load
