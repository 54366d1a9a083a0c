"""Linear maps in block-scaled FP8: Fprop, Dgrad and Wgrad (DeepSeek-V3 report §3.3.1, fig. 6), one weight or many experts'.

What is kept for backward is the activation in FP8, a quarter of float32. Wgrad contracts over tokens, so the kept activation
is scaled anew along them, and so is the gradient; a tile never holds rows of two experts. Sums and results are float32,
rounded once to the dtype of x; the weight's gradient is left in float32 for whoever accumulates it (train/precision.py).

M rows, I in, O out, E experts
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from firesteel.kernels.fp8 import (
    BLOCK,
    COLUMN,
    FLOOR,
    GRADIENT_FLOOR,
    ROW,
    Quantised,
    quantise,
    quantise_reference,
    rounded,
)
from firesteel.kernels.grouped import spans_of


def linear_fp8(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, powers: bool = False) -> Tensor:
    """x [..., I], weight [O, I], bias [O] -> x weight^T + bias, [..., O] in x's dtype.

    `powers`: scales are powers of two.
    """
    out: Tensor = _LinearFP8.apply(x, weight, powers)
    return out if bias is None else out + bias


def grouped_linear_fp8(x: Tensor, weight: Tensor, counts: list[int], *, powers: bool = False) -> Tensor:
    """x [M, I] sorted by expert, weight [E, O, I], counts: rows of each expert -> [M, O] in x's dtype."""
    out: Tensor = _GroupedFP8.apply(x, weight, counts, powers)
    return out


class _LinearFP8(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, powers: bool) -> Tensor:
        kept = quantise(x.reshape(-1, x.shape[-1]), ROW, powers=powers)
        ctx.save_for_backward(weight, *(kept if ctx.needs_input_grad[1] else ()))
        ctx.like, ctx.powers = (x.shape, x.dtype), powers
        rows = kept.dequantised(x.shape[:-1].numel(), x.shape[-1])
        y = rows @ rounded(weight, BLOCK, powers=powers).t()
        return y.to(x.dtype).view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weight, *kept = ctx.saved_tensors
        (shape, dtype), powers = ctx.like, ctx.powers
        dy = dy.reshape(-1, dy.shape[-1]).float()  # [M, O]
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = rounded(dy, ROW, floor=GRADIENT_FLOOR, powers=powers) @ rounded(weight, BLOCK, powers=powers)
            dx = dx.to(dtype).view(shape)
        if kept:
            dw = _weight_gradient(dy, Quantised(*kept).dequantised(len(dy), weight.shape[1]), powers)
        return dx, dw, None


class _GroupedFP8(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, counts: list[int], powers: bool) -> Tensor:
        kept = quantise(x, ROW, powers=powers)
        ctx.save_for_backward(weight, *(kept if ctx.needs_input_grad[1] else ()))
        ctx.spans, ctx.dtype, ctx.powers = spans_of(counts), x.dtype, powers
        rows, y = kept.dequantised(*x.shape), x.new_empty(len(x), weight.shape[1], dtype=torch.float32)
        for e, a, b in ctx.spans:
            torch.mm(rows[a:b], rounded(weight[e], BLOCK, powers=powers).t(), out=y[a:b])
        return y.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        weight, *kept = ctx.saved_tensors
        dy, powers = dy.float(), ctx.powers
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = dy.new_empty(len(dy), weight.shape[2])
            rows = rounded(dy, ROW, floor=GRADIENT_FLOOR, powers=powers)
            for e, a, b in ctx.spans:
                torch.mm(rows[a:b], rounded(weight[e], BLOCK, powers=powers), out=dx[a:b])
        if kept:
            dw = torch.zeros_like(weight, dtype=torch.float32)
            x = Quantised(*kept).dequantised(len(dy), weight.shape[2])
            for e, a, b in ctx.spans:
                dw[e] = _weight_gradient(dy[a:b], x[a:b], powers)
        return None if dx is None else dx.to(ctx.dtype), dw, None, None


def _weight_gradient(dy: Tensor, x: Tensor, powers: bool) -> Tensor:
    """dy^T x with both scaled along the rows, which it contracts. dy [M, O], x [M, I] as kept -> [O, I] float32."""
    return rounded(dy, COLUMN, floor=GRADIENT_FLOOR, powers=powers).t() @ rounded(x, COLUMN, powers=powers)


class _Reference(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, powers: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.powers = powers
        rows = x.reshape(-1, x.shape[-1])
        y = product_reference(_by_tile(rows, ROW, powers), _by_tile(weight, BLOCK, powers))
        return y[: len(rows), : len(weight)].to(x.dtype).view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        rows, dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        by_outputs = _by_tile(dy, ROW, ctx.powers, GRADIENT_FLOOR)
        dx = product_reference(by_outputs, _by_tile(weight.t(), BLOCK, ctx.powers))
        kept = _by_tile(rows, ROW, ctx.powers).dequantised(*rows.shape)
        by_tokens = _by_tile(dy.t(), ROW, ctx.powers, GRADIENT_FLOOR)
        dw = product_reference(by_tokens, _by_tile(kept.t(), ROW, ctx.powers))
        dx = dx[: len(rows), : weight.shape[1]].to(x.dtype).view_as(x)
        return dx, dw[: len(weight), : weight.shape[1]], None


def _by_tile(x: Tensor, tile: tuple[int, int], powers: bool, floor: float = FLOOR) -> Quantised:
    return quantise_reference(x, tile, floor=floor, powers=powers)


def product_reference(left: Quantised, right: Quantised) -> Tensor:
    """left right^T, block by block as the hardware would: sums of E4M3 products within a tile, then their scales.

    Both scaled along the contracted axis. Returns the product of the padded matrices, float32.
    """
    (M, a, K, _), (N, b, _, _) = left.values.shape, right.values.shape
    out = torch.zeros(M * a, N * b)
    for i, j, k in product(range(M), range(N), range(K)):
        part = left.values[i, :, k].float() @ right.values[j, :, k].float().t()
        part = part * (left.scales[i, 0, k, 0] * right.scales[j, 0, k, 0])
        out[i * a : (i + 1) * a, j * b : (j + 1) * b] += part
    return out


def linear_fp8_reference(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, powers: bool = False) -> Tensor:
    """The slow twin of `linear_fp8`, block by block; same arguments."""
    out: Tensor = _Reference.apply(x, weight, powers)
    return out if bias is None else out + bias


def grouped_linear_fp8_reference(x: Tensor, weight: Tensor, counts: list[int], *, powers: bool = False) -> Tensor:
    """The slow twin of `grouped_linear_fp8`: each expert's rows as a linear map of their own."""
    parts = zip(x.split(counts), weight, strict=True)
    return torch.cat([linear_fp8_reference(rows, w, powers=powers) for rows, w in parts if len(rows)])
