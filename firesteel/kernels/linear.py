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

FEW = 64  # rows from which widening the weight costs less than emulated products


def product_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which products with `x` are fastest without being less exact."""
    return x.dtype if multiplies(x.dtype, x.device.type) else torch.float32


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., I], weight [O, I], bias [O] -> x weight^T + bias, [..., O] in x's dtype, which may be wider than the weight's."""
    kind = product_dtype(x)
    if kind == weight.dtype == x.dtype or (x.dtype == weight.dtype and x.numel() < FEW * x.shape[-1]):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled():
        out: Tensor = _WideLinear.apply(x, weight)
    else:
        out = F.linear(x.to(kind), weight.to(kind)).to(x.dtype)
    return out if bias is None else out + bias


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
