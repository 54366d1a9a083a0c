"""The model's shape, with the field names of DeepSeek-V3's Hugging Face config.json."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import Any

from firesteel.core.config import ModelSettings
from firesteel.core.errors import ArtefactError

HF_FIXED = {  # what this implementation always does; a config.json that says otherwise is refused
    "model_type": "deepseek_v3", "hidden_act": "silu", "attention_bias": False, "scoring_func": "sigmoid",
    "topk_method": "noaux_tc", "norm_topk_prob": True, "moe_layer_freq": 1, "rope_interleave": True, "rope_scaling": None,
}  # fmt: skip


@dataclass(frozen=True)
class ModelConfig:
    """Every number that decides the architecture; nothing is decided by a name or a magic width."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    q_lora_rank: int | None  # None: queries straight from the hidden state
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    intermediate_size: int
    first_k_dense_replace: int
    moe_intermediate_size: int
    n_routed_experts: int
    num_experts_per_tok: int
    n_shared_experts: int
    routed_scaling_factor: float
    num_nextn_predict_layers: int
    rope_theta: float
    max_position_embeddings: int
    tie_word_embeddings: bool
    rms_norm_eps: float = 1e-6
    n_group: int = 1
    topk_group: int = 1
    bos_token_id: int = 1
    eos_token_id: int = 2
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        assert self.qk_rope_head_dim % 2 == 0, "rotary width must be even"
        assert self.num_experts_per_tok <= self.n_routed_experts, "top-k exceeds the number of experts"
        assert self.n_routed_experts % self.n_group == 0 and self.topk_group <= self.n_group

    @property
    def qk_head_dim(self) -> int:
        """Width of one head's query and key: content part plus rotary part."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def cache_width(self) -> int:
        """KV elements per token and layer: the latent and the shared rotary key (V2 Table 1)."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    def is_moe(self, layer: int) -> bool:
        """Whether a layer's feed-forward is a mixture of experts; MTP layers (index >= num_hidden_layers) are."""
        return layer >= self.first_k_dense_replace

    def to_hf(self) -> dict[str, Any]:
        """Fields of config.json as transformers reads them."""
        own = dataclasses.asdict(self)
        heads = {"num_key_value_heads": self.num_attention_heads, "head_dim": self.qk_rope_head_dim}
        return {"architectures": ["DeepseekV3ForCausalLM"]} | HF_FIXED | own | heads

    @classmethod
    def from_hf(cls, fields: dict[str, Any]) -> ModelConfig:
        """From config.json. Raises ArtefactError for an architecture this version does not compute."""
        for name, value in HF_FIXED.items():
            if name in fields and fields[name] != value:
                raise ArtefactError(
                    "this model's architecture is not supported",
                    value=f"{name} = {fields[name]!r}",
                    why=f"only {value!r} is",
                )
        known = {f.name: f for f in dataclasses.fields(cls)}
        missing = [n for n, f in known.items() if n not in fields and f.default is dataclasses.MISSING]
        if missing:
            raise ArtefactError("config.json lacks fields", value=", ".join(missing))
        return cls(**{name: fields[name] for name in known if name in fields})

    @classmethod
    def from_settings(cls, settings: ModelSettings, vocab_size: int) -> ModelConfig:
        """From a recipe's [model] table and the tokenizer's vocabulary."""
        given = settings.model_dump(exclude={"bias_update_speed", "seq_aux_alpha"})
        given["q_lora_rank"] = settings.q_lora_rank or None
        if not settings.routed_scaling_factor:
            given["routed_scaling_factor"] = routed_scale(settings.n_routed_experts, settings.num_experts_per_tok)
        return cls(vocab_size=vocab_size, **given)


def routed_scale(experts: int, top_k: int, samples: int = 2000) -> float:
    """Scaling that keeps the routed output's norm: mean over random N(0,1) logits of 1/||p||2, p the renormalised
    top-k sigmoid scores (Moonlight report, Fig. 6: (64, 6) -> 2.446). Seeded, so always the same number.
    """
    import math

    rng = random.Random(0)
    total = 0.0
    for _ in range(samples):
        top = sorted((1 / (1 + math.exp(-rng.gauss(0, 1))) for _ in range(experts)), reverse=True)[:top_k]
        norm = math.sqrt(sum(s * s for s in top)) / sum(top)
        total += 1 / norm
    return round(total / samples, 3)
