"""Multi-head latent attention (DeepSeek-V2 report §2.1 and App. C, eq. 37-47; V3 report eq. 1-11).

B batch, T new tokens, S cached + new tokens, H heads, D hidden, C kv latent, N content width, R rotary width, V value width

Two modes that compute the same: `forward` expands keys and values per head (training), `extend` keeps queries in the
latent space and attends to the cache as one shared key/value head (decoding; "weight absorption").
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from firesteel.kernels.linear import product_dtype
from firesteel.model.attention import Part, attend, gathered
from firesteel.model.cache import CacheView, Rows
from firesteel.model.config import ModelConfig
from firesteel.model.layers import Linear, RMSNorm
from firesteel.model.rope import rotate

EXPAND = 16  # new tokens from which keys and values of every head cost less than queries in the latent space


class MLA(nn.Module):
    """Attention whose cache holds only the normed latent c_KV and the shared rotary key k_R."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = self.config = config
        heads, width = c.num_attention_heads, c.hidden_size
        if c.q_lora_rank is None:
            self.q_proj = Linear(width, heads * c.qk_head_dim, bias=False)  # W_Q
        else:
            self.q_a_proj = Linear(width, c.q_lora_rank, bias=c.qkv_bias)  # W_DQ (eq. 37)
            self.q_a_layernorm = RMSNorm(c.q_lora_rank, c.latent_norm_eps)
            self.q_b_proj = Linear(c.q_lora_rank, heads * c.qk_head_dim, bias=False)  # W_UQ, W_QR (eq. 38, 39)
        self.kv_a_proj_with_mqa = Linear(width, c.cache_width, bias=c.qkv_bias)  # W_DKV, W_KR (eq. 41, 43)
        self.kv_a_layernorm = RMSNorm(c.kv_lora_rank, c.latent_norm_eps)
        self.kv_b_proj = Linear(c.kv_lora_rank, heads * (c.qk_nope_head_dim + c.v_head_dim), bias=False)  # W_UK, W_UV
        self.o_proj = Linear(heads * c.v_head_dim, width, bias=c.o_bias)  # W_O (eq. 47)
        self.exact = False  # exact.py
        self.every_head: Callable[[Tensor], Tensor] | None = None  # tensor.py: what heads on several processes read

    def forward(self, x: Tensor, table: Tensor, mask: Tensor | Part | None = None) -> Tensor:
        """Causal attention over whole sequences. x [B, T, D], table [1, T, 2, R/2], mask [B, 1, T, T] or None -> [B, T, D]."""
        c = self.config
        q = torch.cat(self._queries(x, table), dim=-1)  # [B, T, H, N+R] (eq. 40)
        latent, k_rope = (gathered(part, mask) for part in self._latent(x, table))  # [B, T, C], [B, T, R]
        k_rope = k_rope if self.every_head is None else self.every_head(k_rope)
        kv = self.kv_b_proj(latent).unflatten(-1, (-1, c.qk_nope_head_dim + c.v_head_dim))
        k_nope, v = kv.split([c.qk_nope_head_dim, c.v_head_dim], dim=-1)  # eq. 42, 45
        k = torch.cat((k_nope, k_rope[:, :, None].expand(-1, -1, k_nope.shape[2], -1)), dim=-1)  # eq. 44
        o = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask, c.softmax_scale)  # eq. 46
        out: Tensor = self.o_proj(o.transpose(1, 2).flatten(2))
        return out

    def extend(self, x: Tensor, table: Tensor, view: CacheView, layer: int) -> Tensor:
        """Attention of new tokens to the cache, which receives them first. x [1, N, D], table [1, N, 2, R/2] -> [1, N, D]."""
        q_nope, q_rope = (part[0] for part in self._queries(x, table))  # [N, H, N], [N, H, R]
        latent, k_rope = (part[0] for part in self._latent(x, table))  # [N, C], [N, R]
        view.write(layer, torch.cat((latent, k_rope), dim=-1))
        up = self.kv_b_proj.effective().unflatten(0, (self.config.num_attention_heads, -1))  # [H, N+V, C]: W_UK, W_UV
        o = [
            self._expanded(*(rows.of(part) for part in (q_nope, q_rope, latent, k_rope)))
            if rows.fresh and rows.T >= EXPAND and not self.exact
            else self._absorbed(rows, q_nope, q_rope, up, layer)
            for rows in view.parts
        ]
        out: Tensor = self.o_proj((o[0] if len(o) == 1 else torch.cat(o))[None])
        return out

    def _expanded(self, q_nope: Tensor, q_rope: Tensor, latent: Tensor, k_rope: Tensor) -> Tensor:
        """Whole beginnings of sequences, with keys and values of every head: [B, T, ...] -> [B*T, H*V]."""
        c = self.config
        kv = self.kv_b_proj(latent).unflatten(-1, (-1, c.qk_nope_head_dim + c.v_head_dim))
        k_nope, v = kv.split([c.qk_nope_head_dim, c.v_head_dim], dim=-1)
        k = torch.cat((k_nope, k_rope[:, :, None].expand(-1, -1, k_nope.shape[2], -1)), dim=-1)
        q = torch.cat((q_nope, q_rope), dim=-1)
        o = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), None, c.softmax_scale)
        return o.transpose(1, 2).flatten(2).flatten(0, 1)

    def _absorbed(self, rows: Rows, q_nope: Tensor, q_rope: Tensor, up: Tensor, layer: int) -> Tensor:
        """Queries of the rectangle, taken to the latent space, to what is cached. -> [B*T, H*V]."""
        c = self.config
        kind = torch.float64 if self.exact else product_dtype(q_nope)
        B, T, H, C = rows.B, rows.T, c.num_attention_heads, c.kv_lora_rank
        up = up.to(kind)
        context = rows.context(layer, kind)  # [B, S, C+R]
        content, rotated = (part[rows.span].to(kind) for part in (q_nope, q_rope))  # [B*T, H, *]
        q_latent = torch.einsum("nhk,hkc->nhc", content, up[:, : c.qk_nope_head_dim])  # W_UK^T q: absorption
        q = torch.cat((q_latent, rotated), dim=-1).view(B, T * H, -1)
        scores = (
            torch.bmm(q, context.mT).view(B, T, H, -1).to(torch.promote_types(kind, torch.float32)) * c.softmax_scale
        )
        scores.masked_fill_(~rows.visible[:, :, None], float("-inf"))
        p = torch.softmax(scores, dim=-1).to(kind)  # [B, T, H, S]
        o_latent = torch.bmm(p.view(B, T * H, -1), context[..., :C]).view(B * T, H, C)
        o = torch.einsum("nhc,hvc->nhv", o_latent, up[:, c.qk_nope_head_dim :])  # W_UV, absorbed
        return o.flatten(1).to(q_nope.dtype)

    def _queries(self, x: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Content part [B, T, H, N] and rotated part [B, T, H, R]."""
        c = self.config
        q = self.q_proj(x) if c.q_lora_rank is None else self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
        q = q.unflatten(-1, (-1, c.qk_head_dim))
        q_nope, q_rope = q.split([c.qk_nope_head_dim, c.qk_rope_head_dim], dim=-1)
        return q_nope, rotate(q_rope, table, interleave=c.rope_interleave)

    def _latent(self, x: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """What the cache holds: normed latent [B, T, C] and rotated shared key [B, T, R]."""
        c = self.config
        latent, k_rope = self.kv_a_proj_with_mqa(x).split([c.kv_lora_rank, c.qk_rope_head_dim], dim=-1)
        return self.kv_a_layernorm(latent), rotate(k_rope[:, :, None], table, interleave=c.rope_interleave)[:, :, 0]
