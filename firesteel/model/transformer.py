"""The whole model, and the two ways through it: whole sequences, and extension of a cache.

B batch, T tokens, D hidden, V vocabulary
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from firesteel.core.errors import UserError
from firesteel.kernels.linear import product_dtype
from firesteel.kernels.table import kernel
from firesteel.model.block import Block
from firesteel.model.cache import CacheView
from firesteel.model.config import ModelConfig
from firesteel.model.layers import Embedding, Linear, RMSNorm
from firesteel.model.moe import MoE
from firesteel.model.mtp import MTP
from firesteel.model.rope import Rope


class Transformer(nn.Module):
    """A decoder-only language model; the same module trains, samples, serves and is exported.

    A new one's weights are unset memory until `initialise` or a file fills them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = self.config = config
        self.embed_tokens = Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList(Block(c, i) for i in range(c.num_hidden_layers))
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mtp = nn.ModuleList(MTP(c, c.num_hidden_layers + k) for k in range(c.num_nextn_predict_layers))
        self.lm_head = None if c.tie_word_embeddings else Linear(c.hidden_size, c.vocab_size, bias=False)
        self.rope = Rope(c)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embed_tokens.weight.device

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """tokens [B, T] -> normed final states [B, T, D]; each token sees itself and earlier ones.

        `segments` [B, T] (integers): a token sees only tokens of its own segment. That keeps packed documents apart, and
        padding on either side out: give it a segment of its own. Padding on the right needs nothing. Rotary attention
        depends on distances alone, so positions run through from 0. Raises UserError past max_position_embeddings.
        """
        table, mask = self._places(tokens, segments)
        x = self._embedded(tokens)
        for block in self.layers:
            x = block(x, table, mask)
        out: Tensor = self.norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """States [..., D] -> float32 logits [..., V]."""
        weight = self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        logits: Tensor = kernel("linear", hidden.device.type)(hidden, weight)
        return logits.float()

    def predict_further(self, hidden: Tensor, tokens: Tensor, segments: Tensor | None = None) -> list[Tensor]:
        """States of each MTP module (V3 report eq. 21-23). hidden [B, T, D] from `forward(tokens, segments)`.

        Of module k = 1, 2, ...: [B, T-k, D], whose state i knows tokens up to i+k and predicts token i+k+1.
        """
        states = []
        table, mask = self._places(tokens, segments)
        for k, module in enumerate(self.mtp, start=1):
            if tokens.shape[1] <= k:
                break
            seen = None if mask is None else mask[:, :, :-k, :-k]
            hidden = module(hidden[:, : tokens.shape[1] - k], self._embedded(tokens[:, k:]), table[:, :-k], seen)
            states.append(hidden)
        return states

    @torch.no_grad()
    def extend(self, tokens: Tensor, view: CacheView) -> Tensor:
        """Continue rows whose earlier tokens are cached; writes the new ones into the cache.

        tokens [B, T] right-padded; `view` (PagedCache.view, ContiguousCache.view) says how many are cached and new. Returns
        logits [B, V] after each row's last real token. Logits of a row do not depend on the padding.
        """
        x = self.embed_tokens(tokens)
        table = self.rope(view.positions)
        for block in self.layers:
            x = block(x, table, view=view)
        last = x[torch.arange(len(x), device=x.device), view.last]
        return self.logits(self.norm(last))

    def _embedded(self, tokens: Tensor) -> Tensor:
        """Embeddings [B, T, D], in the dtype that this machine computes activations in (kernels/linear.py)."""
        x: Tensor = self.embed_tokens(tokens)
        return x.to(product_dtype(x))

    def _places(self, tokens: Tensor, segments: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Rotary table [1, T, 2, R/2], and who sees whom [B, 1, T, T] where causality alone does not say it."""
        T, longest = tokens.shape[1], self.config.max_position_embeddings
        if T > longest:
            raise UserError(
                "a sequence is longer than the model's context", value=T, why=f"the model has {longest} positions"
            )
        position = torch.arange(T, device=tokens.device)
        table = self.rope(position[None])
        if segments is None:
            return table, None
        together = segments[:, :, None] == segments[:, None, :]
        return table, (together & (position[:, None] >= position)).unsqueeze(1)

    def moe_layers(self) -> list[MoE]:
        """Every mixture-of-experts layer, the MTP modules' included."""
        return [m for m in self.modules() if isinstance(m, MoE)]

    def initialise(self, generator: torch.Generator) -> None:
        """Random weights N(0, 1/fan_in), embeddings N(0, 1/D); into the residual stream scaled by 1/sqrt(2 layers)."""
        residual = 1 / math.sqrt(2 * self.config.num_hidden_layers)
        for name, p in self.named_parameters():
            if p.ndim < 2:
                if name.endswith("bias"):
                    nn.init.zeros_(p)
                continue
            scale = residual if name.endswith(("o_proj.weight", "down_proj.weight", ".down")) else 1.0
            std = scale / math.sqrt(p.shape[-1])
            nn.init.normal_(p, std=std, generator=generator)
