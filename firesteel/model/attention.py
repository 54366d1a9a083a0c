"""Grouped-query attention (Ainslie et al. 2023), and what it shares with MLA. MHA is GQA with a key head for every head.

B batch, T new tokens, S cached + new tokens, H heads, G key/value heads, D hidden, W width of a head
t tokens of a part
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firesteel.kernels.attention import causal_attention_fused
from firesteel.kernels.linear import product_dtype
from firesteel.kernels.table import kernel
from firesteel.model.cache import CacheView, Rows
from firesteel.model.config import ModelConfig
from firesteel.model.layers import Linear, RMSNorm
from firesteel.model.rope import rotate

PIECE = 8  # new tokens a row from which heads are not folded into rows: the mask would be that much larger, to no gain


class Part(ABC):
    """Some tokens of sequences that several processes share; stands where a mask does (train/parallel/context.py)."""

    positions: Tensor  # [t]: places of this process's tokens in the whole sequence

    @abstractmethod
    def own(self, x: Tensor) -> Tensor:
        """What belongs to this process's tokens: [B, T, ...] -> [B, t, ...]."""

    @abstractmethod
    def gather(self, x: Tensor) -> Tensor:
        """All tokens' from every process's own: [B, t, ...] -> [B, T, ...]."""

    @abstractmethod
    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """`attend` of own queries [B, H, t, W] to all keys [B, G, T, W] and values [B, G, T, V]."""


class GQA(nn.Module):
    """Softmax attention whose cache holds the keys and values of G heads; biases and norms of q and k where configured."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = self.config = config
        self.exact = False  # exact.py
        heads, groups, width = c.num_attention_heads, c.num_key_value_heads, c.head_dim
        self.q_proj = Linear(c.hidden_size, heads * width, bias=c.qkv_bias)
        self.k_proj = Linear(c.hidden_size, groups * width, bias=c.qkv_bias)
        self.v_proj = Linear(c.hidden_size, groups * width, bias=c.qkv_bias)
        self.o_proj = Linear(heads * width, c.hidden_size, bias=c.o_bias)
        if c.qk_norm:
            self.q_norm = RMSNorm(width, c.rms_norm_eps)
            self.k_norm = RMSNorm(width, c.rms_norm_eps)

    def forward(self, x: Tensor, table: Tensor, mask: Tensor | Part | None = None) -> Tensor:
        """Causal attention over whole sequences. x [B, T, D], table [1, T, 2, W/2], mask [B, 1, T, T] or None -> [B, T, D]."""
        q, k, v = self._heads(x, table)
        k, v = gathered(k, mask), gathered(v, mask)
        o = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, self.config.softmax_scale)
        out: Tensor = self.o_proj(o.transpose(1, 2).flatten(2))
        return out

    def extend(self, x: Tensor, table: Tensor, view: CacheView, layer: int) -> Tensor:
        """Attention of new tokens to the cache, which receives them first. x [1, N, D], table [1, N, 2, R/2] -> [1, N, D]."""
        q, k, v = (part[0] for part in self._heads(x, table))  # [N, H or G, W]
        view.write(layer, torch.cat((k, v), dim=1).flatten(1))
        direct = [rows.fresh and not self.exact for rows in view.parts]
        o = [
            self._fresh(rows, q, k, v) if at_once else self._cached(rows, q, layer)
            for rows, at_once in zip(view.parts, direct, strict=True)
        ]
        out: Tensor = self.o_proj((o[0] if len(o) == 1 else torch.cat(o))[None])
        return out

    def _fresh(self, rows: Rows, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Whole beginnings of sequences: causal attention among themselves. -> [B*T, H*W]."""
        q, k, v = (rows.of(x).transpose(1, 2) for x in (q, k, v))
        o = attend(q, k, v, None, self.config.softmax_scale)
        out: Tensor = o.transpose(1, 2).flatten(2).flatten(0, 1)
        return out

    def _cached(self, rows: Rows, q: Tensor, layer: int) -> Tensor:
        """Queries q [N, H, W] of the rectangle to what is cached. -> [B*T, H*W]."""
        groups, width = self.config.num_key_value_heads, self.config.head_dim
        T, kind = rows.T, torch.float64 if self.exact else product_dtype(q)
        context = rows.context(layer, kind)  # [B, S, 2*G*W]
        k, v = context.unflatten(-1, (2, groups, width)).permute(2, 0, 3, 1, 4)  # each [B, G, S, W]
        if T >= PIECE:
            x = rows.of(q).to(kind).transpose(1, 2)  # [B, H, T, W]
            o = F.scaled_dot_product_attention(
                x, k, v, attn_mask=rows.visible[:, None], scale=self.config.softmax_scale, enable_gqa=True
            )
            whole: Tensor = o.transpose(1, 2).reshape(rows.B * T, -1).to(q.dtype)
            return whole
        x = rows.of(q).to(kind).unflatten(2, (groups, -1)).permute(0, 2, 1, 3, 4).flatten(2, 3)  # [B, G, T*H/G, W]
        share = x.shape[2] // T
        mask = rows.visible[:, None, :, None].expand(-1, 1, -1, share, -1).flatten(2, 3)  # [B, 1, T*H/G, S]
        o = F.scaled_dot_product_attention(x, k, v, attn_mask=mask, scale=self.config.softmax_scale)
        out: Tensor = o.unflatten(2, (T, share)).permute(0, 2, 1, 3, 4).reshape(rows.B * T, -1).to(q.dtype)
        return out

    def _heads(self, x: Tensor, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries [B, T, H, W], rotated keys and values [B, T, G, W]."""
        c, shape = self.config, (*x.shape[:2], -1, self.config.head_dim)
        q, k, v = self.q_proj(x).view(shape), self.k_proj(x).view(shape), self.v_proj(x).view(shape)
        if c.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        return (
            rotate(q, table, interleave=c.rope_interleave),
            rotate(k, table, interleave=c.rope_interleave),
            v,
        )


def own(x: Tensor, mask: Tensor | Part | None) -> Tensor:
    """What belongs to the tokens of this process: [B, T, ...] as it is, where no others share the sequences."""
    return mask.own(x) if isinstance(mask, Part) else x


def gathered(x: Tensor, mask: Tensor | Part | None) -> Tensor:
    """The same of all tokens [B, T, ...], whichever process they are on."""
    return mask.gather(x) if isinstance(mask, Part) else x


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | Part | None, scale: float) -> Tensor:
    """softmax(q k^T scale) v over earlier tokens.

    q [B, H, T, W], k [B, G, T, W], v [B, G, T, V], mask [B, 1, T, T] of who sees whom; None: every earlier token.
    Returns [B, H, T, V].
    """
    if isinstance(mask, Part):
        return mask.attend(q, k, v, scale)
    if mask is None:
        out: Tensor = kernel("causal_attention", q.device.type)(q, k, v, scale)
        return out
    kind = product_dtype(q)
    return causal_attention_fused(q.to(kind), k.to(kind), v.to(kind), scale, mask).to(v.dtype)
