"""silu(gate) * up of a fused projection [..., 2I] -> [..., I] (Shazeer 2020, eq. 6), in few passes over memory."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def swiglu_reference(both: Tensor) -> Tensor:
    """The slow twin: both [..., 2I] holds gate, then up. Returns [..., I]."""
    gate, up = both.chunk(2, dim=-1)
    return F.silu(gate) * up


def swiglu_cpu(both: Tensor) -> Tensor:
    """The same; backward keeps only its input and writes one gradient buffer."""
    out: Tensor = _SwiGLU.apply(both)
    return out


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        gate, up = both.chunk(2, dim=-1)
        d = torch.empty_like(both)
        d_gate, d_up = d.chunk(2, dim=-1)
        torch.mul(dy, F.silu(gate), out=d_up)
        torch.ops.aten.silu_backward.grad_input(dy * up, gate, grad_input=d_gate)
        return d
