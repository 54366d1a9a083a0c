"""One layer of the transformer.

B batch, T tokens, D hidden
"""

from __future__ import annotations

from torch import Tensor, nn

from firesteel.model.attention import GQA, Part
from firesteel.model.cache import CacheView
from firesteel.model.config import ModelConfig
from firesteel.model.layers import RMSNorm, SwiGLU
from firesteel.model.mla import MLA
from firesteel.model.moe import MoE, Routing

ATTENTION: dict[str, type[MLA] | type[GQA]] = {"mla": MLA, "gqa": GQA}


class Block(nn.Module):
    """Pre-norm residual block: attention, then dense or mixture-of-experts feed-forward."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        c, self.layer = config, layer
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn: MLA | GQA = ATTENTION[c.attention](c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp: nn.Module = MoE(c) if c.is_moe(layer) else SwiGLU(c.hidden_size, c.intermediate_size, bias=c.mlp_bias)

    def forward(
        self, x: Tensor, table: Tensor, mask: Tensor | Part | None = None, view: CacheView | None = None,
        routing: Routing | None = None,
    ) -> Tensor:  # fmt: skip
        """x [B, T, D], rotary table and mask of its positions, or a cache window when decoding -> [B, T, D].

        `routing`: see MoE.forward; a layer without experts has none.
        """
        h = self.input_layernorm(x)
        attended = self.self_attn(h, table, mask) if view is None else self.self_attn.extend(h, table, view, self.layer)
        x = x + attended
        h = self.post_attention_layernorm(x)
        out: Tensor = x + (self.mlp(h) if routing is None else self.mlp(h, routing))
        return out
