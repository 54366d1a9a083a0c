"""Multi-token prediction (DeepSeek-V3 report §2.2, eq. 21-25): further heads that share the embedding and the output head.

B batch, T tokens, D hidden
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from firesteel.model.attention import Part
from firesteel.model.block import Block
from firesteel.model.cache import CacheView
from firesteel.model.config import ModelConfig
from firesteel.model.layers import Linear, RMSNorm


class MTP(nn.Module):
    """Module k: from h^{k-1}_i and the embedding of token i+k to the state h^k_i, which predicts token i+k+1.

    The projection takes [embedding ; hidden], the order of the released weights (eq. 21 prints the opposite). Both the main
    model's states and a module's own are passed on after their final norm.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.enorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = Linear(2 * config.hidden_size, config.hidden_size, bias=False)  # M_k
        self.block = Block(config, layer)  # TRM_k
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, hidden: Tensor, following: Tensor, table: Tensor, mask: Tensor | Part | None = None,
        view: CacheView | None = None,
    ) -> Tensor:  # fmt: skip
        """hidden [B, T, D] and embeddings of the following tokens [B, T, D] -> states that predict the token after [B, T, D].

        `mask` or, when decoding, `view` as in Block.forward.
        """
        x = self.eh_proj(torch.cat((self.enorm(following), self.hnorm(hidden)), dim=-1))
        out: Tensor = self.norm(self.block(x, table, mask, view))
        return out
