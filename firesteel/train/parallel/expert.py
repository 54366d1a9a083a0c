"""Expert parallelism: each process has some of the experts, and tokens travel to those that they chose (GShard,
Lepikhin et al. 2021, §3.2). Nothing is padded and no token is dropped: counts are sent first.

With tensor parallelism, processes with the same tokens share the experts out as well: each computes what its own experts
give to every token, and the results are added up.

N tokens, K experts a token, M = N*K rows, D hidden, E experts, P processes of the expert axis, S of the tensor axis,
n = E/(P*S) experts of a process. Process (p, s) has experts (p*S + s)*n and following.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard

from firesteel.compute.mesh import Mesh
from firesteel.core.errors import RecipeError
from firesteel.model.moe import MoE, permuted
from firesteel.train.parallel.tensor import enter, leave, local

STACKS = ("gate_up", "down")  # parameters of a MoE layer that have an axis of experts


def spread_experts(model: nn.Module, mesh: Mesh) -> None:
    """Leave each process its experts of every layer that has some (weights unset). Raises RecipeError if they do not divide."""
    axes = [axis for axis in ("expert", "tensor") if mesh.count(axis) > 1]
    if not axes:
        return
    layers = [module for module in model.modules() if isinstance(module, MoE)]
    for moe in layers:
        _check(moe, mesh)
    for moe in layers:
        for name in STACKS:
            whole = getattr(moe, name)
            devices, placements = mesh.sub(*axes), [Shard(0)] * len(axes)
            shard = torch.empty(
                len(whole) // mesh.count(*axes), *whole.shape[1:], dtype=whole.dtype, device=whole.device
            )
            dtensor = DTensor.from_local(shard, devices, placements, run_check=False)
            setattr(moe, name, nn.Parameter(dtensor, requires_grad=whole.requires_grad))
        moe.spread = Spread(moe, mesh)


def _check(moe: MoE, mesh: Mesh) -> None:
    parts, experts = mesh.count("expert", "tensor"), moe.config.n_routed_experts
    if experts % parts:
        why = f"parallel.expert x parallel.tensor = {parts} does not divide them"
        raise RecipeError("experts cannot be shared out", value=experts, why=why, hint="change either of the two")
    if moe.adapter is not None:
        hint = "train adapters with parallel.expert = 1 and parallel.tensor = 1, for example with zero = 3"
        raise RecipeError("adapters of experts cannot be shared out", value="lora_rank", hint=hint)


class Spread:
    """The way of a layer's tokens to their experts and back; stands in the place of `MoE.routed`."""

    def __init__(self, moe: MoE, mesh: Mesh) -> None:
        self.moe, self.mesh = moe, mesh
        self.processes, self.slices = mesh.count("expert"), mesh.count("tensor")
        self.slice = mesh.index("tensor")
        self.group = mesh.group("expert") if self.processes > 1 else None
        self.tensor_group = mesh.group("tensor") if self.slices > 1 else None

    def __call__(self, x: Tensor, gates: Tensor, experts: Tensor, counts: Tensor) -> Tensor:
        """x [N, D], gates and experts [N, K], counts [E] -> [N, D]."""
        if self.tensor_group is None:
            return self.moe.routed(x, gates, experts, counts, self._compute)
        x, gates = enter(x, self.tensor_group), enter(gates, self.tensor_group)
        return leave(self.moe.routed(x, gates, experts, counts, self._compute), self.tensor_group)

    def _compute(self, rows: Tensor, counts: Tensor) -> Tensor:
        """rows [M, D] sorted by expert, counts [E] -> [M, D]; zeros where another slice has the expert."""
        table = counts.view(self.processes, self.slices, -1)
        if self.slices == 1:
            return self._travel(rows, table[:, 0])
        number = torch.arange(self.processes * self.slices, device=rows.device)
        place = torch.repeat_interleave(number, table.sum(-1).flatten())  # of each row: p*S + s
        mine = (place % self.slices == self.slice).nonzero().squeeze(1)
        done: Tensor = _Put.apply(self._travel(_Take.apply(rows, mine), table[:, self.slice]), mine, len(rows))
        return done

    def _travel(self, rows: Tensor, counts: Tensor) -> Tensor:
        """rows sorted by process and expert, counts [P, n] of what goes where -> the experts' results for them."""
        if self.group is None:
            return self._own(rows, counts)
        coming = torch.empty_like(counts)  # [P, n]: from each process, for each of our experts
        dist.all_to_all_single(coming, counts.contiguous(), group=self.group)
        leaving, arriving = torch.stack((counts.sum(1), coming.sum(1))).tolist()
        there = _Exchange.apply(rows, leaving, arriving, self.group)
        back: Tensor = _Exchange.apply(self._own(there, coming), arriving, leaving, self.group)
        return back

    def _own(self, rows: Tensor, counts: Tensor) -> Tensor:
        """This process's experts on rows sorted by where they come from and expert; counts [P, n]."""
        gate_up, down = local(self.moe.gate_up), local(self.moe.down)
        expert = torch.arange(counts.shape[1], device=rows.device).repeat(len(counts))
        order = torch.repeat_interleave(expert, counts.flatten()).argsort(stable=True)
        inverse = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=rows.device))
        by_expert = permuted(rows, inverse, order)
        done = self.moe.feed_forward(by_expert, counts.sum(0).tolist(), gate_up, down)
        return permuted(done, order, inverse)


class _Exchange(torch.autograd.Function):
    """Rows to the processes that they are for: `leaving` and `arriving` rows for and from each. Backward sends them back."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, leaving: list[int], arriving: list[int], group: Any) -> Tensor:
        ctx.way = leaving, arriving, group
        return _exchange(rows, leaving, arriving, group)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None, None, None]:
        leaving, arriving, group = ctx.way
        return _exchange(d, arriving, leaving, group), None, None, None


def _exchange(rows: Tensor, leaving: list[int], arriving: list[int], group: Any) -> Tensor:
    out = rows.new_empty(sum(arriving), *rows.shape[1:])
    dist.all_to_all_single(out, rows.contiguous(), arriving, leaving, group=group)
    return out


class _Take(torch.autograd.Function):
    """Some of the rows; the gradient of the others is zero."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, which: Tensor) -> Tensor:
        ctx.save_for_backward(which)
        ctx.count = len(rows)
        return rows.index_select(0, which)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None]:
        (which,) = ctx.saved_tensors
        return d.new_zeros(ctx.count, *d.shape[1:]).index_copy_(0, which, d), None


class _Put(torch.autograd.Function):
    """Rows at their places among `count`, the others zero: the way back of _Take."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, which: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(which)
        return rows.new_zeros(count, *rows.shape[1:]).index_copy_(0, which, rows)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None, None]:
        (which,) = ctx.saved_tensors
        return d.index_select(0, which), None, None
