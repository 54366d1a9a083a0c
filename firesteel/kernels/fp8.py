"""Block-scaled FP8: E4M3 values, and one float32 scale for every tile of them (DeepSeek-V3 report §3.3.2).

Activations and their gradients are scaled by tiles of 128 elements along the contracted axis, weights by blocks of
128 x 128, each by its largest magnitude now (no history). Products of the scaled values in float32 model FP8 products
that are summed in float32.

A, B rows and columns; a, b those of a tile
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTH = 128  # elements that share a scale
ROW, COLUMN, BLOCK = (1, WIDTH), (WIDTH, 1), (WIDTH, WIDTH)  # tiles: rows and columns
LARGEST = 448.0  # of E4M3
FLOOR = 1e-4  # smallest magnitude that activations and weights are scaled for
# Gradients have no such floor: they are shares of a mean over all tokens of a step, far below it in a large batch
GRADIENT_FLOOR = 1e-30


class Quantised(NamedTuple):
    """A matrix [A, B] as E4M3 values by tiles, padded with zeros, and their scales: value times scale is the number."""

    values: Tensor  # [A/a, a, B/b, b] float8_e4m3fn
    scales: Tensor  # [A/a, 1, B/b, 1] float32

    def dequantised(self, rows: int, columns: int) -> Tensor:
        """The matrix [rows, columns] in float32, without the padding."""
        tall, a, wide, b = self.values.shape
        full = _widened(self.values, self.scales).view(tall * a, wide * b)
        return full[:rows, :columns]


def quantise(x: Tensor, tile: tuple[int, int], *, floor: float = FLOOR, powers: bool = False) -> Quantised:
    """x [A, B] to E4M3 with s = max(amax, floor) / 448 of each tile (DeepSeek-V3's kernel.py); no number stays no number.

    `powers`: scales are powers of two, rounded up (UE8M0), so that scaling again along the other axis rounds less.
    """
    a, b = tile
    A, B = x.shape
    x = F.pad(x, (0, -B % b, 0, -A % a)) if A % a or B % b else x
    tiles = x.float().reshape(-(-A // a), a, -(-B // b), b)
    scales = scale_of(tiles.abs().amax(dim=(1, 3), keepdim=True), floor, powers)
    return Quantised((tiles / scales).to(torch.float8_e4m3fn), scales)


def rounded(x: Tensor, tile: tuple[int, int], *, floor: float = FLOOR, powers: bool = False) -> Tensor:
    """What is left of x [A, B] after FP8, in float32."""
    return quantise(x, tile, floor=floor, powers=powers).dequantised(*x.shape)


def scale_of(amax: Tensor, floor: float, powers: bool) -> Tensor:
    """Scales of tiles whose largest magnitudes are `amax` (float32)."""
    scales = amax.clamp(min=floor) / LARGEST
    if not powers:
        return scales
    up = ((scales.view(torch.int32) + 0x7FFFFF) & 0x7F800000).view(torch.float32)  # the exponent, one more if not exact
    return torch.where(scales.isfinite(), up, scales)


def _widened(values: Tensor, scales: Tensor) -> Tensor:
    """Values times scales in float32.

    On CPUs through float16, whose bits are E4M3's with another bias of the exponent: five times as fast as torch's
    conversion. E4M3's one code for no number is lost on that way, but its tile's scale is not finite.
    """
    if values.device.type != "cpu":
        return values.float().mul_(scales)
    bits = (
        values.view(torch.int8).to(torch.int16).bitwise_left_shift_(7).bitwise_and_(~0x4000)
    )  # s s eeee mmm -> s 0 eeee mmm
    return bits.view(torch.float16).float().mul_(scales * 2.0**8)


def quantise_reference(x: Tensor, tile: tuple[int, int], *, floor: float = FLOOR, powers: bool = False) -> Quantised:
    """The slow twin of `quantise`: one tile after the other."""
    (A, B), (a, b) = x.shape, tile
    values = torch.zeros(-(-A // a), a, -(-B // b), b).to(torch.float8_e4m3fn)
    scales = torch.ones(len(values), 1, values.shape[2], 1)
    for i in range(values.shape[0]):
        for j in range(values.shape[2]):
            part = x[i * a : (i + 1) * a, j * b : (j + 1) * b].float()
            scale = max(part.abs().max().item(), floor) / LARGEST
            scale = 2.0 ** torch.tensor(scale, dtype=torch.float64).log2().ceil().item() if powers else scale
            scales[i, 0, j, 0] = scale
            values[i, : len(part), j, : part.shape[1]] = (part / scales[i, 0, j, 0]).to(torch.float8_e4m3fn)
    return Quantised(values, scales)
