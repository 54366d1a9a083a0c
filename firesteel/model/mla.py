"""Multi-head latent attention (DeepSeek-V2 report §2.1 and App. C, eq. 37-47; V3 report eq. 1-11).

B batch, T new tokens, S cached + new tokens, H heads, D hidden, C kv latent, N content width, R rotary width, V value width

Two modes that compute the same: `forward` expands keys and values per head (training), `extend` keeps queries in the
latent space and attends to the cache as one shared key/value head (decoding; "weight absorption").
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from firesteel.model.attention import Part, attend, gathered
from firesteel.model.cache import CacheView
from firesteel.model.config import ModelConfig
from firesteel.model.layers import Linear, RMSNorm
from firesteel.model.rope import rotate


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
        """Attention of new tokens to the cache, which receives them first. x [B, T, D], table [B, T, 2, R/2] -> [B, T, D]."""
        c = self.config
        B, T, _ = x.shape
        H, N, C = c.num_attention_heads, c.qk_nope_head_dim, c.kv_lora_rank
        q_nope, q_rope = self._queries(x, table)  # [B, T, H, N], [B, T, H, R]
        context = view.update(layer, torch.cat(self._latent(x, table), dim=-1))  # [B, S, C+R]
        up = self.kv_b_proj.effective().view(H, N + c.v_head_dim, C)  # W_UK and W_UV of each head
        q_latent = torch.einsum("bthn,hnc->bthc", q_nope, up[:, :N])  # W_UK^T q: absorption
        q = torch.cat((q_latent, q_rope), dim=-1).view(B, T * H, C + c.qk_rope_head_dim)
        scores = torch.bmm(q, context.transpose(1, 2)).view(B, T, H, -1).float() * c.softmax_scale
        scores = scores.masked_fill(~view.visible[:, :, None], float("-inf"))
        p = torch.softmax(scores, dim=-1).to(x.dtype)  # [B, T, H, S]
        o_latent = torch.bmm(p.view(B, T * H, -1), context[..., :C]).view(B, T, H, C)
        o = torch.einsum("bthc,hvc->bthv", o_latent, up[:, N:])  # W_UV, absorbed
        out: Tensor = self.o_proj(o.reshape(B, T, H * c.v_head_dim))
        return out

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
