"""A tensor's shard on this process, and the whole tensor again, for any mixture of further sharding (FSDP2) and expert or tensor
parallelism, however unevenly it divides.

torch shards a weight by the expert and tensor axes first and by FSDP2 last, although that axis stands first in the mesh; its
placement there is a strided one if they share a dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard


@dataclass(frozen=True)
class Cut:
    """One axis of the mesh cuts dimension `dim`, of `size` elements then, in `parts`; this process has number `index`."""

    dim: int
    size: int
    parts: int
    index: int
    group: Any

    def spans(self) -> list[tuple[int, int]]:
        """First element and number of elements of every part, as torch.chunk."""
        step = -(-self.size // self.parts)
        starts = [min(i * step, self.size) for i in range(self.parts + 1)]
        return [(a, b - a) for a, b in zip(starts, starts[1:], strict=False)]


def cuts(tensor: Tensor) -> list[Cut]:
    """How a tensor came to its shard, in order; nothing for a tensor that is whole here."""
    if not isinstance(tensor, DTensor):
        return []
    sharded = [(i, p) for i, p in enumerate(tensor.placements) if not p.is_replicate()]
    assert not any(p.is_partial() for _, p in sharded), "sums that are not finished have no shards"
    found, shape = [], list(tensor.shape)
    for i, p in sorted(sharded, key=lambda item: type(item[1]) is not Shard):  # strided ones last
        dim, parts, index = p.dim, tensor.device_mesh.size(i), tensor.device_mesh.get_local_rank(i)  # type: ignore[attr-defined]
        cut = Cut(dim, shape[dim], parts, index, tensor.device_mesh.get_group(i))
        found.append(cut)
        shape[dim] = cut.spans()[index][1]
    return found


def own_shard(whole: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, sharded as `like` is."""
    for cut in cuts(like):
        whole = whole.narrow(cut.dim, *cut.spans()[cut.index])
    return whole


def local(tensor: Tensor) -> Tensor:
    """A tensor's shard on this process, plain, without a gradient's way back."""
    with torch.no_grad():
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor.detach()


@torch.no_grad()
def whole(tensor: Tensor) -> Tensor:
    """The whole tensor, on every process that shares it; all of them must ask for it together."""
    part = local(tensor)
    for cut in reversed(cuts(tensor)):
        part = _joined(part, cut)
    return part


def _joined(part: Tensor, cut: Cut) -> Tensor:
    if cut.parts == 1:
        return part
    spans, rows = cut.spans(), part.movedim(cut.dim, 0)
    most = max(length for _, length in spans)
    padded = F.pad(rows, (0, 0) * (part.ndim - 1) + (0, most - len(rows))).contiguous()
    everything = padded.new_empty(cut.parts, *padded.shape)
    dist.all_gather_single(everything.flatten(0, 1), padded, group=cut.group)
    return torch.cat([piece[:length] for piece, (_, length) in zip(everything, spans, strict=True)]).movedim(0, cut.dim)
