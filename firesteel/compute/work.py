"""What a step of a model asks of a machine: floating-point operations, memory traffic, operations started.

Multiplications follow from the equations (count.py); traffic and the number of operations are coefficients read off the
running model (a test traces it and compares).
"""

from __future__ import annotations

from dataclasses import dataclass

from firesteel.compute.count import Shape, parameters

FLOAT = 4  # bytes of a float32, in which models are trained and sampled
CHUNK = 128  # queries that attention takes at a time in training, as kernels.attention
KEPT = 512  # tokens up to which attention keeps its weights for backward, as kernels.attention


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

    Attention goes by chunks of queries that see no later chunk; backward computes the scores of long sequences again
    (kernels.attention).
    """
    s, counts, tokens = shape, parameters(shape), rows * length
    modules = s.num_nextn_predict_layers
    layers, moe, D = s.num_hidden_layers + modules, s.moe_layers + s.moe_modules, s.hidden_size
    head = s.vocab_size * D
    linear = 6 * (
        (counts.matrices + counts.mtp_matrices - (1 + modules) * head) * tokens + (1 + modules) * head * targets
    )
    pairs = layers * s.num_attention_heads * tokens * length * seen(length)
    per_token = (
        layers * (86 * D + _attention_traffic(s))
        + moe * _mixture_traffic(s)
        + (layers - moe) * 23 * s.intermediate_size
        + 33 * (1 + modules) * D
    )
    experts = 3 * moe * s.n_routed_experts * D * s.moe_intermediate_size  # their gradients start as zeros
    weights = 6 * experts + 1.9 * (counts.total + counts.mtp - experts)
    elements = per_token * tokens + 22 * pairs + 12.3 * (1 + modules) * s.vocab_size * targets + weights
    busy = min(s.n_routed_experts, tokens * s.num_experts_per_tok)
    started = (153 if s.attention == "mla" else 120 + 20 * s.qk_norm) + 21 * (-(-length // CHUNK) - 1)
    started = 38 + 77 * modules + layers * started + moe * (54 + 6 * busy + 17 * (s.n_shared_experts > 0))
    scores = 6 if length <= KEPT else 8
    return Work(linear + pairs * (scores * s.qk_head_dim + 6 * s.value_dim), FLOAT * elements, started)


def seen(length: int) -> float:
    """Share of the score matrix that causal attention by chunks computes: 1 for one chunk, towards a half for many."""
    ends = [min(start + CHUNK, length) for start in range(0, length, CHUNK)]
    return sum((end - start) * end for start, end in zip(range(0, length, CHUNK), ends, strict=True)) / length**2


def _attention_traffic(s: Shape) -> float:
    """Elements that attention moves for a token of a layer in training, beside scores and what grows with the hidden width."""
    H = s.num_attention_heads
    if s.attention == "gqa":
        return s.head_dim * ((48 + 15 * s.qk_norm) * H + (44 + 15 * s.qk_norm) * s.num_key_value_heads)
    heads = 41 * s.qk_nope_head_dim + 59 * s.qk_rope_head_dim + 29 * s.v_head_dim
    return H * heads + 18 * (s.kv_lora_rank + (s.q_lora_rank or 0))


def _mixture_traffic(s: Shape) -> float:
    """Elements that a mixture of experts moves for a token in training, over those of any layer."""
    D, expert, shared = s.hidden_size, s.moe_intermediate_size, s.n_shared_experts
    routed = s.num_experts_per_tok * (21 * D + 23 * expert) + 22 * s.n_routed_experts - 11 * D
    return routed + 27 * shared * expert + 15 * D * (shared > 0)


def updating(shape: Shape, optimiser: str) -> Work:
    """One optimiser step: gradient norm, clipping, and AdamW or Muon (five Newton-Schulz steps a hidden matrix)."""
    s, counts = shape, parameters(shape)
    everything = counts.total + counts.mtp
    if optimiser != "muon":
        return Work(20 * everything, FLOAT * 6 * everything, 60)
    tables = counts.embedding * (1 if s.tie_word_embeddings else 2)
    layers = s.num_hidden_layers + s.num_nextn_predict_layers
    flops = newton_schulz(s)
    return Work(flops, FLOAT * (58 * (everything - tables) + 4 * tables), 127 + 44 * layers)


def newton_schulz(shape: Shape) -> float:
    """Floating-point operations of Muon's five steps on every hidden matrix."""
    each = ((count, min(a, b), max(a, b)) for count, a, b in _hidden_matrices(shape))
    return float(sum(5 * count * (4 * a * a * b + 2 * a**3) for count, a, b in each))


def matrix_parameters(shape: Shape) -> float:
    """Parameters that Muon updates: all matrices but tables and routers."""
    return float(sum(count * a * b for count, a, b in _hidden_matrices(shape)))


def largest_stack(shape: Shape) -> float:
    """Elements of the most matrices of one shape, which Muon takes together."""
    stacks: dict[tuple[int, int], float] = {}
    for count, a, b in _hidden_matrices(shape):
        stacks[a, b] = stacks.get((a, b), 0.0) + count * a * b
    return max(stacks.values())


def _hidden_matrices(s: Shape) -> list[tuple[int, int, int]]:
    """(how many, rows, columns) of every matrix that Muon updates, as the model stores them."""
    D, I = s.hidden_size, s.moe_intermediate_size  # noqa: E741
    modules = s.num_nextn_predict_layers
    layers, moe = s.num_hidden_layers + modules, s.moe_layers + s.moe_modules
    return [
        *((layers, rows, columns) for rows, columns in _attention_matrices(s)),
        (3 * (layers - moe), D, s.intermediate_size),
        (3 * moe, D, s.n_shared_experts * I),
        (moe * s.n_routed_experts, 2 * I, D),
        (moe * s.n_routed_experts, D, I),
        (modules, D, 2 * D),
    ]


def _attention_matrices(s: Shape) -> list[tuple[int, int]]:
    """(rows, columns) of one attention layer's matrices."""
    D, H, Q = s.hidden_size, s.num_attention_heads, s.q_lora_rank or 0
    out = (D, H * s.value_dim)
    if s.attention == "gqa":
        keys = (s.num_key_value_heads * s.head_dim, D)
        return [(H * s.head_dim, D), keys, keys, out]
    queries = [(Q, D), (H * s.qk_head_dim, Q)] if Q else [(H * s.qk_head_dim, D)]
    latent = [(s.kv_lora_rank + s.qk_rope_head_dim, D), (H * (s.qk_nope_head_dim + s.v_head_dim), s.kv_lora_rank)]
    return [*queries, *latent, out]


def extending(shape: Shape, rows: int, new: int, context: float) -> Work:
    """One call of the cached forward: `new` tokens in each of `rows` rows that see `context` positions; one is sampled."""
    s, counts, tokens = shape, parameters(shape), rows * new
    L, moe, H = s.num_hidden_layers, s.moe_layers, s.num_attention_heads
    head = s.vocab_size * s.hidden_size
    # scores and values at the width of what is cached: MLA's heads all read the one latent ("absorbed")
    widths = 2 * s.kv_lora_rank + s.qk_rope_head_dim if s.attention == "mla" else 2 * s.head_dim
    flops = 2 * tokens * (counts.matrices - head + L * H * context * widths) + 2 * rows * head
    beside, logits, weights = (31 * s.hidden_size, 2.4, 0.6) if moe else (25 * s.hidden_size, 2.9, 1.0)
    once, each = _cached_traffic(s, context)
    per_token = (
        L * (beside + each)
        + moe * (8 * s.num_experts_per_tok * s.hidden_size + 19 * s.n_routed_experts)
        + moe * 9 * (s.num_experts_per_tok + s.n_shared_experts) * s.moe_intermediate_size
        + 8 * s.dense_layers * s.intermediate_size
    )
    per_row = logits * s.vocab_size + L * once
    busy = min(s.n_routed_experts, tokens * s.num_experts_per_tok)
    elements = per_token * tokens + per_row * rows + weights * counts.total
    started = 47 + 48 * L if s.attention == "mla" else 31 + (50 + 14 * s.qk_norm) * L
    return Work(flops, FLOAT * elements, started + moe * (31 + 1.8 * busy))


def _cached_traffic(s: Shape, context: float) -> tuple[float, float]:
    """Elements that attention to the cache moves in a layer: once for a row, and for each of its new tokens."""
    H, G = s.num_attention_heads, s.num_key_value_heads
    if s.attention == "gqa":
        new = (17 + 8 * s.qk_norm) * (H + G) * s.head_dim
        return 10 * G * s.head_dim * context, new + (5 + 0.7 * H) * context
    new = 6 * H * (s.qk_head_dim + s.kv_lora_rank) + 10 * (s.cache_width + (s.q_lora_rank or 0))
    return 6 * context * s.cache_width, new + 8.5 * H * context
