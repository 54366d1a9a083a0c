"""Tensor parallelism: processes share each matrix by its rows, then the next by its columns (Megatron-LM, Shoeybi et al.
2019, §3), so that attention heads and the inner width of feed-forward layers are parted, and each pair needs one sum.

torch's own styles would hand DTensors to every operation in between; here weights are DTensors at rest (for checkpoints, norms
and further sharding), while kernels, FP8 and bfloat16 on any machine, get each process's plain part. Norms, routers, latent
projections, embedding and head are whole on every process.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import ParallelStyle, parallelize_module

from firesteel.compute.mesh import Mesh
from firesteel.core.errors import RecipeError
from firesteel.kernels.table import kernel
from firesteel.model.attention import GQA
from firesteel.model.block import Block
from firesteel.model.layers import Linear, SwiGLU
from firesteel.model.mla import MLA

SUMMED = ("q_norm.weight", "k_norm.weight")  # whole weights that a process uses for its own heads alone


def share_matrices(model: nn.Module, mesh: Mesh) -> None:
    """Leave each process its part of every attention and dense feed-forward layer (weights unset).

    Raises RecipeError where heads or widths do not divide.
    """
    if mesh.count("tensor") == 1:
        return
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    layers = [module for module in model.modules() if isinstance(module, SwiGLU)]
    for block in blocks:
        _check_heads(block.self_attn, mesh)
    for layer in layers:
        _check_width(layer, mesh)
    group = mesh.group("tensor")
    rows, columns = Parted("rows", group), Parted("columns", group)
    for attention in [block.self_attn for block in blocks]:
        names = {"q_b_proj", "q_proj", "kv_b_proj"} if isinstance(attention, MLA) else {"q_proj", "k_proj", "v_proj"}
        plan: dict[str, ParallelStyle] = {name: rows for name in names if hasattr(attention, name)}
        parallelize_module(attention, mesh.sub("tensor"), plan | {"o_proj": columns})
        if isinstance(attention, MLA):
            attention.every_head = partial(enter, group=group)
    for layer in layers:
        plan = {"gate_proj": rows, "up_proj": rows, "down_proj": columns}
        parallelize_module(layer, mesh.sub("tensor"), plan)


def _check_heads(attention: MLA | GQA, mesh: Mesh) -> None:
    c, parts = attention.config, mesh.count("tensor")
    least = c.num_attention_heads if isinstance(attention, MLA) else c.num_key_value_heads
    if c.num_attention_heads % parts or least % parts:
        raise RecipeError(
            "parallel.tensor does not fit the model", value=parts, hint="take a divisor of both",
            why=f"it does not divide {c.num_attention_heads} heads with {least} keys and values",
        )  # fmt: skip


def _check_width(layer: SwiGLU, mesh: Mesh) -> None:
    if layer.gate_proj.out_features % mesh.count("tensor"):
        why = f"it does not divide the inner width {layer.gate_proj.out_features} of a feed-forward layer"
        raise RecipeError("parallel.tensor does not fit the model", value=mesh.count("tensor"), why=why)


class Parted(ParallelStyle):
    """A linear map of which each process has some rows (its outputs) or columns (its inputs)."""

    def __init__(self, kind: str, group: Any) -> None:
        super().__init__()
        self.kind, self.group = kind, group

    def _apply(self, module: nn.Module, device_mesh: Any) -> nn.Module:
        assert isinstance(module, Linear)
        if module.adapter is not None:
            hint = "train adapters with parallel.tensor = 1, for example with zero = 3"
            raise RecipeError("adapters cannot be shared out", value="lora_rank", hint=hint)
        axis, parts = int(self.kind == "columns"), device_mesh.size()
        for name, p in list(module.named_parameters(recurse=False)):
            whole = name == "bias" and self.kind == "columns"  # added once, to the sum
            shape = [n // parts if i == axis and not whole else n for i, n in enumerate(p.shape)]
            part = torch.empty(shape, dtype=p.dtype, device=p.device)
            placement = Replicate() if whole else Shard(axis)
            dtensor = DTensor.from_local(part, device_mesh, [placement], run_check=False)
            module.register_parameter(name, nn.Parameter(dtensor, requires_grad=p.requires_grad))
        module.__class__ = {"rows": Rows, "columns": Columns}[self.kind]
        assert isinstance(module, Rows | Columns)
        module.group = self.group
        return module


class Rows(Linear):
    """x W^T + b of this process's rows of W; [..., I], the same on all -> [..., O/S]."""

    group: Any

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = kernel(self.op, x.device.type)(enter(x, self.group), local(self.weight), local(self.bias))
        return out


class Columns(Linear):
    """x W^T + b, summed over the processes' columns of W; [..., I/S] -> [..., O], the same on all."""

    group: Any

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = leave(kernel(self.op, x.device.type)(x, local(self.weight), None), self.group)
        return out if self.bias is None else out.add(local(self.bias))


def local(parameter: Tensor | None) -> Any:
    """This process's part of a parameter, plain, for autograd too."""
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter


def enter(x: Tensor, group: Any) -> Tensor:
    """x as it is, the same on every process of the group; its gradient is the sum over them."""
    out: Tensor = _Enter.apply(x, group)
    return out


def leave(x: Tensor, group: Any) -> Tensor:
    """The sum of x over the processes of the group; its gradient, the same on all, goes to each."""
    out: Tensor = _Leave.apply(x, group)
    return out


class _Enter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None]:
        return _summed(d, ctx.group), None


class _Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        return _summed(x, group)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None]:
        return d, None


def _summed(x: Tensor, group: Any) -> Tensor:
    total = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total, group=group)
    return total
