"""Linear maps, and which dtype a machine multiplies them in.

Many CPUs store bfloat16 but have no instructions to multiply it: their libraries emulate each product, several times slower
than float32. There, operands are widened, multiplied in float32, and the result rounded once: what native bfloat16
instructions compute too (exact products, float32 sums, one rounding).

M rows, I in, O out
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.compute.device import multiplies


def product_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which products with `x` are fastest without being less exact."""
    return x.dtype if multiplies(x.dtype, x.device.type) else torch.float32


FEW = 64  # rows from which widening the weight costs less than emulated products


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., I], weight [O, I], bias [O] -> x weight^T + bias, [..., O]."""
    if product_dtype(x) == x.dtype or x.numel() < FEW * x.shape[-1]:
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled():
        out: Tensor = _WideLinear.apply(x, weight)
    else:
        out = F.linear(x.float(), weight.float()).to(x.dtype)
    return out if bias is None else out + bias


class _WideLinear(torch.autograd.Function):
    """Products in float32; what is kept and returned stays in the narrow dtype."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(x.float(), weight.float()).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wide = dy.reshape(-1, dy.shape[-1]).float()  # [M, O]
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = (wide @ weight.float()).to(x.dtype).view_as(x)
        if ctx.needs_input_grad[1]:
            dw = (wide.t() @ x.reshape(-1, x.shape[-1]).float()).to(weight.dtype)
        return dx, dw
