"""Pieces that every block uses: linear maps, embeddings, RMSNorm and SwiGLU.

D hidden, I inner
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firesteel.kernels.table import kernel


class Linear(nn.Linear):
    """x W^T + b; [..., I] -> [..., O]."""

    def __init__(self, width: int, out: int, *, bias: bool = False) -> None:
        super().__init__(width, out, bias=bias)
        self.adapter: Any = None  # lora.LinearAdapter, where there is one
        self.op = "linear"  # of kernels.table; training may choose another (train/precision.py)

    def reset_parameters(self) -> None:
        """Nothing: Transformer.initialise, or a file, fills every weight."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = kernel(self.op, x.device.type)(x, self.weight, self.bias)
        return out if self.adapter is None else out + self.adapter(x)

    def effective(self) -> Tensor:
        """The weight with its adapter merged, [O, I]."""
        return self.weight if self.adapter is None else self.weight + self.adapter.delta()


class Embedding(nn.Embedding):
    """A row a token; [...] -> [..., D]."""

    def reset_parameters(self) -> None:
        """Nothing: Transformer.initialise, or a file, fills every weight."""

    def forward(self, input: Tensor) -> Tensor:  # nn.Embedding's name
        out: Tensor = kernel("embedding", input.device.type)(input, self.weight)
        return out


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis (Zhang & Sennrich 2019, eq. 4)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = kernel("rms_norm", x.device.type)(x, self.weight, self.eps)
        return out


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)) (Shazeer 2020, eq. 6); [..., D] -> [..., D]."""

    def __init__(self, width: int, inner: int, *, bias: bool = False) -> None:
        super().__init__()
        self.gate_proj = Linear(width, inner, bias=bias)
        self.up_proj = Linear(width, inner, bias=bias)
        self.down_proj = Linear(inner, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out
