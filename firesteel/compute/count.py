"""What a DeepSeek-style model costs: parameters exactly; floating-point operations, memory traffic and operations of a step.

Plain arithmetic on the shape, without the model. Multiplications and parameters follow from the equations of DeepSeek-V2
and V3; traffic and the number of operations are coefficients read off the running model (a test traces it and compares).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

FLOAT = 4  # bytes of a float32, in which models are trained and sampled


@dataclass(frozen=True)
class Shape:
    """The numbers of a model's config.json that decide its cost, by their Hugging Face names."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    intermediate_size: int
    moe_intermediate_size: int
    n_routed_experts: int
    num_experts_per_tok: int
    n_shared_experts: int
    first_k_dense_replace: int
    q_lora_rank: int | None = None  # None or 0: queries straight from the hidden state
    num_nextn_predict_layers: int = 0
    tie_word_embeddings: bool = False
    scoring_func: str = "sigmoid"  # of the router; sigmoid routers have a correction bias for each expert

    @classmethod
    def of(cls, config: Mapping[str, Any], **more: Any) -> Shape:
        """From config.json's fields, or a recipe's [model] table with `vocab_size`; other fields are left aside."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in {**config, **more}.items() if name in known})

    @property
    def dense_layers(self) -> int:
        """Layers with one dense feed-forward."""
        return min(self.first_k_dense_replace, self.num_hidden_layers)

    @property
    def moe_layers(self) -> int:
        """Layers with a mixture of experts, those of the multi-token prediction modules left out."""
        return self.num_hidden_layers - self.dense_layers

    @property
    def qk_head_dim(self) -> int:
        """Width of a query or key of one head."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def cache_elements(self) -> int:
        """KV elements of a token over all layers: (kv_lora_rank + rope) * layers (DeepSeek-V2, Table 1)."""
        return (self.kv_lora_rank + self.qk_rope_head_dim) * self.num_hidden_layers


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
    attention, attention_norms = _attention(s)
    expert = 3 * D * s.moe_intermediate_size
    fixed = s.n_shared_experts * expert + s.n_routed_experts * D  # shared experts and the router
    dense = 3 * D * s.intermediate_size
    layers, moe = s.num_hidden_layers, s.moe_layers
    table, head = s.vocab_size * D, s.vocab_size * D * (not s.tie_word_embeddings)
    norms = layers * (2 * D + attention_norms) + D
    matrices = layers * attention + s.dense_layers * dense + moe * (fixed + s.num_experts_per_tok * expert)
    idle = s.n_routed_experts - s.num_experts_per_tok
    active = matrices + norms + table + head
    block = attention + fixed + s.num_experts_per_tok * expert + 2 * D * D
    block_norms = 2 * D + attention_norms + 3 * D  # the block's two, its attention's, and enorm, hnorm, norm
    return Parameters(
        total=active + moe * idle * expert, active=active, matrices=matrices + s.vocab_size * D, embedding=table,
        mtp=s.num_nextn_predict_layers * (block + block_norms + idle * expert),
        mtp_matrices=s.num_nextn_predict_layers * (block + s.vocab_size * D),
        biases=moe * s.n_routed_experts * (s.scoring_func == "sigmoid"),
    )  # fmt: skip


def _attention(s: Shape) -> tuple[int, int]:
    """Parameters of one attention layer: matrices, norms."""
    D, H, Q = s.hidden_size, s.num_attention_heads, s.q_lora_rank or 0
    queries = (D * Q + Q * H * s.qk_head_dim) if Q else D * H * s.qk_head_dim
    keys = D * (s.kv_lora_rank + s.qk_rope_head_dim) + s.kv_lora_rank * H * (s.qk_nope_head_dim + s.v_head_dim)
    return queries + keys + H * s.v_head_dim * D, Q + s.kv_lora_rank


def training_flops(shape: Shape, length: int, *, computed: float = 0.5, mtp: bool = True) -> float:
    """Floating-point operations to learn from one token in sequences of `length`: 6 N + attention.

    `computed`: share of the score matrix that the kernel works on; 0.5 = causal, as papers count.
    """
    counts = parameters(shape)
    layers = shape.num_hidden_layers + (shape.num_nextn_predict_layers if mtp else 0)
    matrices = counts.matrices + (counts.mtp_matrices if mtp else 0)
    scores = 2 * length * computed * shape.num_attention_heads * (shape.qk_head_dim + shape.v_head_dim)
    return 6 * matrices + 3 * layers * scores


@dataclass(frozen=True)
class Work:
    """What a machine has to do: floating-point operations, bytes read and written, operations started."""

    flops: float = 0.0
    traffic: float = 0.0
    operations: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.traffic + other.traffic, self.operations + other.operations)

    def __mul__(self, times: float) -> Work:
        return Work(self.flops * times, self.traffic * times, self.operations * times)


def learning(shape: Shape, rows: int, length: int, targets: int) -> Work:
    """Forward and backward over rows x length tokens, of which `targets` are predicted; the update is `updating`.

    The fused CPU attention computes the whole score matrix at the width of the keys, and part of it again in backward.
    """
    s, counts, tokens = shape, parameters(shape), rows * length
    mtp = s.num_nextn_predict_layers
    layers, moe = s.num_hidden_layers + mtp, s.moe_layers + mtp
    head = s.vocab_size * s.hidden_size
    linear = 6 * ((counts.matrices + counts.mtp_matrices - (1 + mtp) * head) * tokens + (1 + mtp) * head * targets)
    scores = 14 * tokens * length * layers * s.num_attention_heads * s.qk_head_dim
    D, H, K = s.hidden_size, s.num_attention_heads, s.num_experts_per_tok
    elements = (
        (
            layers * (116 * D + H * (23 * s.qk_head_dim + 39 * s.qk_rope_head_dim))
            + layers * 82 * (s.kv_lora_rank + (s.q_lora_rank or 0))
            + moe * (K * (27 * D + 37 * s.moe_intermediate_size) + 8 * s.n_shared_experts * s.moe_intermediate_size)
            + moe * 22 * s.n_routed_experts
        )
        * tokens
        + 12.3 * (1 + mtp) * s.vocab_size * targets
        + 6 * (counts.total + counts.mtp)
    )
    busy = min(s.n_routed_experts, tokens * K)
    return Work(linear + scores, FLOAT * elements, 160 * layers + moe * (68 + 5.7 * busy) + 121 * mtp)


def kept_bytes(shape: Shape, tokens: int, targets: int) -> float:
    """Memory that a forward pass over `tokens` keeps for the backward pass; measured on nine shapes, 6 % off at worst."""
    s = shape
    layers = s.num_hidden_layers + s.num_nextn_predict_layers
    per_token = layers * (27 * s.hidden_size + 7 * s.num_attention_heads * s.qk_head_dim)
    return FLOAT * (per_token * tokens + 2.9 * (1 + s.num_nextn_predict_layers) * s.vocab_size * targets)


def updating(shape: Shape, optimiser: str) -> Work:
    """One optimiser step: gradient norm, clipping, and AdamW or Muon (five Newton-Schulz steps a hidden matrix)."""
    s, counts = shape, parameters(shape)
    everything = counts.total + counts.mtp
    if optimiser != "muon":
        return Work(20 * everything, FLOAT * 6 * everything, 60)
    tables = counts.embedding * (1 if s.tie_word_embeddings else 2)
    layers = s.num_hidden_layers + s.num_nextn_predict_layers
    flops = sum(count * _newton_schulz(a, b) for count, a, b in _hidden_matrices(s))
    return Work(flops, FLOAT * (58 * (everything - tables) + 4 * tables), 127 + 44 * layers)


def _newton_schulz(a: int, b: int) -> float:
    a, b = min(a, b), max(a, b)
    return 5 * (4 * a * a * b + 2 * a**3)


def _hidden_matrices(s: Shape) -> list[tuple[int, int, int]]:
    """(how many, rows, columns) of every matrix that Muon updates, as the model stores them."""
    D, H, Q, I = s.hidden_size, s.num_attention_heads, s.q_lora_rank or 0, s.moe_intermediate_size  # noqa: E741
    layers, moe = s.num_hidden_layers + s.num_nextn_predict_layers, s.moe_layers + s.num_nextn_predict_layers
    queries = [(layers, Q, D), (layers, H * s.qk_head_dim, Q)] if Q else [(layers, H * s.qk_head_dim, D)]
    return [
        *queries,
        (layers, s.kv_lora_rank + s.qk_rope_head_dim, D),
        (layers, H * (s.qk_nope_head_dim + s.v_head_dim), s.kv_lora_rank),
        (layers, D, H * s.v_head_dim),
        (3 * s.dense_layers, D, s.intermediate_size),
        (3 * moe, D, s.n_shared_experts * I),
        (moe * s.n_routed_experts, 2 * I, D),
        (moe * s.n_routed_experts, D, I),
        (s.num_nextn_predict_layers, D, 2 * D),
    ]


def extending(shape: Shape, rows: int, new: int, context: float) -> Work:
    """One call of the cached forward: `new` tokens in each of `rows` rows that see `context` positions; one is sampled."""
    s, counts, tokens = shape, parameters(shape), rows * new
    L, moe, H, C = s.num_hidden_layers, s.moe_layers, s.num_attention_heads, s.kv_lora_rank
    head = s.vocab_size * s.hidden_size
    scores = L * H * context * (2 * C + s.qk_rope_head_dim)
    flops = 2 * tokens * (counts.matrices - head + scores) + 2 * rows * head
    per_token = (
        L * (31 * s.hidden_size + 6 * H * (s.qk_head_dim + C) + 10 * (C + s.qk_rope_head_dim + (s.q_lora_rank or 0)))
        + moe * (8 * s.num_experts_per_tok * s.hidden_size + 19 * s.n_routed_experts)
        + moe * 9 * (s.num_experts_per_tok + s.n_shared_experts) * s.moe_intermediate_size
        + 8 * s.dense_layers * s.intermediate_size
        + 8.5 * L * H * context
    )
    per_row = 2.4 * s.vocab_size + 6 * L * context * (C + s.qk_rope_head_dim)
    busy = min(s.n_routed_experts, tokens * s.num_experts_per_tok)
    elements = per_token * tokens + per_row * rows + 0.6 * counts.total
    return Work(flops, FLOAT * elements, 47 + 48 * L + moe * (31 + 1.8 * busy))
