"""Pieces that every block uses: RMSNorm, rotary positions, SwiGLU.

B batch, T tokens, H heads, D hidden, R rotary width
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis (Zhang & Sennrich 2019, eq. 4)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)) (Shazeer 2020, eq. 6); [..., D] -> [..., D]."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


def rope_table(width: int, theta: float, length: int) -> Tensor:
    """cos and sin of every position and pair: [length, 2, R/2], float32 (Su et al. 2021, eq. 15)."""
    frequency = theta ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)  # [R/2]
    angle = torch.outer(torch.arange(length, dtype=torch.float32), frequency)
    return torch.stack((angle.cos(), angle.sin()), dim=1)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotate adjacent pairs (x0, x1), (x2, x3), ... as DeepSeek's reference does.

    x [B, T, H, R]; table [B or 1, T, 2, R/2] of the tokens' positions. Returns [B, T, H, R].
    """
    cos, sin = table[:, :, None, 0], table[:, :, None, 1]  # [B, T, 1, R/2]
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
