"""A folder of safetensors files as one table of weights: looked up by name, read piece by piece, dequantised on the way.

Reading goes through pread, not through a memory map: mapped pages would count as this process's memory a second time.

O rows out, I columns in
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from firesteel.core.errors import ArtefactError

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
INDEX = "model.safetensors.index.json"
PIECE = 1 << 24  # bytes of a tensor that are in memory beside its place in the model
SCALES = ("_scale_inv", "_scale")  # DeepSeek's block-scaled FP8; int8 rows of compressed-tensors
FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
FP8 = ("F8_E4M3", "F8_E5M2")
Span = tuple[int, int]


class WeightFiles:
    """The tensors of a folder. Use as a context manager; every method raises ArtefactError for what cannot be read."""

    def __init__(self, folder: Path, quantisation: dict[str, Any] | None = None) -> None:
        self._stack = ExitStack()
        self._slices: dict[str, Any] = {}  # name -> the library's handle on an unread tensor
        self.place: dict[str, str] = {}  # name -> file
        self.block = _block(quantisation)
        for file in _files(folder):
            self._open(file)
        scales = [f"{name}{end}" for name in self._slices for end in SCALES]
        self.scales = set(scales) & set(self._slices)

    def __enter__(self) -> WeightFiles:
        return self

    def __exit__(self, *exc: object) -> None:
        self._slices.clear()
        self._stack.close()

    def _open(self, file: Path) -> None:
        try:
            handle = self._stack.enter_context(safe_open(file, framework="pt", backend="pread"))
            for name in handle.keys():  # noqa: SIM118 - not a dict
                if name in self.place:
                    why = f"in {self.place[name]} and in {file.name}"
                    raise ArtefactError("a tensor is there twice", value=name, why=why)
                self.place[name], self._slices[name] = file.name, handle.get_slice(name)
        except (SafetensorError, OSError) as e:
            raise ArtefactError("a weights file is damaged", value=file, why=str(e)) from e

    def names(self) -> list[str]:
        """Every tensor but the scales of quantised ones."""
        return [name for name in self.place if name not in self.scales]

    def shape(self, name: str) -> list[int]:
        """A tensor's shape."""
        return list(self._slices[name].get_shape())

    def dtype(self, name: str) -> torch.dtype:
        """The dtype that keeps a tensor's values: its own float type, bfloat16 for FP8, float32 for int8."""
        kind = self._slices[name].get_dtype()
        return FLOATS.get(kind, torch.bfloat16 if kind in FP8 else torch.float32)

    def fill(self, name: str, target: Tensor) -> None:
        """Copy a tensor into `target` (of its shape), in pieces of some megabytes, multiplied by its scales if it has any."""
        source, kind = self._slices[name], self._slices[name].get_dtype()
        scaled = kind in FP8 or kind == "I8"
        if not scaled and kind not in FLOATS:
            raise ArtefactError("a tensor has a number type that is not read here", value=name, why=kind)
        scale = self._scale(name, kind) if scaled else None
        try:
            for a, b in _spans(self.shape(name), target.element_size(), self.block[0] if kind in FP8 else 1):
                piece = source[a:b] if target.ndim else source[...]
                if scale is None:
                    _place(target, a, b).copy_(piece)
                elif kind in FP8:
                    _place(target, a, b).copy_(unblock(piece, scale[a // self.block[0] :], self.block))
                else:
                    _place(target, a, b).copy_(piece.float() * scale[a:b])
        except (SafetensorError, OSError) as e:
            raise ArtefactError("a weights file is damaged", value=self.place[name], why=str(e)) from e

    def _scale(self, name: str, kind: str) -> Tensor:
        """The scales of a quantised tensor, float32: [O, 1] for int8, one for each block for FP8."""
        key = name + ("_scale_inv" if kind in FP8 else "_scale")
        if key not in self._slices:
            raise ArtefactError("a quantised weight lacks its scale", value=name, why=f"there is no {key}")
        shape, found = self.shape(name), self.shape(key)
        blocks = [math.ceil(n / b) for n, b in zip(shape, self.block, strict=False)]
        wanted = blocks if kind in FP8 else [shape[0], 1]
        if found != wanted or len(shape) != 2:
            why = f"a weight of {shape} needs scales of {wanted}, the file has {found}"
            raise ArtefactError("the scales of a quantised weight do not fit it", value=key, why=why)
        scale: Tensor = self._slices[key][:]
        return scale.float()


def unblock(weight: Tensor, scale: Tensor, block: Span) -> Tensor:
    """weight [O, I] whose first row begins a block, scale [>= ceil(O/b), ceil(I/b)] -> float32 [O, I].

    DeepSeek-V3's storage of FP8: value = stored * weight_scale_inv of its block of 128 x 128 (README_WEIGHTS.md).
    """
    rows, columns = weight.shape
    wide = scale[: math.ceil(rows / block[0])].repeat_interleave(block[0], dim=0)[:rows]
    return weight.float() * wide.repeat_interleave(block[1], dim=1)[:, :columns]


def _place(target: Tensor, a: int, b: int) -> Tensor:
    return target[a:b] if target.ndim else target


def _spans(shape: list[int], size: int, step: int) -> Iterator[Span]:
    """Rows a..b of a tensor in pieces of about PIECE bytes, each beginning at a multiple of `step`."""
    total = shape[0] if shape else 1
    row = math.prod(shape[1:]) * size
    rows = max(step, PIECE // max(row, 1) // step * step)
    for a in range(0, total, rows):
        yield a, min(a + rows, total)


def _files(folder: Path) -> list[Path]:
    """The folder's weight files: those of the index, or model.safetensors, or all there are. Pickles are refused."""
    if (folder / INDEX).is_file():
        return _indexed(folder)
    files = [folder / "model.safetensors"] if (folder / "model.safetensors").is_file() else []
    files = files or sorted(folder.glob("*.safetensors"))
    if files:
        return files
    pickled = sorted(p.name for p in folder.glob("*") if p.suffix in PICKLED)
    if pickled:
        why = f"pickled weights ({', '.join(pickled[:5])}) can run code when loaded and are refused"
        hint = "convert them to safetensors where you trust them, with transformers' save_pretrained"
        raise ArtefactError("no weights to load", value=folder, why=why, hint=hint)
    hint = "a model folder has config.json and *.safetensors"
    raise ArtefactError("no weights to load", value=folder, why="no *.safetensors", hint=hint)


def _indexed(folder: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        assert all(isinstance(name, str) and Path(name).name == name for name in names), "a shard is not a file name"
    except (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError) as e:
        raise ArtefactError("the index of the weights cannot be read", value=folder / INDEX, why=str(e)) from e
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        why = f"{len(missing)} of {len(names)} files"
        raise ArtefactError("shards of the weights are missing", value=", ".join(missing[:5]), why=why)
    return [folder / name for name in names]


def _block(quantisation: dict[str, Any] | None) -> Span:
    """The size of FP8 blocks. Raises ArtefactError for quantisations that are not read here."""
    if not quantisation:
        return (128, 128)
    method, form = quantisation.get("quant_method"), quantisation.get("format", "int-quantized")
    if method == "compressed-tensors" and form == "int-quantized":
        return (128, 128)
    block = quantisation.get("weight_block_size")
    if method != "fp8" or not block:
        why = "read here: DeepSeek's block-scaled FP8, and int8 with a scale a row"
        raise ArtefactError("the weights are quantised in another way", value=f"{method} {form}", why=why)
    if not (isinstance(block, list) and len(block) == 2 and all(isinstance(n, int) and n > 0 for n in block)):
        raise ArtefactError("weight_block_size must be two positive numbers", value=block)
    return (block[0], block[1])
