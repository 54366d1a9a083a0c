"""What a model's shape amounts to: parameters and cached elements exactly, floating-point operations to learn a token.

Plain arithmetic on the shape, without the model: the equations of DeepSeek-V2 and V3, and of grouped-query attention.
work.py has what one step costs on a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Shape:
    """The numbers of `model.config.ModelConfig` that decide the cost, by the same names."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    attention: str = "mla"  # or gqa
    q_lora_rank: int | None = None  # None or 0: queries straight from the hidden state
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0
    num_key_value_heads: int = 0
    head_dim: int = 0
    qk_norm: bool = False
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    n_routed_experts: int = 0  # 0: every layer is dense
    num_experts_per_tok: int = 0
    n_shared_experts: int = 0
    moe_intermediate_size: int = 0
    first_k_dense_replace: int = 0
    n_group: int = 1  # groups that the experts are parted into
    topk_group: int = 1  # groups that a token may choose from
    topk_method: str = "noaux_tc"  # of the router; noaux_tc has a correction bias for each expert
    num_nextn_predict_layers: int = 0
    tie_word_embeddings: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], **more: Any) -> Shape:
        """From the fields of a ModelConfig, or `ModelSettings.shape()` with `vocab_size`; other fields are left aside."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in {**config, **more}.items() if name in known})

    @property
    def dense_layers(self) -> int:
        """Layers with one dense feed-forward, those of the multi-token prediction modules left out."""
        return (
            min(self.first_k_dense_replace, self.num_hidden_layers) if self.n_routed_experts else self.num_hidden_layers
        )

    @property
    def moe_layers(self) -> int:
        """Layers with a mixture of experts, those of the multi-token prediction modules left out."""
        return self.num_hidden_layers - self.dense_layers

    @property
    def moe_modules(self) -> int:
        """Multi-token prediction modules with a mixture of experts: all, or none."""
        return self.num_nextn_predict_layers if self.n_routed_experts else 0

    @property
    def qk_head_dim(self) -> int:
        """Width of a query or key of one head."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim if self.attention == "mla" else self.head_dim

    @property
    def value_dim(self) -> int:
        """Width of a value of one head."""
        return self.v_head_dim if self.attention == "mla" else self.head_dim

    @property
    def cache_width(self) -> int:
        """KV elements of a token and layer (DeepSeek-V2, Table 1): latent and rotary key; or keys and values of each group."""
        if self.attention == "mla":
            return self.kv_lora_rank + self.qk_rope_head_dim
        return 2 * self.num_key_value_heads * self.head_dim

    @property
    def cache_elements(self) -> int:
        """KV elements of a token over all layers."""
        return self.cache_width * self.num_hidden_layers


@dataclass(frozen=True)
class Parameters:
    """Counts of parameters. `active` and `matrices` are what one token meets; `mtp` is not part of `total`."""

    total: int  # main model, a tied head counted once
    active: int  # main model without the experts that a token does not choose
    matrices: int  # active ones that multiply: no embedding look-up, no norms
    embedding: int  # one table
    mtp: int  # multi-token prediction modules
    mtp_matrices: int  # active matrices of theirs
    biases: int  # correction biases of the routers: not trained by gradients, but part of published totals


def parameters(shape: Shape) -> Parameters:
    """Exact counts, from the sizes of the tensors (DeepSeek-V3 report, eq. 1-16, 21)."""
    s, D = shape, shape.hidden_size
    attention, beside = attention_parameters(s)
    fixed, expert, fixed_bias = _experts(s)
    dense, dense_bias = 3 * D * s.intermediate_size, s.mlp_bias * (2 * s.intermediate_size + D)
    layers, moe, modules = s.num_hidden_layers, s.moe_layers, s.num_nextn_predict_layers
    table, head = s.vocab_size * D, s.vocab_size * D * (not s.tie_word_embeddings)
    chosen = fixed + s.num_experts_per_tok * expert  # matrices that a token meets in a mixture of experts
    matrices = layers * attention + s.dense_layers * dense + moe * chosen
    vectors = layers * (2 * D + beside) + D + s.dense_layers * dense_bias + moe * fixed_bias
    idle = (s.n_routed_experts - s.num_experts_per_tok) * expert
    active = matrices + vectors + table + head
    sparse = s.moe_modules > 0
    block = attention + (chosen if sparse else dense) + 2 * D * D  # with the projection of embedding and hidden state
    block_vectors = 2 * D + beside + 3 * D + (fixed_bias if sparse else dense_bias)  # enorm, hnorm and norm are three
    return Parameters(
        total=active + moe * idle, active=active, matrices=matrices + s.vocab_size * D, embedding=table,
        mtp=modules * (block + block_vectors + sparse * idle), mtp_matrices=modules * (block + s.vocab_size * D),
        biases=moe * s.n_routed_experts * (s.topk_method == "noaux_tc"),
    )  # fmt: skip


def attention_parameters(s: Shape) -> tuple[int, int]:
    """Parameters of one attention layer: matrices, and the vectors beside them (norms, biases)."""
    D, H = s.hidden_size, s.num_attention_heads
    out, out_bias = H * s.value_dim * D, s.o_bias * D
    if s.attention == "gqa":
        into = (H + 2 * s.num_key_value_heads) * s.head_dim
        return D * into + out, s.qkv_bias * into + s.qk_norm * 2 * s.head_dim + out_bias
    Q, down = s.q_lora_rank or 0, s.kv_lora_rank + s.qk_rope_head_dim
    queries = (D * Q + Q * H * s.qk_head_dim) if Q else D * H * s.qk_head_dim
    keys = D * down + s.kv_lora_rank * H * (s.qk_nope_head_dim + s.v_head_dim)
    return queries + keys + out, Q + s.kv_lora_rank + s.qkv_bias * (Q + down) + out_bias


def adapter_parameters(s: Shape, rank: int) -> float:
    """Parameters of adapters of this rank (LoRA) beside every linear map of the layers, experts among them."""
    D, H, I, Q = s.hidden_size, s.num_attention_heads, s.moe_intermediate_size, s.q_lora_rank or 0  # noqa: E741
    if s.attention == "gqa":
        attention = (D + H * s.head_dim) * 2 + 2 * (D + s.num_key_value_heads * s.head_dim)
    else:
        queries = D + Q + Q + H * s.qk_head_dim if Q else D + H * s.qk_head_dim
        latent = D + s.cache_width + s.kv_lora_rank + H * (s.qk_nope_head_dim + s.v_head_dim)
        attention = queries + latent + H * s.v_head_dim + D
    mixture = 3 * s.n_routed_experts * (D + I) + 3 * (D + s.n_shared_experts * I) * (s.n_shared_experts > 0)
    layers, moe = s.num_hidden_layers + s.num_nextn_predict_layers, s.moe_layers + s.moe_modules
    return float(rank * (layers * attention + moe * mixture + (layers - moe) * 3 * (D + s.intermediate_size)))


def _experts(s: Shape) -> tuple[int, int, int]:
    """Of one mixture of experts: matrices of router and shared experts, of one routed expert, and the shared ones' biases."""
    D, shared = s.hidden_size, s.n_shared_experts * s.moe_intermediate_size
    fixed = 3 * D * shared + s.n_routed_experts * D
    return fixed, 3 * D * s.moe_intermediate_size, s.mlp_bias * (2 * shared + D) * (shared > 0)


def training_flops(shape: Shape, length: int, *, computed: float = 0.5, mtp: bool = True) -> float:
    """Floating-point operations to learn from one token in sequences of `length`: 6 N + attention.

    `computed`: share of the score matrix that the kernel works on; 0.5 = causal, as papers count.
    """
    counts = parameters(shape)
    layers = shape.num_hidden_layers + (shape.num_nextn_predict_layers if mtp else 0)
    matrices = counts.matrices + (counts.mtp_matrices if mtp else 0)
    scores = 2 * length * computed * shape.num_attention_heads * (shape.qk_head_dim + shape.value_dim)
    return 6 * matrices + 3 * layers * scores
