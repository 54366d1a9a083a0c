"""What goes between the devices of a cluster, and how long that takes: bytes / rate of the slowest link of the group."""

from __future__ import annotations

from dataclasses import dataclass

from firesteel.compute.count import Shape
from firesteel.compute.layout import Held
from firesteel.compute.rates import Links
from firesteel.compute.resident import Number
from firesteel.core.config import ParallelSettings

SCALES = 4 / 128  # bytes of FP8 scaling factors for each byte: a float32 for 128 elements (V3 report, 3.3.2)


@dataclass(frozen=True)
class Group:
    """Links, how far each axis reaches over them, tokens of a micro-batch on a device, and number types."""

    links: Links
    spans: dict[str, int]
    tokens: float
    number: Number

    def rate(self, axis: str) -> float:
        """Bytes a second of a device along an axis."""
        return self.links.reach(self.spans[axis])

    def tensor(self, s: Shape, p: ParallelSettings) -> float:
        """A layer's four sums of activations over the processes that share its matrices (Shoeybi et al. 2019)."""
        return 4 * _all_reduce(p.tensor) * self.tokens * s.hidden_size * self.number.activation / self.rate("tensor")

    def context(self, s: Shape, p: ParallelSettings) -> float:
        """A layer's keys and values from the other parts of the sequence, and their gradients back: what a cache would hold."""
        everywhere = self.tokens * (p.context - 1) * s.cache_width
        return 3 * everywhere * self.number.activation / self.rate("context")

    def send(self, s: Shape) -> float:
        """Hidden states of a micro-batch to the next stage."""
        return self.tokens * s.hidden_size * self.number.activation / self.rate("pipeline")


def _all_reduce(members: int) -> float:
    """Bytes that a member of a ring sends for each byte that is summed (Patarasuk & Yuan 2009)."""
    return 2 * (members - 1) / members


def exchange(s: Shape, p: ParallelSettings, group: Group) -> float:
    """Seconds of a mixture's all-to-all in one direction (dispatch and combine) for a micro-batch.

    A token is sent once to each node that has experts of it and passed on within (V3 report, 3.2.2); sums come back likewise.
    Dispatch has the number type of products, combine bfloat16 (3.3.3). The slower of the two links decides: both work at once.
    """
    links = group.links
    if p.expert == 1 or not s.n_routed_experts:
        return 0.0
    width = s.hidden_size * (
        group.number.product * (1 + SCALES * (group.number.product == 1)) + group.number.activation
    )
    nodes = max(1, group.spans["expert"] // links.per_node)
    beside = min(p.expert, links.per_node)
    between = remote_nodes(s, nodes) * width / links.network_bytes
    within = s.num_experts_per_tok * (beside - 1) / beside * width / links.node_bytes
    return group.tokens * max(between, within)


def remote_nodes(s: Shape, nodes: int) -> float:
    """Nodes beside its own that a token's experts lie on, expected: chosen evenly among the nodes of its groups."""
    open_to = max(1.0, nodes * min(1.0, s.topk_group / s.n_group))
    touched = open_to * (1 - (1 - 1 / open_to) ** s.num_experts_per_tok)
    return touched * (nodes - 1) / nodes


def gather(held: Held, p: ParallelSettings, group: Group) -> float:
    """ZeRO-3: weights come together before a micro-batch's forward and again before its backward."""
    return 2 * _sent(held, p) * group.number.weight / group.rate("data") if p.zero == 3 else 0.0


def reduce(held: Held, p: ParallelSettings, group: Group) -> float:
    """Gradients summed over replicas; then each gathers what the others have updated (in a plain all-reduce, gradients)."""
    back = {0: group.number.gradient, 2: group.number.weight, 3: 0}[p.zero]
    return _sent(held, p) * (group.number.gradient + back) / group.rate("data")


def _sent(held: Held, p: ParallelSettings) -> float:
    """Numbers that a device sends for scattering the sums over its replicas, or for gathering what they have."""
    replicas = p.data // p.expert
    return held.shared * (p.data - 1) / p.data + held.experts * (replicas - 1) / replicas
