"""What one process holds while it trains, as the trainer keeps it: state, activations, logits, and what an update borrows.

Elements follow from what each operation saves for backward (read off model/ and kernels/); whole passes measured in processes
of their own agree within 5 % on 23 shapes (tests/compute/keeping.py), 15 % where a layer's attention is its largest part.
"""

from __future__ import annotations

from dataclasses import dataclass

from firesteel.compute.count import Shape, adapter_parameters, parameters
from firesteel.compute.work import FLOAT, KEPT, largest_stack, matrix_parameters, seen
from firesteel.core.config import OptimSettings


@dataclass(frozen=True)
class Pass:
    """What goes through a model together: rows, tokens of each, how many tokens are predicted, bytes of an activation."""

    rows: float
    length: float
    targets: float
    width: int = FLOAT
    passes: int = 1  # micro-batches of an update: from the second on, gradients are there beside activations

    @property
    def tokens(self) -> float:
        """Of all rows."""
        return self.rows * self.length


def kept_bytes(s: Shape, one: Pass) -> float:
    """What forward keeps for backward, and what backward of a layer needs beside it."""
    modules, D, I = s.num_nextn_predict_layers, s.hidden_size, s.moe_intermediate_size  # noqa: E741
    layers, moe, K = s.num_hidden_layers + modules, s.moe_layers + s.moe_modules, s.num_experts_per_tok
    heads, around = _attention(s)
    weights = s.num_attention_heads * one.length * seen(round(one.length)) if one.length <= KEPT else 0.0
    mixture = K * (2 * D + 3 * I) + 4 * s.n_shared_experts * I
    each = 4 * D + heads + around + weights  # two norms: what they take in, and what they give to the maps
    everything = layers * each + moe * mixture + (layers - moe) * 4 * s.intermediate_size + 6 * D * modules
    return one.width * one.tokens * (everything + heads)


def _attention(s: Shape) -> tuple[float, float]:
    """Elements that a token's queries, keys, values and outputs take, and those of the latents around them."""
    H, Q = s.num_attention_heads, s.q_lora_rank or 0
    if s.attention == "gqa":
        return float((2 * H + 2 * s.num_key_value_heads + s.qk_norm * (H + s.num_key_value_heads)) * s.head_dim), 0.0
    heads = H * (2 * s.qk_head_dim + s.qk_nope_head_dim + 2 * s.v_head_dim)
    return float(heads), float(2 * Q + s.cache_width + s.kv_lora_rank)


def logit_bytes(s: Shape, targets: float) -> float:
    """Logits are float32: with their softmax and its gradient three of them, and one more for each prediction module."""
    return FLOAT * (3 + s.num_nextn_predict_layers) * s.vocab_size * targets


def state_bytes(s: Shape, settings: OptimSettings, *, saves: bool = False) -> float:
    """Weights, float32 masters, moments, the moving average; `saves`: also the copy that a checkpoint is written from."""
    everything = parameters(s).total + parameters(s).mtp
    narrow = settings.precision != "float32"
    trained = trainable(s, settings)
    moments = _moments(s, settings)
    own = (2 if narrow else FLOAT) * everything + (FLOAT * trained if narrow else 0)
    copied = own + moments
    return copied * (2 if saves else 1) + (FLOAT * trained if settings.ema_decay else 0)


def trainable(s: Shape, settings: OptimSettings) -> float:
    """Parameters with gradients: all, or the adapters'."""
    counts = parameters(s)
    return adapter_parameters(s, settings.lora_rank) if settings.lora_rank else counts.total + counts.mtp


def _moments(s: Shape, settings: OptimSettings) -> float:
    trained = trainable(s, settings)
    hidden = 0 if settings.lora_rank or settings.optimiser != "muon" else matrix_parameters(s)
    return FLOAT * (2 * trained - hidden)  # AdamW keeps two moments, Muon one


def training_bytes(s: Shape, settings: OptimSettings, one: Pass, *, saves: bool = False) -> float:
    """The process's peak, Python and torch left aside.

    The peak is where backward begins, with every activation, or in the update, with every gradient and Muon's work.
    """
    gradients = FLOAT * trainable(s, settings)
    begins = kept_bytes(s, one) + logit_bytes(s, one.targets) + FLOAT * parameters(s).embedding
    borrowed = 0.0
    if settings.optimiser == "muon" and not settings.lora_rank:
        borrowed = FLOAT * (matrix_parameters(s) + 4 * largest_stack(s))  # directions; a stack and its products
    return state_bytes(s, settings, saves=saves) + max(
        begins + (gradients if one.passes > 1 else 0), gradients + borrowed
    )
