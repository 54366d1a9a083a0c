"""Linear maps of many experts over rows sorted by expert: one matrix product per active expert.

M rows (tokens x top-k), I in, O out, E experts
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.kernels.linear import product_dtype


def grouped_linear_reference(x: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
    """The slow twin: each expert's rows through plain autograd.

    x [M, I] sorted by expert, weight [E, O, I], counts: rows of each expert. Returns [M, O].
    """
    return torch.cat([F.linear(rows, w) for rows, w in zip(x.split(counts), weight, strict=True)])


def grouped_linear_cpu(x: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
    """The same, written straight into place, without autograd nodes of each expert; same arguments as the reference."""
    out: Tensor = _GroupedLinear.apply(x, weight, counts)
    return out


class _GroupedLinear(torch.autograd.Function):
    """Hand-written backward: one gradient buffer for all experts, and none for frozen weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
        spans, kind = spans_of(counts), product_dtype(x)
        rows, y = x.to(kind), x.new_empty(x.shape[0], weight.shape[1], dtype=kind)
        for e, a, b in spans:
            torch.mm(rows[a:b], weight[e].to(kind).t(), out=y[a:b])
        ctx.save_for_backward(x, weight)
        ctx.spans = spans
        return y.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        kind = product_dtype(x)
        dy, rows = dy.contiguous().to(kind), x.to(kind)
        dx = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        dw = torch.empty_like(weight, dtype=kind) if ctx.needs_input_grad[1] else None  # as linear.py's
        if dw is not None:
            for e in set(range(len(weight))) - {e for e, _, _ in ctx.spans}:  # idle experts
                dw[e].zero_()
        for e, a, b in ctx.spans:
            if dx is not None:
                torch.mm(dy[a:b], weight[e].to(kind), out=dx[a:b])
            if dw is not None:
                torch.mm(dy[a:b].t(), rows[a:b], out=dw[e])
        return None if dx is None else dx.to(x.dtype), dw, None


def spans_of(counts: list[int]) -> list[tuple[int, int, int]]:
    """(expert, first row, past the last row) of the active experts; counts: rows of each expert."""
    spans, start = [], 0
    for e, n in enumerate(counts):
        if n:
            spans.append((e, start, start + n))
        start += n
    return spans
