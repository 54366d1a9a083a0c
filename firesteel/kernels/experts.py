"""SwiGLU of many experts over tokens sorted by expert.

M rows (tokens x top-k), D hidden, I expert width, E experts
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def experts_reference(x: Tensor, gate_up: Tensor, down: Tensor, counts: list[int]) -> Tensor:
    """The slow twin: each expert's rows through plain autograd.

    x [M, D] sorted by expert, gate_up [E, 2I, D], down [E, D, I], counts: rows of each expert. Returns [M, D].
    """
    outs = []
    for rows, w1, w2 in zip(x.split(counts), gate_up, down, strict=True):
        gate, up = F.linear(rows, w1).chunk(2, dim=-1)
        outs.append(F.linear(F.silu(gate) * up, w2))
    return torch.cat(outs)


def experts_cpu(x: Tensor, gate_up: Tensor, down: Tensor, counts: list[int]) -> Tensor:
    """One matrix product per active expert and pass, written straight into place; same arguments as the reference."""
    out: Tensor = _Experts.apply(x, gate_up, down, counts)
    return out


class _Experts(torch.autograd.Function):
    """Hand-written backward: no per-expert autograd nodes, one gradient buffer a weight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate_up: Tensor, down: Tensor, counts: list[int]) -> Tensor:
        spans = _spans(counts)
        hidden = x.new_empty(x.shape[0], gate_up.shape[1])  # [M, 2I]
        for e, a, b in spans:
            torch.mm(x[a:b], gate_up[e].t(), out=hidden[a:b])
        gate, up = hidden.chunk(2, dim=-1)
        act = F.silu(gate) * up
        y = torch.empty_like(x)
        for e, a, b in spans:
            torch.mm(act[a:b], down[e].t(), out=y[a:b])
        ctx.save_for_backward(x, gate_up, down, hidden, act)
        ctx.spans = spans
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, gate_up, down, hidden, act = ctx.saved_tensors
        dy = dy.contiguous()
        d_act = torch.empty_like(act)
        d_down, d_gate_up = torch.zeros_like(down), torch.zeros_like(gate_up)
        for e, a, b in ctx.spans:
            torch.mm(dy[a:b], down[e], out=d_act[a:b])
            torch.mm(dy[a:b].t(), act[a:b], out=d_down[e])
        gate, up = hidden.chunk(2, dim=-1)
        s = torch.sigmoid(gate)
        silu = gate * s
        d_hidden = torch.empty_like(hidden)
        d_gate, d_up = d_hidden.chunk(2, dim=-1)
        torch.mul(d_act, silu, out=d_up)
        torch.mul(d_act * up, s + silu * (1 - s), out=d_gate)
        dx = torch.empty_like(x)
        for e, a, b in ctx.spans:
            torch.mm(d_hidden[a:b], gate_up[e], out=dx[a:b])
            torch.mm(d_hidden[a:b].t(), x[a:b], out=d_gate_up[e])
        return dx, d_gate_up, d_down, None


def _spans(counts: list[int]) -> list[tuple[int, int, int]]:
    """(expert, first row, past the last row) of the active experts."""
    spans, start = [], 0
    for e, n in enumerate(counts):
        if n:
            spans.append((e, start, start + n))
        start += n
    return spans
