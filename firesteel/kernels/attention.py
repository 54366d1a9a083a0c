"""Causal attention for training: chunks of queries against all keys before them, by whole matrix products.

The chunks leave out most of what causality forbids. Scores of long sequences are not kept but recomputed in backward
(FlashAttention's trade, Dao et al. 2022), so memory grows with T, not T^2. Keys and values may differ in width, and G groups
of them may serve H heads, without copies.

B batch, T tokens, H heads, G key/value heads, S = H/G, W width of queries and keys, V width of values, c tokens of a chunk
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.kernels.linear import product_dtype

CHUNK = 128  # queries
KEPT = 512  # tokens up to which attention weights are kept for backward: less memory than the other activations


def causal_attention_reference(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The slow twin. q [B, H, T, W], k [B, G, T, W], v [B, G, T, V] -> softmax(q k^T scale) v, [B, H, T, V]."""
    share = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(share, dim=1), v.repeat_interleave(share, dim=1)
    scores = (q @ k.mT).to(torch.promote_types(q.dtype, torch.float32)) * scale
    later = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).triu(1)
    return torch.softmax(scores.masked_fill(later, float("-inf")), dim=-1).to(v.dtype) @ v


def causal_attention_fused(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor | None = None) -> Tensor:
    """The same through torch's fused kernels, which want one width; `mask` [B, 1, T, T] says who sees whom instead."""
    pad = q.shape[-1] - v.shape[-1]
    padded = F.pad(v, (0, pad)) if pad > 0 else v
    shared = k.shape[1] != q.shape[1]
    o = F.scaled_dot_product_attention(
        q, k, padded, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=shared
    )
    return o[..., : v.shape[-1]]


def causal_attention_cpu(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The same: by chunks where gradients are needed, else through torch's fused kernel."""
    if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
        out: Tensor = _ChunkedAttention.apply(q, k, v, scale)
        return out
    return causal_attention_fused(q, k, v, scale)


class _ChunkedAttention(torch.autograd.Function):
    """Scores in float32; the other products in the dtype that the machine multiplies best."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        B, H, T, _ = q.shape
        o = q.new_empty(B, H, T, v.shape[-1])
        state = _State(q, k, v, scale)
        kept = []
        for a, b in _chunks(T):
            p = state.probabilities(a, b)  # [B*G, S*c, b]
            o[:, :, a:b] = torch.bmm(p, state.v[:, :b]).view(B, H, b - a, -1)
            kept += [p] if T <= KEPT else []
        ctx.save_for_backward(q, k, v, *kept)
        ctx.scale = scale
        return o

    @staticmethod
    def backward(ctx: Any, do: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, *kept = ctx.saved_tensors
        B, H, T, _ = q.shape
        state = _State(q, k, v, ctx.scale)
        dq = torch.empty_like(q)
        dk = torch.zeros_like(state.k, dtype=state.exact)
        dv = torch.zeros_like(state.v, dtype=state.exact)
        for number, (a, b) in enumerate(_chunks(T)):
            p = kept[number] if kept else state.probabilities(a, b)
            d_out = state.grouped(do[:, :, a:b]).to(p.dtype)  # [B*G, S*c, V]
            dv[:, :b] += torch.bmm(p.mT, d_out)
            dp = torch.bmm(d_out, state.v[:, :b].mT)
            ds = torch.ops.aten._softmax_backward_data(dp, p, -1, p.dtype)
            dq[:, :, a:b] = torch.bmm(ds, state.k[:, :b]).view(B, H, b - a, -1)
            dk[:, :b] += torch.bmm(ds.mT, state.grouped(q[:, :, a:b]).to(p.dtype))
        return dq, dk.mul_(ctx.scale).view(k.shape).to(k.dtype), dv.view(v.shape).to(v.dtype), None


class _State:
    """Keys (times the scale) and values ready for products, and the attention weights of any chunk."""

    def __init__(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> None:
        self.groups, self.q = k.shape[1], q
        kind = product_dtype(q)
        self.exact = torch.float64 if kind == torch.float64 else torch.float32  # of scores and sums
        self.v = v.reshape(-1, *v.shape[2:]).to(kind)  # [B*G, T, V]
        self.exact_k = k.reshape(-1, *k.shape[2:]).to(self.exact) * scale  # [B*G, T, W]
        self.k = self.exact_k.to(kind)
        self.later = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=q.device).triu(1)

    def grouped(self, x: Tensor) -> Tensor:
        """Heads that share keys, one after the other: [B, H, c, *] -> [B*G, S*c, *]."""
        return x.reshape(x.shape[0] * self.groups, -1, x.shape[-1])

    def probabilities(self, a: int, b: int) -> Tensor:
        """Attention weights of queries a..b to keys 0..b, [B*G, S*(b-a), b], in the dtype of products."""
        q = self.grouped(self.q[:, :, a:b]).to(self.exact)
        scores = torch.bmm(q, self.exact_k[:, :b].mT)
        own = scores.view(len(scores), -1, b - a, b)[..., a:]  # [B*G, S, c, c]: the corner where some keys are later
        own.masked_fill_(self.later[: b - a, : b - a], float("-inf"))
        return torch.softmax(scores, dim=-1).to(self.v.dtype)


def _chunks(T: int) -> Iterator[tuple[int, int]]:
    for a in range(0, T, CHUNK):
        yield a, min(a + CHUNK, T)
