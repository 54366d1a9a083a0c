"""The model's shape: every number that decides the architecture, under the names of the Hugging Face configs.

Nothing is decided by a model's name or a magic width. families.py reads and writes config.json.
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from firesteel.core.config import ModelSettings

ATTENTIONS = ("mla", "gqa")
SCORING = ("sigmoid", "softmax")
TOPK = ("noaux_tc", "greedy", "group_limited_greedy")  # bias-corrected (V3); plain; groups judged by their best (V2)
LARGEST, MOST_LAYERS, MOST_EXPERTS = 10**8, 4096, 65_536  # beyond these a file is not telling the truth
SCALINGS = ("linear", "llama3", "yarn")


@dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched to a longer context; rope.py has the equations of each kind."""

    kind: str  # of SCALINGS
    factor: float
    original_max_position_embeddings: int = 0  # context before stretching; linear does not need it
    beta_fast: float = 32.0  # yarn: rotations within the original context above which a frequency stays
    beta_slow: float = 1.0  # yarn: below which it is divided by the factor
    mscale: float = (
        0.0  # yarn: cos and sin are multiplied by m(mscale) / m(mscale_all_dim), m(x) = 0.1 x ln(factor) + 1
    )
    mscale_all_dim: float = 0.0  # MLA's softmax scale is multiplied by m(mscale_all_dim) squared, whatever the kind
    attention_factor: float | None = None  # yarn: in place of that quotient, where given
    truncate: bool = True  # yarn: the ramp's ends are whole dimensions
    low_freq_factor: float = 1.0  # llama3
    high_freq_factor: float = 4.0  # llama3

    def __post_init__(self) -> None:
        assert self.kind in SCALINGS, f"rope scaling {self.kind!r} is none of {', '.join(SCALINGS)}"
        check_types(self)
        assert min(self.factor, self.beta_fast, self.beta_slow) > 0, "the factors of rope scaling must be positive"
        assert self.kind == "linear" or self.original_max_position_embeddings > 0, "the original context is missing"


@dataclass(frozen=True)
class ModelConfig:
    """One decoder-only transformer: attention MLA or GQA, feed-forward dense or mixture of experts, rotary positions."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int  # of a dense SwiGLU layer
    max_position_embeddings: int
    attention: str = "mla"  # of ATTENTIONS; MHA is GQA with as many key/value heads as heads
    # MLA
    q_lora_rank: int | None = None  # None: queries straight from the hidden state
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0
    latent_norm_eps: float = (
        1e-6  # of the norms on the latents: the references' own default, whatever rms_norm_eps says
    )
    # GQA
    num_key_value_heads: int = 0
    head_dim: int = 0
    qk_norm: bool = False  # RMSNorm on each query and key head (Qwen3)
    # biases
    qkv_bias: bool = False  # GQA: q, k, v projections; MLA: the projections down to the latents
    o_bias: bool = False
    mlp_bias: bool = False  # dense feed-forward and shared experts
    # positions
    rope_theta: float = 10_000.0
    rope_interleave: bool = True  # pairs (x0, x1), (x2, x3), ... as DeepSeek; False: (x0, x_{R/2}), ... as Llama
    rope_scaling: RopeScaling | None = None
    # mixture of experts; none where n_routed_experts is 0
    n_routed_experts: int = 0
    num_experts_per_tok: int = 0
    n_shared_experts: int = 0
    moe_intermediate_size: int = 0  # of one expert
    first_k_dense_replace: int = 0  # leading layers that stay dense
    scoring_func: str = "sigmoid"  # of SCORING
    topk_method: str = "noaux_tc"  # of TOPK
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 1.0
    n_group: int = 1
    topk_group: int = 1
    # heads
    num_nextn_predict_layers: int = 0  # multi-token prediction modules
    tie_word_embeddings: bool = False
    rms_norm_eps: float = 1e-6
    bos_token_id: int | None = None
    eos_token_id: int | tuple[int, ...] | None = None
    pad_token_id: int | None = None

    def __post_init__(self) -> None:
        check_types(self)
        sizes = [v for v in vars(self).values() if isinstance(v, int)]
        assert max(sizes) <= LARGEST and min(sizes) >= 0, f"a size is negative or above {LARGEST:,}"
        layers = self.num_hidden_layers + self.num_nextn_predict_layers
        assert layers <= MOST_LAYERS and self.n_routed_experts <= MOST_EXPERTS, "too many layers or experts to be true"
        assert self.rms_norm_eps > 0 and self.latent_norm_eps > 0 and self.rope_theta > 1, (
            "an epsilon or theta is too small"
        )
        assert min(self.vocab_size, self.hidden_size, self.num_hidden_layers, self.num_attention_heads) > 0, (
            "a size is 0"
        )
        assert self.attention in ATTENTIONS, f"attention {self.attention!r} is none of {', '.join(ATTENTIONS)}"
        assert self.rope_dim > 0 and self.rope_dim % 2 == 0, "rotary width must be even"
        if self.attention == "mla":
            assert min(self.kv_lora_rank, self.qk_nope_head_dim, self.v_head_dim) > 0, "a width of MLA is missing"
        else:
            assert self.num_key_value_heads > 0, "num_key_value_heads is missing"
            assert self.num_attention_heads % self.num_key_value_heads == 0, "key/value heads must divide the heads"
        if self.n_routed_experts:
            self._check_experts()
        if not self.n_routed_experts or self.first_k_dense_replace:
            assert self.intermediate_size > 0, "intermediate_size is missing"

    def _check_experts(self) -> None:
        assert self.scoring_func in SCORING, f"scoring_func {self.scoring_func!r} is none of {', '.join(SCORING)}"
        assert self.topk_method in TOPK, f"topk_method {self.topk_method!r} is none of {', '.join(TOPK)}"
        assert 0 < self.num_experts_per_tok <= self.n_routed_experts, (
            "top-k must be between 1 and the number of experts"
        )
        assert self.moe_intermediate_size > 0, "moe_intermediate_size is missing"
        assert self.n_routed_experts % self.n_group == 0 and 0 < self.topk_group <= self.n_group, "groups do not fit"
        per_group = self.n_routed_experts // self.n_group
        assert self.n_group == 1 or self.topk_group * per_group >= self.num_experts_per_tok, (
            "too few experts in the groups"
        )

    @property
    def qk_head_dim(self) -> int:
        """Width of one head's query and key; MLA's is a content part plus a rotary part."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim if self.attention == "mla" else self.head_dim

    @property
    def value_dim(self) -> int:
        """Width of one head's value."""
        return self.v_head_dim if self.attention == "mla" else self.head_dim

    @property
    def rope_dim(self) -> int:
        """Width that is rotated."""
        return self.qk_rope_head_dim if self.attention == "mla" else self.head_dim

    @property
    def softmax_scale(self) -> float:
        """What scores are multiplied by: 1/sqrt(width), for stretched MLA times m(mscale_all_dim)^2 (DeepSeek's code)."""
        scale: float = self.qk_head_dim**-0.5
        scaling = self.rope_scaling
        if self.attention == "mla" and scaling and scaling.mscale_all_dim:
            scale *= yarn_mscale(scaling.factor, scaling.mscale_all_dim) ** 2
        return scale

    @property
    def cache_parts(self) -> tuple[int, ...]:
        """Widths of what a layer caches for a token: latent and shared rotary key; or keys, then values, head by head."""
        if self.attention == "mla":
            return (self.kv_lora_rank, self.qk_rope_head_dim)
        return (self.head_dim,) * (2 * self.num_key_value_heads)

    @property
    def cache_width(self) -> int:
        """KV elements per token and layer (DeepSeek-V2 report, Table 1)."""
        return sum(self.cache_parts)

    def is_moe(self, layer: int) -> bool:
        """Whether a layer's feed-forward is a mixture of experts; MTP layers (index >= num_hidden_layers) are."""
        return self.n_routed_experts > 0 and layer >= self.first_k_dense_replace

    @classmethod
    def from_settings(cls, settings: ModelSettings, vocab_size: int) -> ModelConfig:
        """From a recipe's [model] table and the tokenizer's vocabulary."""
        given = settings.shape()
        if given["rope_scaling"]:
            given["rope_scaling"] = RopeScaling(**given["rope_scaling"])
        if given.get("routed_scaling_factor") == 0:
            keys = ("n_routed_experts", "num_experts_per_tok", "scoring_func", "norm_topk_prob")
            given["routed_scaling_factor"] = routed_scale(*(given[key] for key in keys))
        return cls(vocab_size=vocab_size, bos_token_id=1, eos_token_id=2, pad_token_id=0, **given)

    def replace(self, **changes: Any) -> ModelConfig:
        """The same config with some fields changed."""
        return dataclasses.replace(self, **changes)


def check_types(config: Any) -> None:
    """Assert that every field of a dataclass holds what its annotation says, and that numbers are finite."""
    for name, kind in get_type_hints(type(config)).items():
        value = getattr(config, name)
        kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
        kinds = tuple(get_origin(k) or k for k in kinds)
        right = isinstance(value, kinds) or (float in kinds and isinstance(value, int))
        assert right and (bool in kinds or not isinstance(value, bool)), f"{name} = {value!r} is of the wrong type"
        assert not isinstance(value, float) or math.isfinite(value), f"{name} = {value!r} is not finite"
        assert not isinstance(value, tuple) or all(type(v) is int for v in value), (
            f"{name} = {value!r} is no list of ids"
        )


def yarn_mscale(factor: float, mscale: float) -> float:
    """YaRN's attention temperature sqrt(t) = 0.1 mscale ln(factor) + 1 (V3 report §4.3); 1 where nothing is stretched."""
    return 0.1 * mscale * math.log(factor) + 1.0 if factor > 1 else 1.0


def routed_scale(
    experts: int, top_k: int, scoring: str = "sigmoid", renormalised: bool = True, samples: int = 2000
) -> float:
    """Scaling that keeps the routed output's norm: mean over random N(0,1) logits of 1/||gates||2, the gates being the
    top-k scores, renormalised or not (Moonlight report, Fig. 6: (64, 6) -> 2.446). Seeded, so always the same number.
    """
    rng = random.Random(0)
    total = 0.0
    for _ in range(samples):
        logits = [rng.gauss(0, 1) for _ in range(experts)]
        if scoring == "sigmoid":
            scores = [1 / (1 + math.exp(-x)) for x in logits]
        else:
            whole = sum(math.exp(x) for x in logits)
            scores = [math.exp(x) / whole for x in logits]
        top = sorted(scores, reverse=True)[:top_k]
        norm = math.sqrt(sum(s * s for s in top)) / (sum(top) if renormalised else 1.0)
        total += 1 / norm
    return round(total / samples, 3)
