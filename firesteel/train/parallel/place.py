"""A model onto its processes and off again, weight by weight: no process ever holds more than its shards and one whole tensor.

Build on the meta device, then `place`, then `fill` (from names: initial weights; or from files), train, and `whole_weights` for a
model folder. One process goes the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from firesteel.compute.mesh import Mesh
from firesteel.model.transformer import Transformer
from firesteel.train.parallel.context import share_sequences
from firesteel.train.parallel.data import shard_weights
from firesteel.train.parallel.expert import spread_experts
from firesteel.train.parallel.shard import local, own_shard, whole
from firesteel.train.parallel.tensor import share_matrices

Weight = Callable[[str, torch.Size], Tensor]  # name in Transformer.state_dict(), whole shape -> the whole tensor


def place(root: nn.Module, mesh: Mesh, dtype: torch.dtype = torch.float32) -> None:
    """Part a model that was built on the meta device among the processes; its own weights get memory, unset, in float32.

    `root` is what is called in training, over one Transformer; for a pipeline, call this for each of its parts. `dtype`: what
    layers compute in where FSDP2 gathers weights. Raises RecipeError where the mesh does not fit the model.
    """
    (model,) = [module for module in root.modules() if isinstance(module, Transformer)]
    share_matrices(model, mesh)
    spread_experts(model, mesh)
    share_sequences(model, mesh)
    shard_weights(root, mesh, dtype)
    root.to_empty(device=mesh.device)
    for buffer in root.buffers():
        buffer.zero_()


@torch.no_grad()
def fill(model: Transformer, weight: Weight, *, buffers: bool = False) -> None:
    """Give every weight its part of the tensor that `weight` makes of its name and whole shape; `buffers` from there, too."""
    named = [*model.named_parameters(), *(_kept(model) if buffers else ())]
    for name, tensor in named:
        part = own_shard(weight(name, tensor.shape), tensor)
        local(tensor).copy_(part)


def _kept(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers that belong to the state dict."""
    state = model.state_dict()
    return ((name, buffer) for name, buffer in model.named_buffers() if name in state)


@torch.no_grad()
def whole_weights(parts: Sequence[Transformer], mesh: Mesh) -> Iterator[tuple[str, Tensor]]:
    """Every weight and kept buffer of the whole model by name, one at a time; all processes must go through it together.

    Tensors are whole on the first process (for it to write) and may be empty elsewhere. Of a pipeline, each stage's own.
    """
    own = {name: tensor for part in reversed(parts) for name, tensor in _named(part)}
    if mesh.count("pipeline") == 1:
        yield from ((name, whole(tensor)) for name, tensor in own.items())
        return
    lists = mesh.everyone([[name, list(t.shape), str(t.dtype).removeprefix("torch.")] for name, t in own.items()])
    stages = lists[:: mesh.size // mesh.count("pipeline")]
    seen: set[str] = set()
    for number, stage in enumerate(stages):
        for name, shape, kind in stage:
            if name not in seen:
                seen.add(name)
                yield name, _to_first(own.get(name), shape, getattr(torch, kind), number, mesh)


def _named(part: Transformer) -> Iterator[tuple[str, Tensor]]:
    yield from part.named_parameters()
    yield from _kept(part)


def _to_first(own: Tensor | None, shape: list[int], dtype: torch.dtype, stage: int, mesh: Mesh) -> Tensor:
    """The whole tensor of a stage of the pipeline, where the first stage's processes are."""
    here = mesh.index("pipeline")
    empty = torch.empty(0, dtype=dtype, device=mesh.device)
    tensor = whole(own).contiguous() if here == stage and own is not None else empty
    if stage == 0 or here not in (0, stage) or mesh.index("data", "context", "tensor"):
        return tensor
    group = mesh.group("pipeline")
    if here == stage:
        dist.send(tensor, group=group, group_dst=0)
        return tensor
    tensor = torch.empty(shape, dtype=dtype, device=mesh.device)
    dist.recv(tensor, group=group, group_src=stage)
    return tensor
