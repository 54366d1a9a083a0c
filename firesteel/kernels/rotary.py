"""Rotation of pairs by their angles; its backward is the rotation the other way.

B batch, T tokens, H heads, R rotary width
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def rotate_reference(x: Tensor, table: Tensor, interleave: bool) -> Tensor:
    """The slow twin. x [B, T, H, R], table [B or 1, T, 2, R/2] of cos and sin in float32 -> [B, T, H, R] in x's dtype.

    `interleave`: pairs are neighbours (x0, x1), (x2, x3), ... as DeepSeek's; else (x_i, x_{i + R/2}) as Llama's.
    """
    cos, sin = table[:, :, None, 0], table[:, :, None, 1]  # [B, T, 1, R/2]
    half = x.shape[-1] // 2
    one, two = (x[..., 0::2], x[..., 1::2]) if interleave else (x[..., :half], x[..., half:])
    turned = (one * cos - two * sin, one * sin + two * cos)
    both = torch.stack(turned, dim=-1).flatten(-2) if interleave else torch.cat(turned, dim=-1)
    return both.to(x.dtype)


def rotate_cpu(x: Tensor, table: Tensor, interleave: bool) -> Tensor:
    """The same: neighbours as complex numbers, halves written into place."""
    if not (torch.is_grad_enabled() and x.requires_grad):
        return _rotated(x, table, interleave, 1.0)
    out: Tensor = _Rotate.apply(x, table, interleave)
    return out


def _rotated(x: Tensor, table: Tensor, interleave: bool, direction: float) -> Tensor:
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32
    cos, sin = table[:, :, None, 0].to(kind), table[:, :, None, 1].to(kind) * direction
    if interleave:
        wide = x.to(kind, memory_format=torch.contiguous_format).contiguous()
        pairs = torch.view_as_complex(wide.view(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * torch.complex(cos, sin)).flatten(-2).to(x.dtype)
    out = torch.empty(x.shape, dtype=kind, device=x.device)
    one, two = x.chunk(2, dim=-1)
    low, high = out.chunk(2, dim=-1)
    torch.mul(one, cos, out=low).sub_(two * sin)
    torch.mul(two, cos, out=high).add_(one * sin)
    return out.to(x.dtype)


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, interleave: bool) -> Tensor:
        ctx.save_for_backward(table)
        ctx.interleave = interleave
        return _rotated(x, table, interleave, 1.0)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        (table,) = ctx.saved_tensors
        return _rotated(dy, table, ctx.interleave, -1.0), None, None
