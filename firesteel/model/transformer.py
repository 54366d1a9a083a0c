"""The whole model: blocks, multi-token prediction, and the two ways through them (whole sequences, cached extension).

B batch, T tokens, D hidden, V vocabulary, NB cache blocks a row
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firesteel.model.attention import MLA
from firesteel.model.cache import CacheView, PagedCache
from firesteel.model.config import ModelConfig
from firesteel.model.layers import RMSNorm, SwiGLU, rope_table
from firesteel.model.moe import MoE


class Block(nn.Module):
    """Pre-norm residual block: attention, then dense or mixture-of-experts feed-forward."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = MLA(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp: nn.Module = (
            MoE(config) if config.is_moe(layer) else SwiGLU(config.hidden_size, config.intermediate_size)
        )

    def forward(self, x: Tensor, table: Tensor, view: CacheView | None = None) -> Tensor:
        """x [B, T, D], rotary table of its positions, cache window when decoding -> [B, T, D]."""
        h = self.input_layernorm(x)
        x = x + (self.self_attn(h, table) if view is None else self.self_attn.extend(h, table, view, self.layer))
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class MTP(nn.Module):
    """One multi-token prediction module (V3 report eq. 21-23): from h_i and the next token's embedding to token i+2.

    The projection takes [embedding ; hidden], the order of the released weights (eq. 21 prints the opposite).
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.enorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = Block(config, layer)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden: Tensor, following: Tensor, table: Tensor) -> Tensor:
        """hidden [B, T, D] and embeddings of the following tokens [B, T, D] -> states that predict the token after [B, T, D]."""
        x = self.eh_proj(torch.cat((self.enorm(following), self.hnorm(hidden)), dim=-1))
        out: Tensor = self.norm(self.block(x, table))
        return out


class Transformer(nn.Module):
    """A DeepSeek-V3 language model; the same module trains, samples, serves and is exported."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = self.config = config
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Block(c, i) for i in range(c.num_hidden_layers))
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mtp = nn.ModuleList(MTP(c, c.num_hidden_layers + k) for k in range(c.num_nextn_predict_layers))
        self.lm_head = None if c.tie_word_embeddings else nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        self.rope: Tensor
        table = rope_table(c.qk_rope_head_dim, c.rope_theta, c.max_position_embeddings)
        self.register_buffer("rope", table, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [B, T] -> normed final states [B, T, D]; causal, positions from 0. Padding belongs on the right."""
        assert tokens.shape[1] <= self.config.max_position_embeddings, "longer than max_position_embeddings"
        x = self.embed_tokens(tokens)
        table = self.rope[None, : tokens.shape[1]]
        for block in self.layers:
            x = block(x, table)
        out: Tensor = self.norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """States [..., D] -> float32 logits [..., V]."""
        weight = self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        return F.linear(hidden, weight).float()

    def predict_further(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """States of the first MTP module. hidden [B, T, D] from `forward(tokens)`; state i (of T-1) predicts token i+2."""
        following = self.embed_tokens(tokens[:, 1:])
        out: Tensor = self.mtp[0](hidden[:, :-1], following, self.rope[None, : tokens.shape[1] - 1])
        return out

    @torch.no_grad()
    def extend(self, tokens: Tensor, cached: Tensor, new: Tensor, tables: Tensor, cache: PagedCache) -> Tensor:
        """Continue rows whose earlier tokens are cached; writes the new ones into the cache.

        tokens [B, T] right-padded, cached [B] tokens already there, new [B] real new tokens (1..T), tables [B, NB].
        Returns logits [B, V] after each row's last real token. Logits of a row do not depend on the padding.
        """
        view = cache.view(cached, new, tables, tokens.shape[1])
        x = self.embed_tokens(tokens)
        table = self.rope[view.positions.clamp(max=self.rope.shape[0] - 1)]
        for block in self.layers:
            x = block(x, table, view)
        last = x[torch.arange(len(new), device=x.device), new - 1]
        return self.logits(self.norm(last))

    def moe_layers(self) -> list[MoE]:
        """Every mixture-of-experts layer, the MTP modules' included."""
        return [m for m in self.modules() if isinstance(m, MoE)]

    def initialise(self, generator: torch.Generator) -> None:
        """Random weights N(0, 1/fan_in), embeddings N(0, 1/D); into the residual stream scaled by 1/sqrt(2 layers)."""
        residual = 1 / math.sqrt(2 * self.config.num_hidden_layers)
        for name, p in self.named_parameters():
            if p.ndim < 2:
                continue
            scale = residual if name.endswith(("o_proj.weight", "down_proj.weight", ".down")) else 1.0
            std = scale / math.sqrt(p.shape[-1])
            nn.init.normal_(p, std=std, generator=generator)
