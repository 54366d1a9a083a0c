"""Data parallelism: whole replicas whose gradients are summed in buckets, or weights sharded by FSDP2 (ZeRO, Rajbhandari et al.
2020, stages 2 and 3).

Gradients are sums, not means: losses are already divided by counts over all processes. Experts are summed (and sharded) over the
processes that have the same ones only; tokens of the others have come to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard

from firesteel.compute.mesh import Mesh
from firesteel.core.errors import RecipeError
from firesteel.model.moe import MoE, Router
from firesteel.model.transformer import Transformer
from firesteel.train.parallel.shard import local
from firesteel.train.parallel.tensor import SUMMED

BUCKET = 1 << 25  # elements that are summed in one message: 128 MiB


def shard_weights(root: nn.Module, mesh: Mesh, dtype: torch.dtype) -> None:
    """Shard every weight under `root` by FSDP2, if the mesh says so: layer by layer, then what is left (tables, head).

    `root` is what is called in training, over one Transformer. Shards are float32; layers compute in `dtype`, but routers in
    float32. Gradients are summed in float32 after each backward pass, so that nobody keeps whole ones.
    """
    if mesh.alone or not mesh.settings.zero:
        return
    (model,) = [module for module in root.modules() if isinstance(module, Transformer)]
    again = (
        mesh.settings.zero == 3
    )  # weights are let go after the forward pass, and gathered again for the backward pass
    narrow = dtype != torch.float32
    for module in _groups(model, narrow=narrow, apart=mesh.count("expert") > 1):
        exact = isinstance(module, Router) or not narrow
        policy = MixedPrecisionPolicy(
            param_dtype=None if exact else dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
        _shard(module, mesh, "copies" if isinstance(module, MoE) else "tokens", policy, again=again)
    policy = MixedPrecisionPolicy(dtype if narrow else None, torch.float32, cast_forward_inputs=False)
    _shard(root, mesh, "tokens", policy, again=False)


def _groups(model: Transformer, *, narrow: bool, apart: bool) -> Iterator[nn.Module]:
    """Modules whose weights are gathered together, inner ones first. `apart`: experts have a mesh of their own."""
    for layer in [*model.layers, *model.mtp]:
        for moe in [module for module in layer.modules() if isinstance(module, MoE)]:
            if narrow or apart:
                yield moe.gate
            if apart:
                yield from [moe.shared_experts] if moe.shared_experts is not None else []
                yield moe
        yield layer


def _shard(module: nn.Module, mesh: Mesh, axis: str, policy: MixedPrecisionPolicy, *, again: bool) -> None:
    devices, count = mesh.sub(axis), mesh.count(axis)
    fully_shard(
        module, mesh=devices, mp_policy=policy, reshard_after_forward=again,
        shard_placement_fn=lambda p: _placement(p, count),
    )  # fmt: skip
    assert isinstance(module, FSDPModule)
    module.set_gradient_divide_factor(1.0)
    module.set_force_sum_reduction_for_comms(True)  # without it gloo is asked for an operation that it lacks


def _placement(parameter: Tensor, count: int) -> Shard | None:
    """What is already parted by another axis must divide evenly, along whichever dimension does; the rest need not."""
    if not isinstance(parameter, DTensor):
        return None
    for dim, size in enumerate(parameter.to_local().shape):
        if size % count == 0:
            return Shard(dim)
    why = f"a part of shape {list(parameter.to_local().shape)} cannot be sharded evenly among {count} processes"
    hint = "use zero = 0, or another number of processes"
    raise RecipeError("parallel.zero does not fit the model", value=2, why=why, hint=hint)


@torch.no_grad()
def sum_gradients(parameters: Mapping[str, Tensor], mesh: Mesh) -> None:
    """Finish the gradients of an update, once all its backward passes are done: sums over processes that nobody has made yet.

    `parameters` by name: the model's, or the masters that have gradients in their place. Every process must have gradients for
    the same ones. The order of additions is fixed by the names' order and the group, so results repeat bit for bit.
    """
    if mesh.alone:
        return
    grads = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    sums: dict[str, list[Tensor]] = {"tensor": [], "copies": [], "tokens": []}
    for name, grad in grads.items():
        if name.endswith(SUMMED):
            sums["tensor"].append(local(grad))
        axes = set(grad.device_mesh.mesh_dim_names or ()) if isinstance(grad, DTensor) else set()
        if not axes & {"copies", "tokens"}:  # FSDP2 has not seen to it
            sums["copies" if "expert" in axes else "tokens"].append(local(grad))
    for axis, tensors in sums.items():
        if mesh.count(axis) > 1:
            for bucket in _buckets(tensors):
                _sum(bucket, mesh, axis)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of one number type in runs of about BUCKET elements."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and (bucket[0].dtype != tensor.dtype or sum(t.numel() for t in bucket) + tensor.numel() > BUCKET):
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket


def _sum(bucket: list[Tensor], mesh: Mesh, axis: str) -> None:
    """Add up tensors in place, in float32 if they are narrower."""
    kind = torch.promote_types(bucket[0].dtype, torch.float32)
    flat = mesh.sum(torch.cat([t.reshape(-1).to(kind) for t in bucket]), axis)
    for tensor, total in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
        tensor.copy_(total.view_as(tensor))
