"""Context parallelism: processes share each sequence; everything but attention is done token by token.

A process has two of 2c equal pieces, number r and number 2c-1-r, so that all do the same share of causal attention (Llama 3,
Dubey et al. 2024, §3.3.2). Keys come together before attention: of MLA only the normed latent and the rotary key, of GQA keys
and values; their gradients go back as sums. torch's own context_parallel replaces fused CUDA kernels only, so not on CPU or NPU,
and would gather MLA's expanded keys.

B batch, T tokens, t own tokens, c processes, L most tokens of a process, H heads, W width of keys
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from firesteel.compute.mesh import Mesh
from firesteel.model.attention import Part, attend
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch

QUERIES = 1024  # that attend together: bounds the mask's memory


def share_sequences(model: Transformer, mesh: Mesh) -> None:
    """Let the model work on this process's part of each sequence; what it is given and gives back stays whole."""
    if mesh.count("context") == 1:
        return
    model.context = Context(mesh)
    for moe in model.moe_layers():
        moe.whole = model.context.total


def own_targets(batch: Batch, mesh: Mesh) -> Batch:
    """The batch, with the targets left that are this process's to learn: those at the places of its tokens.

    Losses that are sums over targets, and their metrics, are then shares to be summed over the axis `context` as well.
    """
    count = mesh.count("context")
    if count == 1:
        return batch
    places = own_places(batch.tokens.shape[1], count, mesh.index("context"))
    learn = torch.zeros_like(batch.learn)
    learn[:, places] = batch.learn[:, places]
    return replace(batch, learn=learn)


def own_places(T: int, count: int, index: int) -> Tensor:
    """Which of T places process `index` of `count` has, ascending [t]. Any T will do; pieces then differ by one token."""
    ends = [T * i // (2 * count) for i in range(2 * count + 1)]
    return torch.cat([torch.arange(ends[i], ends[i + 1]) for i in (index, 2 * count - 1 - index)])


class Context:
    """Where this process stands among those that share sequences."""

    def __init__(self, mesh: Mesh) -> None:
        self.group: Any = mesh.group("context")
        self.count, self.index = mesh.count("context"), mesh.index("context")

    def part(self, T: int, segments: Tensor | None, device: torch.device) -> Part:
        """This process's part of sequences of T tokens; `segments` [B, T] as in Transformer.forward."""
        places = [own_places(T, self.count, r).to(device) for r in range(self.count)]
        return _Part(places, self.index, self.group, segments)

    def total(self, counts: Tensor) -> Tensor:
        """Whole numbers summed over the processes."""
        total = counts.clone()
        dist.all_reduce(total, group=self.group)
        return total


class _Part(Part):
    def __init__(self, places: list[Tensor], index: int, group: Any, segments: Tensor | None) -> None:
        self.positions, self.group, self.segments = places[index], group, segments
        self.longest = max(len(p) for p in places)  # L
        everywhere, among = torch.cat(places), [r * self.longest + torch.arange(len(p)) for r, p in enumerate(places)]
        self.where = torch.empty_like(everywhere)  # [T]: of each token, its place in what was gathered, c*L
        self.where[everywhere] = torch.cat(among).to(everywhere.device)
        self.ends = self.positions.tolist()

    def own(self, x: Tensor) -> Tensor:
        return x.index_select(1, self.positions)

    def gather(self, x: Tensor) -> Tensor:
        out: Tensor = _Gather.apply(x, self)
        return out

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        out = [self._attend(q, k, v, scale, a, b) for a, b in self._runs()]
        return torch.cat(out, dim=2) if out else q[..., : v.shape[-1]]

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float, a: int, b: int) -> Tensor:
        """Own queries a..b, which are neighbours in the sequence, to the keys up to the last of them."""
        last = self.ends[b - 1] + 1
        mask = (torch.arange(last, device=q.device) <= self.positions[a:b, None])[None, None]  # [1, 1, b-a, last]
        if self.segments is not None:
            own = self.segments.index_select(1, self.positions[a:b])
            mask = mask & (own[:, :, None] == self.segments[:, None, :last])[:, None]
        return attend(q[:, :, a:b], k[:, :, :last], v[:, :, :last], mask, scale)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Own tokens a..b that are neighbours, at most QUERIES at once."""
        a = 0
        for b in range(1, len(self.ends) + 1):
            if b == len(self.ends) or self.ends[b] != self.ends[b - 1] + 1 or b - a == QUERIES:
                yield a, b
                a = b


class _Gather(torch.autograd.Function):
    """Own [B, t, ...] -> all [B, T, ...]; backward adds up what every process says of our tokens."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, part: _Part) -> Tensor:
        ctx.part, ctx.own = part, x.shape[1]
        rows = x.transpose(0, 1)  # [t, B, ...]: gathered along the first axis
        rows = F.pad(rows, (0, 0) * (x.ndim - 1) + (0, part.longest - x.shape[1])).contiguous()
        count = dist.get_world_size(part.group)
        everything = rows.new_empty(count * len(rows), *rows.shape[1:])
        dist.all_gather_single(everything, rows, group=part.group)
        return everything.index_select(0, part.where).transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None]:
        part = ctx.part
        count = dist.get_world_size(part.group)
        rows = d.transpose(0, 1)
        everything = rows.new_zeros(count * part.longest, *rows.shape[1:]).index_copy_(0, part.where, rows)
        own = rows.new_empty(part.longest, *rows.shape[1:])
        dist.reduce_scatter_single(own, everything, group=part.group)
        return own[: ctx.own].transpose(0, 1).contiguous(), None
