"""Linear maps, and the dtype that a machine multiplies them in.

Many CPUs store bfloat16 but have no instructions to multiply it: their libraries emulate each product, several times slower
than float32. There, weights stay bfloat16 and are widened for a product with many rows, activations of a training pass stay
float32, and sums are float32, as native bfloat16 instructions keep them.

M rows, I in, O out
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.compute.device import multiplies

FEW = 12  # rows from which widening the weight costs less than emulated products
TALL = 48  # rows below which weight times rows is quicker than rows times weight, by up to 2.4 (docs/log.md)
SMALL = 1 << 16  # elements of a weight below which neither is worth a thought
PIECE = 1 << 20  # elements that are widened at a time: 4 MiB stay in the cache until they are multiplied


def product_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which products with `x` are fastest without being less exact."""
    return x.dtype if multiplies(x.dtype, x.device.type) else torch.float32


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., I], weight [O, I], bias [O] -> x weight^T + bias, [..., O] in x's dtype, which may be wider than the weight's."""
    kind = product_dtype(x)
    rows = x.numel() // x.shape[-1]
    quick = 8 <= rows < TALL and weight.numel() >= SMALL and kind == torch.float32 and x.device.type == "cpu"
    if quick and not torch.is_grad_enabled() and (rows >= FEW or weight.dtype == kind):
        flat = _weight_times_rows(x.reshape(rows, -1).to(kind), weight).to(x.dtype).view(*x.shape[:-1], -1)
        return flat if bias is None else flat + bias
    if kind == weight.dtype == x.dtype or (x.dtype == weight.dtype and x.numel() < FEW * x.shape[-1]):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled():
        out: Tensor = _WideLinear.apply(x, weight)
    else:
        out = F.linear(x.to(kind), weight.to(kind)).to(x.dtype)
    return out if bias is None else out + bias


def _weight_times_rows(x: Tensor, weight: Tensor) -> Tensor:
    """x weight^T, computed as (weight x^T)^T, with the weight widened piece by piece. x [M, I], weight [O, I] -> [M, O]."""
    if weight.dtype == x.dtype:
        return (weight @ x.t()).t().contiguous()
    out = x.new_empty(len(weight), len(x))
    step = max(1, PIECE // weight.shape[1])
    for at in range(0, len(weight), step):
        torch.mm(weight[at : at + step].to(x.dtype), x.t(), out=out[at : at + step])
    return out.t().contiguous()


class _WideLinear(torch.autograd.Function):
    """Products in a wider dtype than the weight's; the widened weight is not kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        kind = product_dtype(x)
        return F.linear(x.to(kind), weight.to(kind)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        kind = product_dtype(x)
        wide = dy.reshape(-1, dy.shape[-1]).to(kind)  # [M, O]
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = (wide @ weight.to(kind)).to(x.dtype).view_as(x)
        if ctx.needs_input_grad[1]:
            dw = wide.t() @ x.reshape(-1, x.shape[-1]).to(kind)  # autograd rounds it unless it is summed in float32
        return dx, dw
