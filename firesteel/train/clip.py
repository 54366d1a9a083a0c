"""The global gradient norm and its bound (Pascanu et al. 2013, §3.2), over whole and sharded gradients of many processes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from firesteel.compute.mesh import Mesh
from firesteel.train.parallel.shard import local


@torch.no_grad()
def clip_gradients(parameters: Iterable[Tensor], bound: float, mesh: Mesh, *, twice: Collection[Tensor] = ()) -> Tensor:
    """Scale all gradients so that their norm over the whole model is at most `bound`; returns what it was, a scalar.

    Gradients must be summed already. An element that several processes have counts once: `twice` are the parameters that two
    processes of a pipeline have. One process does what torch.nn.utils.clip_grad_norm_ does.
    """
    known = [p for p in parameters if p.grad is not None]
    if mesh.alone:
        return torch.nn.utils.clip_grad_norm_(known, bound)
    by_copies: defaultdict[int, list[Tensor]] = defaultdict(list)
    doubled = {id(p) for p in twice}
    for p in known:
        assert p.grad is not None
        by_copies[_copies(p.grad, mesh) * (2 if id(p) in doubled else 1)].append(local(p.grad))
    total = torch.zeros((), device=mesh.device)
    for copies, grads in by_copies.items():
        total += torch.nn.utils.get_total_norm(grads).square() / copies
    norm = mesh.sum(total).sqrt()
    scale = (bound / (norm + 1e-6)).clamp(max=1.0)
    grads = [grad for same in by_copies.values() for grad in same]
    if grads:  # a process may have nothing but frozen weights
        torch._foreach_mul_(grads, scale)
    return norm


def _copies(grad: Tensor, mesh: Mesh) -> int:
    """Processes of a pipeline stage that have the same elements."""
    shards = 1
    if isinstance(grad, DTensor):
        sizes = zip(grad.device_mesh.shape, grad.placements, strict=True)
        shards = math.prod(size for size, placement in sizes if not placement.is_replicate())
    return mesh.size // mesh.count("pipeline") // shards
