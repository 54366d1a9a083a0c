"""Opening a GGUF file: its keys, and its tensors dequantised when asked for. What cannot be read is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize
from torch import Tensor

from firesteel.core.errors import ArtefactError
from firesteel.model.gguf_layout import ARCHITECTURE

READABLE = ("F32", "F16", "BF16", "Q8_0")


@dataclass(frozen=True)
class GGUF:
    """An open file: its keys, and its tensors in float32, read when asked for."""

    path: Path
    keys: dict[str, Any]
    tensors: dict[str, Callable[[], Tensor]]

    def need(self, key: str) -> Any:
        """A key's value. Raises ArtefactError if the file lacks it."""
        if key not in self.keys:
            raise ArtefactError("the GGUF file lacks a key", value=key, why=f"in {self.path}")
        return self.keys[key]


def open_gguf(path: Path | str) -> GGUF:
    """Open a GGUF file of our architecture. Raises ArtefactError for damaged files and whatever else it may hold."""
    path = Path(path)
    try:
        reader = GGUFReader(path)
        keys = {name: field.contents() for name, field in reader.fields.items()}
    except FileNotFoundError as e:
        raise ArtefactError("no such file", value=path) from e
    except Exception as e:  # the reader trusts the file: any error may come out of a damaged one
        raise ArtefactError("the GGUF file cannot be read", value=path, why=f"{type(e).__name__}: {e}") from e
    architecture = keys.get("general.architecture")
    if architecture != ARCHITECTURE:
        why = f"only '{ARCHITECTURE}' (DeepSeek-V2, V3 and their kin) can be read"
        raise ArtefactError("this GGUF file holds another architecture", value=architecture, why=why)
    kinds = sorted({t.tensor_type.name for t in reader.tensors} - set(READABLE))
    if kinds:
        hint = "take a file of a readable kind, or convert it with llama.cpp's llama-quantize"
        raise ArtefactError(
            "unreadable number formats", value=", ".join(kinds), why=f"readable: {', '.join(READABLE)}", hint=hint
        )
    return GGUF(path, keys, {t.name: _loader(t) for t in reader.tensors})


def _loader(tensor: Any) -> Callable[[], Tensor]:
    def load() -> Tensor:
        shape = [int(n) for n in reversed(tensor.shape)]  # GGUF counts the innermost axis first
        kind = GGMLQuantizationType(tensor.tensor_type)
        floats = dequantize(tensor.data, kind).astype(np.float32)
        return torch.from_numpy(floats.reshape(shape).copy())

    return load
