"""In each process of a launch: weights onto processes and off again, functions of whole matrices, and narrow number types."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from firesteel.compute.mesh import Mesh
from firesteel.train.batch import Share
from firesteel.train.muon import orthogonalise
from firesteel.train.parallel.matrices import of_whole_matrices
from firesteel.train.parallel.parts import own_parts
from firesteel.train.parallel.place import fill, place, whole_weights
from firesteel.train.parallel.shard import local, own_shard, whole
from tests.train.parallel.steps import Root, built, config, digest, learn, make_batch, weight


def weights(mesh: Mesh) -> dict[str, Any]:
    """What the first process gathers, as hashes by name, and how many elements this process has."""
    shape = config("mla")
    with torch.device("meta"):
        parts = own_parts(shape, mesh.settings, mesh.index("pipeline"))
        roots = [Root(part, mesh) for part in parts]
    for root in roots:
        place(root, mesh)
    for part in parts:
        fill(part, weight(shape), buffers=True)
    gathered = {name: digest(t) for name, t in whole_weights(parts, mesh)}
    own = {id(p): local(p).numel() for part in parts for p in part.parameters()}
    return {"gathered": gathered if mesh.first else None, "own": sum(own.values())}


def matrices(mesh: Mesh) -> float:
    """The furthest that any shard of an orthogonalised matrix is from what the whole matrix says."""
    by_shape: dict[Any, list[Tensor]] = {}
    for p in built("mla", mesh).model.parameters():
        if p.ndim > 1:
            by_shape.setdefault(tuple(p.shape[-2:]), []).append(p.detach())
    worst = 0.0
    for tensors in by_shape.values():
        for tensor, result in zip(tensors, of_whole_matrices(tensors, orthogonalise), strict=True):
            w = whole(tensor)
            right = own_shard(orthogonalise(w.view(-1, *w.shape[-2:])).view_as(w), tensor)
            assert result.shape == tensor.shape and local(result).shape == right.shape
            worst = max(worst, float((local(result) - right).abs().max()) if right.numel() else 0.0)
    return worst


def narrow(mesh: Mesh) -> dict[str, Any]:
    """bfloat16 layers over float32 shards: the loss beside float32's, and number types of weights, seen inside and out."""
    share, batch = Share(mesh.index("data"), mesh.count("data")), make_batch(0, segments=False)
    exact = float(learn(built("mla", Mesh()), batch, Share(), 2))
    root = built("mla", mesh, torch.bfloat16)
    seen: dict[str, str] = {}
    for name, module in root.model.named_modules():
        if name.endswith(("gate", "o_proj", "norm")):
            module.register_forward_pre_hook(lambda m, _, name=name: seen.update({name: str(m.weight.dtype)}))
    loss = float(mesh.sum(learn(root, batch, share, 2), "tokens"))
    kinds = {str(t.dtype) for p in root.parameters() for t in (p, p.grad) if t is not None}
    return {"exact": exact, "narrow": loss, "seen": seen, "kinds": sorted(kinds)}
