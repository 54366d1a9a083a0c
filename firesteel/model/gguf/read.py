"""Reading the tensors of a GGUF file piece by piece, straight into the model's own weights.

No more than a piece is held beside them, whatever the file's size: nothing is mapped, no tensor is read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from torch import Tensor

from firesteel.core.errors import ArtefactError
from firesteel.model.gguf.file import GGUF, Stored

PIECE = 1 << 18  # weights of a piece: 1 MiB as float32, a few times that while it is dequantised


def read_into(file: BinaryIO, stored: Stored, target: Tensor, offset: int = 0) -> None:
    """Dequantise a tensor, or the part of it from byte `offset` on, into `target`: a view in the file's order, any float."""
    vector = len(stored.shape) == 1
    assert vector or target.shape[-1] == stored.shape[-1], "blocks lie along rows"
    at = stored.begin + offset
    for piece in [target] if vector else _pieces(target):
        count = stored.bytes_of(piece.numel())
        floats = dequantise(_exactly(file, at, count), stored.kind)
        piece.copy_(torch.from_numpy(floats).view(piece.shape))
        at += count


def dequantise(data: bytes, kind: GGMLQuantizationType) -> np.ndarray:
    """Blocks of a number format to float32 [weights]."""
    with np.errstate(over="ignore", invalid="ignore"):  # damaged scales are the file's business, not numpy's
        found = dequantize(np.frombuffer(data, np.uint8), kind)
    return np.array(found, dtype=np.float32).reshape(-1)  # a copy: torch wants memory that may be written


def read_vector(file: GGUF, name: str) -> Tensor:
    """A small tensor, float32 [weights]."""
    stored = file.tensors[name]
    target = torch.empty(stored.shape)
    with file.path.open("rb") as f:
        read_into(f, stored, target)
    return target.flatten()


def _pieces(target: Tensor) -> Iterator[Tensor]:
    """Parts of at most PIECE elements (or one row), whole along every axis but one, in the file's order."""
    if target.ndim == 1 or target.numel() <= PIECE:
        yield target
        return
    each = target[0].numel()
    if each > PIECE:
        for part in target:
            yield from _pieces(part)
    else:
        yield from target.split(max(1, PIECE // each))


def _exactly(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    data = file.read(count)
    if len(data) != count:
        raise ArtefactError("the GGUF file cannot be read", value=file.name, why="it became shorter while it was read")
    return data
