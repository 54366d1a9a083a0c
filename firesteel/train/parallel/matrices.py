"""Functions of whole matrices (Muon's orthogonalisation) where processes have shards: each process puts some matrices together,
computes, and sends the shards back, so that nothing is computed twice.

N matrices [A, B]; stacks of experts [E, A, B] are E matrices
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from firesteel.train.parallel.shard import Cut, cuts, local, own_shard, whole

Function = Callable[[Tensor], Tensor]  # [N, A, B] -> [N, A, B], each matrix by itself


@torch.no_grad()
def of_whole_matrices(tensors: Sequence[Tensor], function: Function) -> list[Tensor]:
    """`function` of every matrix of the tensors, sharded as they are. Tensors [.., A, B] of one A and B, in one order everywhere.

    Matrices that are whole here (expert stacks sharded by experts) are taken as they are, all others shared out.
    """
    results: dict[int, Tensor] = {}
    by_cut: defaultdict[tuple[Cut, ...], list[int]] = defaultdict(list)
    for i, tensor in enumerate(tensors):
        by_cut[tuple(cut for cut in cuts(tensor) if cut.dim >= tensor.ndim - 2 and cut.parts > 1)].append(i)
    for key, places in by_cut.items():
        stacks = [local(tensors[i]) for i in places]
        if not key:
            done = _batched(stacks, function)
        elif len(key) == 1 and tensors[places[0]].ndim == 2:
            done = _shared(stacks, key[0], function)
        else:  # cut in two ways: every process computes all of them
            done = [own_shard(t, tensors[i]) for i, t in zip(places, _all(tensors, places, function), strict=True)]
        results |= dict(zip(places, done, strict=True))
    return [_sharded(results[i], tensor) for i, tensor in enumerate(tensors)]


def _sharded(part: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor):
        return part
    return DTensor.from_local(
        part.contiguous(), like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    )


def _all(tensors: Sequence[Tensor], places: Sequence[int], function: Function) -> list[Tensor]:
    return _batched([whole(tensors[i]) for i in places], function)


def _batched(stacks: Sequence[Tensor], function: Function) -> list[Tensor]:
    """The function of all matrices at once."""
    matrices = torch.cat([stack.reshape(-1, *stack.shape[-2:]) for stack in stacks])
    if not len(matrices):
        return list(stacks)
    parts = function(matrices).split([stack[..., 0, 0].numel() for stack in stacks])
    return [part.view_as(stack) for part, stack in zip(parts, stacks, strict=True)]


def _shared(shards: Sequence[Tensor], cut: Cut, function: Function) -> list[Tensor]:
    """Shards of matrices that are all cut in one way: process i of the cut puts every parts-th matrix together, from i on."""
    spans, rest = cut.spans(), shards[0].shape[1 - cut.dim]
    owners = [list(range(i, len(shards), cut.parts)) for i in range(cut.parts)]
    order = [place for own in owners for place in own]
    leaving = torch.cat([shards[place].movedim(cut.dim, 0).reshape(-1) for place in order])
    own = spans[cut.index][1] * rest  # elements of one of our shards
    give = [len(places) * own for places in owners]
    mine = len(owners[cut.index])
    take = [mine * length * rest for _, length in spans]
    arriving = leaving.new_empty(sum(take))
    dist.all_to_all_single(arriving, leaving, take, give, group=cut.group)
    pieces = [piece.view(mine, length, rest) for piece, (_, length) in zip(arriving.split(take), spans, strict=True)]
    matrices = torch.cat(pieces, dim=1)  # [mine, cut dimension, the other]
    if mine:
        matrices = function(matrices.movedim(1, 1 + cut.dim)).movedim(1 + cut.dim, 1)
    back = torch.cat([matrices[:, a : a + length].reshape(-1) for a, length in spans])
    dist.all_to_all_single(leaving, back.contiguous(), give, take, group=cut.group)
    parts = dict(zip(order, leaving.split(own) if own else [leaving] * len(order), strict=True))
    return [parts[i].view(-1, rest).movedim(0, cut.dim) for i in range(len(shards))]
