"""A folder of safetensors files as one table of weights: looked up by name, read piece by piece, dequantised on the way.

Bytes are read into their place in the model, not through a memory map: mapped pages would count as this process's memory a
second time.

O rows out, I columns in
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from firesteel.core.errors import ArtefactError

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
INDEX = "model.safetensors.index.json"
PIECE = 1 << 24  # bytes of a tensor that are in memory beside its place in the model
QUANTISED = ("F8_E4M3", "F8_E5M2", "I8")
FLOATS, FP8 = ("F64", "F32", "F16", "BF16"), ("F8_E4M3", "F8_E5M2")
STORED = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.float8_e8m0fnu,
}  # fmt: skip
Span = tuple[int, int]


@dataclass(frozen=True)
class _Stored:
    """A tensor that has not been read: where its bytes are."""

    file: str
    handle: BinaryIO
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self, a: int, b: int, into: Tensor | None = None) -> Tensor:
        """Rows a..b (everything, of a scalar), into a contiguous tensor of their dtype and shape or a new one."""
        shape = (b - a, *self.shape[1:]) if self.shape else ()
        target = torch.empty(shape, dtype=STORED[self.dtype]) if into is None else into
        row = math.prod(self.shape[1:]) * target.element_size()
        view = target.view(-1).view(torch.uint8).numpy().data if target.numel() else memoryview(b"")
        got, at = 0, self.offset + a * row
        while got < len(view):
            n = os.preadv(self.handle.fileno(), [view[got:]], at + got)
            if n == 0:
                raise ArtefactError("a weights file is damaged", value=self.file, why="it ended early")
            got += n
        return target


class WeightFiles:
    """The tensors of a folder. Use as a context manager; every method raises ArtefactError for what cannot be read."""

    def __init__(
        self, folder: Path, quantisation: dict[str, Any] | None = None, *, names: tuple[str, ...] = ()
    ) -> None:
        self._stack = ExitStack()
        self._stored: dict[str, _Stored] = {}
        self.block = _block(quantisation)
        try:
            for file in [folder / name for name in names] or find_weights(folder):
                self._open(file)
        except BaseException:
            self._stack.close()
            raise
        self._scales = {key for name in self._stored if (key := self._scale_of(name)) in self._stored}

    def __enter__(self) -> WeightFiles:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _open(self, file: Path) -> None:
        """The library checks the file (lengths, overlaps, dtypes); what it found is then read where it is."""
        try:
            with safe_open(file, framework="pt") as checked:
                names = list(checked.keys())
            handle = self._stack.enter_context(file.open("rb"))
            size = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(size))
        except (SafetensorError, OSError, ValueError) as e:
            raise ArtefactError("a weights file is damaged", value=file, why=str(e)) from e
        for name in names:
            if name in self._stored:
                why = f"in {self._stored[name].file} and in {file.name}"
                raise ArtefactError("a tensor is there twice", value=name, why=why)
            entry = header[name]
            place = 8 + size + entry["data_offsets"][0]
            self._stored[name] = _Stored(file.name, handle, entry["dtype"], tuple(entry["shape"]), place)

    def _scale_of(self, name: str) -> str:
        """Where the scales of a quantised tensor stand; nothing for one that is not quantised."""
        kind = self._stored[name].dtype
        return name + ("_scale_inv" if kind in FP8 else "_scale") if kind in QUANTISED else ""

    def names(self) -> list[str]:
        """Every tensor but the scales of quantised ones."""
        return [name for name in self._stored if name not in self._scales]

    def shape(self, name: str) -> list[int]:
        """A tensor's shape."""
        return list(self._stored[name].shape)

    def dtype(self, name: str) -> torch.dtype:
        """The dtype that keeps a tensor's values: its own float type, bfloat16 for FP8, float32 for int8."""
        kind = self._stored[name].dtype
        return STORED[kind] if kind in FLOATS else torch.bfloat16 if kind in FP8 else torch.float32

    def fill(self, name: str, target: Tensor) -> None:
        """Copy a tensor into `target` (of its shape), in pieces of some megabytes, multiplied by its scales if it has any."""
        source = self._stored[name]
        scaled = source.dtype in QUANTISED
        if not scaled and source.dtype not in FLOATS:
            raise ArtefactError("a tensor has a number type that is not read here", value=name, why=source.dtype)
        scale = self._scale(name) if scaled else None
        straight = target.dtype == STORED[source.dtype] and target.is_contiguous() and target.device.type == "cpu"
        rows = self.block[0] if source.dtype in FP8 else 1
        for a, b in _spans(source.shape, STORED[source.dtype].itemsize, rows):
            place = target[a:b] if target.ndim else target
            if scale is None:
                source.read(a, b, into=place.detach()) if straight else place.copy_(source.read(a, b))
            elif source.dtype in FP8:
                place.copy_(unblock(source.read(a, b), scale[a // rows :], self.block))
            else:
                place.copy_(source.read(a, b).float() * scale[a:b])
            if not _finite(place):
                why = f"in {source.file}; read as {str(place.dtype).removeprefix('torch.')}"
                raise ArtefactError("a weight is not a finite number", value=name, why=why)

    def same(self, one: str, other: str) -> bool:
        """Whether two tensors hold the same numbers."""
        a, b = self._stored[one], self._stored[other]
        pieces = _spans(a.shape, STORED[a.dtype].itemsize, 1)
        return a.shape == b.shape and all(torch.equal(a.read(*p).float(), b.read(*p).float()) for p in pieces)

    def _scale(self, name: str) -> Tensor:
        """The scales of a quantised tensor, float32: [O, 1] for int8, one for each block for FP8."""
        kind, key = self._stored[name].dtype, self._scale_of(name)
        if key not in self._stored:
            raise ArtefactError("a quantised weight lacks its scale", value=name, why=f"there is no {key}")
        if self._stored[key].dtype not in (*FLOATS, "F8_E8M0"):
            raise ArtefactError(
                "scales have a number type that is not read here", value=key, why=self._stored[key].dtype
            )
        shape, found = self.shape(name), self.shape(key)
        blocks = [math.ceil(n / b) for n, b in zip(shape, self.block, strict=False)]
        wanted = blocks if kind in FP8 else [shape[0], 1]
        if found != wanted or len(shape) != 2:
            why = f"a weight of {shape} needs scales of {wanted}, the file has {found}"
            raise ArtefactError("the scales of a quantised weight do not fit it", value=key, why=why)
        return self._stored[key].read(0, found[0]).float()


def unblock(weight: Tensor, scale: Tensor, block: Span) -> Tensor:
    """weight [O, I] whose first row begins a block, scale [>= ceil(O/b), ceil(I/b)] -> float32 [O, I].

    DeepSeek-V3's storage of FP8: value = stored * weight_scale_inv of its block of 128 x 128 (README_WEIGHTS.md).
    """
    rows, columns = weight.shape
    wide = scale[: math.ceil(rows / block[0])].repeat_interleave(block[0], dim=0)[:rows]
    return weight.float() * wide.repeat_interleave(block[1], dim=1)[:, :columns]


def _finite(x: Tensor) -> bool:
    """Whether all numbers are finite: so is then their sum, which is one quick pass, unless it overflows."""
    return bool(torch.isfinite(x.sum()) or torch.isfinite(x).all())


def _spans(shape: tuple[int, ...], size: int, step: int) -> Iterator[Span]:
    """Rows a..b of a tensor in pieces of about PIECE bytes, each beginning at a multiple of `step`."""
    total = shape[0] if shape else 1
    row = math.prod(shape[1:]) * size
    rows = max(step, PIECE // max(row, 1) // step * step)
    for a in range(0, total, rows):
        yield a, min(a + rows, total)


def find_weights(folder: Path) -> list[Path]:
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
        assert all(isinstance(n, str) and Path(n).name == n and len(n) < 256 for n in names), (
            "a shard is not a file name"
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError, RecursionError) as e:
        raise ArtefactError("the index of the weights cannot be read", value=folder / INDEX, why=str(e)) from e
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        why = f"{len(missing)} of {len(names)} files"
        raise ArtefactError("shards of the weights are missing", value=", ".join(missing[:5]), why=why)
    return [folder / name for name in names]


def _block(quantisation: Any) -> Span:
    """The size of FP8 blocks. Raises ArtefactError for quantisations that are not read here."""
    if not quantisation or _int8_rows(quantisation):
        return (128, 128)
    said = quantisation if isinstance(quantisation, dict) else {}
    method, block = said.get("quant_method"), said.get("weight_block_size")
    if method != "fp8" or not block:
        why = "read here: DeepSeek's block-scaled FP8, and int8 with a scale a row"
        raise ArtefactError("the weights are quantised in another way", value=str(quantisation)[:200], why=why)
    if not (isinstance(block, list) and len(block) == 2 and all(type(n) is int and n > 0 for n in block)):
        raise ArtefactError("weight_block_size must be two positive numbers", value=block)
    return (block[0], block[1])


def _int8_rows(quantisation: Any) -> bool:
    """Whether this is compressed-tensors' int8 with one scale a row, which compress.quantise writes."""
    try:
        weights = [group["weights"] for group in quantisation["config_groups"].values()]
        how = {(w["num_bits"], w["type"], w["symmetric"], w["strategy"]) for w in weights}
        return quantisation["format"] == "int-quantized" and how == {(8, "int", True, "channel")}
    except (KeyError, TypeError, AttributeError):
        return False
