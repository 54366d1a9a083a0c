"""How the recipe's [parallel] table parts a model among devices: layers among stages, experts, rows, and what stays whole.

Devices are numbered as compute/mesh.py numbers them, outermost axis first: pipeline, data (experts are its inner part),
context, tensor. So a group along an inner axis lies within a node as long as it fits.
"""

from __future__ import annotations

from dataclasses import dataclass

from firesteel.compute.count import Shape, attention_parameters, parameters
from firesteel.core.config import ParallelSettings

CHUNKS = {"1f1b": 1, "zero-bubble": 1, "interleaved": 2, "dualpipe-v": 2}  # parts of the model that a process holds


@dataclass(frozen=True)
class Products:
    """Multiplications of one token on its way through part of a model, forward: parameters that multiply, and scores."""

    maps: float = 0.0  # parameters of linear maps in the layers, at the recipe's precision
    up: float = 0.0  # of them, projections up from MLA's latents, which backward computes again (V3 report, 3.2.3)
    heads: float = 0.0  # parameters of output heads: bfloat16 in any precision (V3 report, 3.3)
    keys: float = 0.0  # elements of queries that meet a key, for a whole row of keys: heads x width
    values: float = 0.0  # the same of values

    def __add__(self, other: Products) -> Products:
        return Products(*(a + b for a, b in zip(self._all(), other._all(), strict=True)))

    def __mul__(self, times: float) -> Products:
        return Products(*(times * a for a in self._all()))

    def _all(self) -> tuple[float, ...]:
        return (self.maps, self.up, self.heads, self.keys, self.values)


@dataclass(frozen=True)
class Held:
    """What the fullest device of the pipeline holds: layers, parameters, and the heads if they are there."""

    layers: int
    moe_layers: float
    heads: int
    shared: float  # parameters that every data-parallel process has, after parting by tensor
    experts: float  # parameters of routed experts, after parting by expert and tensor


@dataclass(frozen=True)
class Layout:
    """A model parted by a [parallel] table."""

    shape: Shape
    parallel: ParallelSettings
    length: int = 4096  # tokens of a sequence
    slow: float = 1.0  # time of a product in bfloat16 beside one in the layers' linear maps; 2 for FP8

    @property
    def ranks(self) -> list[int]:
        """Layers of each pipeline process: as even as whole layers and the heads allow.

        Heads and prediction modules are on the last process; in a V, that is the first.
        """
        one, fixed = self._weight(layer(self.shape)), self._weight(top(self.shape))
        load = [0.0] * self.parallel.pipeline
        load[self.top] += fixed
        layers = [0] * len(load)
        for _ in range(self.shape.num_hidden_layers):
            least = load.index(min(load))
            layers[least] += 1
            load[least] += one
        return layers

    def _weight(self, products: Products) -> float:
        """How long a part takes beside another."""
        scores = self.length / 2 * (products.keys + products.values)
        return products.maps + self.slow * (products.heads + scores)

    @property
    def top(self) -> int:
        """The process with the heads and the prediction modules."""
        return 0 if self.parallel.schedule == "dualpipe-v" else self.parallel.pipeline - 1

    def products(self, rank: int) -> Products:
        """What a token multiplies on a pipeline process, before it is parted by tensor and context."""
        own = layer(self.shape) * self.ranks[rank]
        return own + top(self.shape) if rank == self.top else own

    def held(self, rank: int) -> Held:
        """What a pipeline process holds, on each device."""
        s, p, counts = self.shape, self.parallel, parameters(self.shape)
        expert = 3 * s.hidden_size * s.moe_intermediate_size * s.n_routed_experts
        at_top, modules = rank == self.top, s.num_nextn_predict_layers if rank == self.top else 0
        layers = self.ranks[rank]
        moe = layers * s.moe_layers / s.num_hidden_layers + modules * (s.n_routed_experts > 0)
        tables = counts.embedding * (2 - s.tie_word_embeddings)
        alike = (counts.total - tables - expert * s.moe_layers) / s.num_hidden_layers
        embeds = rank == 0 or (at_top and s.num_nextn_predict_layers > 0)
        ends = counts.embedding * max(embeds, at_top, (embeds + at_top) * (not s.tie_word_embeddings))
        shared = (layers + modules) * alike + ends + modules * 2 * s.hidden_size**2
        return Held(
            layers=layers + modules, moe_layers=moe, heads=at_top + modules, shared=shared / p.tensor,
            experts=moe * expert / (p.expert * p.tensor),
        )  # fmt: skip

    def spans(self, devices: int) -> dict[str, int]:
        """Neighbouring devices that a group of an axis stretches over; a model alone fills `devices`."""
        p = self.parallel
        inner = p.tensor * p.context
        return {
            "tensor": p.tensor,
            "context": inner,
            "expert": inner * p.expert,
            "data": inner * p.data,
            "pipeline": devices,
        }


def layer(s: Shape, moe: float | None = None) -> Products:
    """A layer of the model: the mean of dense ones and mixtures, or with the given share of a mixture."""
    D, moe = s.hidden_size, s.moe_layers / s.num_hidden_layers if moe is None else moe
    expert = 3 * D * s.moe_intermediate_size
    mixture = (s.n_shared_experts + s.num_experts_per_tok) * expert + s.n_routed_experts * D
    attention, _ = attention_parameters(s)
    up = 0
    if s.attention == "mla":
        up = s.kv_lora_rank * s.num_attention_heads * (s.qk_nope_head_dim + s.v_head_dim)
        up += (s.q_lora_rank or 0) * s.num_attention_heads * s.qk_head_dim
    return Products(
        maps=attention + moe * mixture + (1 - moe) * 3 * D * s.intermediate_size, up=up,
        keys=s.num_attention_heads * s.qk_head_dim, values=s.num_attention_heads * s.value_dim,
    )  # fmt: skip


def top(s: Shape) -> Products:
    """The output head, and the prediction modules with their use of it."""
    module = layer(s, float(s.n_routed_experts > 0)) + Products(maps=2 * s.hidden_size**2)
    modules = s.num_nextn_predict_layers
    return module * modules + Products(heads=(1 + modules) * s.vocab_size * s.hidden_size)
