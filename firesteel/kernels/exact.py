"""Linear maps whose results do not depend on what else is computed with them: sums in double precision, rounded once.

A library picks another order of summation for every shape, and float32 sums show it in their last bits; stored in bfloat16,
such a bit is now and then a different number, and another token in the end. Products of two bfloat16 or float32 numbers are
exact in double precision, and the order of their sum shows only some 1e-16 of it: rounded to bfloat16 the chance that this
decides is about 1e-13 an element, whatever library, thread count or batch.

M rows, I in, O out, E experts
"""

from __future__ import annotations

import torch
from torch import Tensor

from firesteel.kernels.grouped import spans_of

PIECE = 1 << 18  # weights that are widened at a time: 2 MiB, which stay in the second-level cache


def linear_exact_reference(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The slow twin: all of the weight at once, element by element. x [..., I], weight [O, I], bias [O] -> [..., O]."""
    y = (x.double()[..., None, :] * weight.double()).sum(dim=-1)
    return (y if bias is None else y + bias.double()).to(x.dtype)


def linear_exact(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., I], weight [O, I], bias [O] -> x weight^T + bias, [..., O] in x's dtype."""
    wide = x.reshape(-1, x.shape[-1]).double()
    out = torch.cat([wide @ rows.double().t() for rows in weight.split(max(1, PIECE // weight.shape[1]))], dim=1)
    out = out if bias is None else out + bias.double()
    return out.to(x.dtype).view(*x.shape[:-1], -1)


def grouped_linear_exact_reference(x: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
    """The slow twin of `grouped_linear_exact`."""
    parts = zip(x.split(counts), weight, strict=True)
    return torch.cat([linear_exact_reference(rows, expert) for rows, expert in parts])


def grouped_linear_exact(x: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
    """x [M, I] sorted by expert, weight [E, O, I], counts: rows of each expert. Returns [M, O]."""
    out = x.new_empty(len(x), weight.shape[1])
    for e, a, b in spans_of(counts):
        out[a:b] = linear_exact(x[a:b], weight[e])
    return out
