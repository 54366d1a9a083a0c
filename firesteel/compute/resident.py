"""What a device of a cluster holds while it trains: weights, gradients, optimiser state, activations, logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from firesteel.compute.count import Shape
from firesteel.compute.layout import Held
from firesteel.core.config import OptimSettings, ParallelSettings

CONTEXT = 4e9  # of a device: the driver's context, buffers of collectives, what the allocator cannot use; assumed


@dataclass(frozen=True)
class Number:
    """Bytes of a number: weights, summed gradients, activations between products, what products take in, a master weight."""

    weight: int
    gradient: int
    activation: int
    product: int
    master: int


NUMBER = {  # gradients of micro-batches are summed in float32 (V3 report, 3.3.3)
    "float32": Number(4, 4, 4, 4, 0), "bfloat16": Number(2, 4, 2, 2, 4), "fp8": Number(2, 4, 2, 1, 4),
}  # fmt: skip


class Piece(Protocol):
    """A micro-batch: its tokens and targets on a device, and how many there are in a step."""

    @property
    def count(self) -> int:
        """In a step."""
        ...

    @property
    def tokens(self) -> float:
        """On a device."""
        ...

    @property
    def targets(self) -> float:
        """Tokens that are predicted."""
        ...


def device_bytes(
    s: Shape, settings: OptimSettings, p: ParallelSettings, held: Held, piece: Piece, waiting: float, number: Number
) -> dict[str, float]:
    """Bytes of the fullest device by kind. `waiting`: micro-batches whose activations it holds at most.

    ZeRO parts the optimiser's state among the data-parallel processes, 3 also weights and gradients. With several
    micro-batches, gradients add up whole before they are summed over processes.
    """
    replicas = p.data // p.expert
    whole = held.shared + held.experts
    parted = held.shared / p.data + held.experts / replicas
    gradients = parted if p.zero == 3 or (p.zero == 2 and piece.count == 1) else whole
    slots = number.master + (4 if settings.optimiser == "muon" else 8) + (4 if settings.ema_decay else 0)
    kept = _kept(s, held, number) * piece.tokens / p.tensor
    return {
        "weights": number.weight * (parted if p.zero == 3 else whole), "gradients": number.gradient * gradients,
        "optimiser": slots * (parted if p.zero else whole), "activations": kept * waiting,
        "logits": 2 * 4 * held.heads * piece.targets * s.vocab_size / p.tensor, "context": CONTEXT,
    }  # fmt: skip


def _kept(s: Shape, held: Held, number: Number) -> float:
    """Bytes that a device's layers keep for a token until backward: what cannot be computed again without products."""
    D, H, product, activation = s.hidden_size, s.num_attention_heads, number.product, number.activation
    between = 2 * D * activation  # inputs of the two norms
    if s.attention == "mla":
        attention = ((s.q_lora_rank or H * s.qk_head_dim) + s.cache_width + H * s.v_head_dim) * activation
    else:
        attention = ((2 * H + 2 * s.num_key_value_heads) * s.head_dim) * activation
    inner = s.moe_intermediate_size
    mixture = s.num_experts_per_tok * (D + 2 * inner) * product + (D + 2 * s.n_shared_experts * inner) * product
    dense = (D + 2 * s.intermediate_size) * product
    each = between + attention + 4 * H  # and the sums of attention's softmax
    return held.layers * each + held.moe_layers * mixture + (held.layers - held.moe_layers) * dense
