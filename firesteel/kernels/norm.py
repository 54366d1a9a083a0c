"""RMSNorm over the last axis (Zhang & Sennrich 2019, eq. 4), its backward written out.

M rows, D width
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def rms_norm_reference(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The slow twin. x [..., D], weight [D] -> x / rms(x) * weight, computed in float32 at least."""
    return F.rms_norm(x, weight.shape, weight, eps)


def rms_norm_cpu(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The same in few passes over memory; backward keeps x and one number a row."""
    if not torch.is_grad_enabled():
        return _scaled(x, _inverse_rms(x, eps), weight)
    out: Tensor = _RMSNorm.apply(x, weight, eps)
    return out


def _inverse_rms(x: Tensor, eps: float) -> Tensor:
    """1 / rms of each row, [..., 1], at least float32."""
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=kind)
    inverse: Tensor = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
    return inverse


def _scaled(x: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """x times `inverse` in its dtype, times the weight: operations on two dtypes are several times slower than on one."""
    return (x.to(inverse.dtype) * inverse).mul_(weight.to(inverse.dtype)).to(x.dtype)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        inverse = _inverse_rms(x, eps)
        ctx.save_for_backward(x, weight, inverse)
        return _scaled(x, inverse, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, inverse = ctx.saved_tensors
        wide = weight.to(inverse.dtype)
        normed, dy = x.to(wide.dtype) * inverse, dy.to(wide.dtype)
        along = dy * normed  # [..., D]
        dw = along.view(-1, along.shape[-1]).sum(dim=0).to(weight.dtype)
        along = along @ wide[:, None]  # [..., 1]: sum of dy * weight * normed
        dx = (dy * wide).addcmul_(normed, along, value=-1 / x.shape[-1]).mul_(inverse)
        return dx.to(x.dtype), dw, None
