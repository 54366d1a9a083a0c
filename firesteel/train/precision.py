"""In which number types a model trains: operations of its layers, narrow weights, and the float32 masters behind them.

An update is often smaller than half a step of bfloat16 and would be lost, so the optimiser moves float32 weights and the
model computes with their roundings (Micikevicius et al. 2018, §3.1; DeepSeek-V3 report §3.3.1). Gradients of micro-batches
are summed in float32 as well. This is for one process or whole replicas; sharded weights (FSDP2) are float32 and narrowed
as they are gathered, and need `use_precision` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from firesteel.model.layers import Linear
from firesteel.model.moe import MoE
from firesteel.model.weights import IN_FLOAT32

KEPT_OUT = ("lm_head", "eh_proj")  # from FP8: the head, and what the released weights of V3 keep in bfloat16


@dataclass(frozen=True)
class Precision:
    """A way to train: how weights are stored, and which operations of kernels.table multiply them."""

    weights: torch.dtype
    linear: str = "linear"
    experts: str = "grouped_linear"


PRECISIONS = {
    "float32": Precision(torch.float32),
    "bfloat16": Precision(torch.bfloat16),
    "fp8": Precision(torch.bfloat16, "linear_fp8", "grouped_linear_fp8"),
    "fp8_powers": Precision(torch.bfloat16, "linear_fp8_powers", "grouped_linear_fp8_powers"),  # power-of-two scales
}


def use_precision(model: nn.Module, precision: str) -> None:
    """Let the layers' linear maps and experts compute as `precision` says; weights stay as they are.

    Head, embedding, routers, norms and attention products are never in FP8, nor are adapters. Any model can be given
    "float32" or "bfloat16" again, which a new one has.
    """
    chosen = PRECISIONS[precision]
    for name, module in model.named_modules():
        if isinstance(module, MoE):
            module.op = chosen.experts
        elif isinstance(module, Linear) and not name.endswith(KEPT_OUT):
            module.op = chosen.linear


class Masters:
    """What an optimiser moves: float32 weights, and the model's own where those are float32 and stay so.

    Trainable weights that are to be `dtype` get a float32 master, which takes their place in `named`; the model keeps the
    rounding. A gradient is moved to the master as soon as it is complete, in float32, and added to what is there; so
    after any number of backward passes masters have gradients and the model's narrow weights have none. Routers stay
    float32. Build after weights are filled and before the optimiser, and `close` after the last step.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self.named: dict[str, nn.Parameter] = {}
        self._narrow: dict[str, nn.Parameter] = {}
        self._hooks: list[Any] = []
        for name, owner, key in list(_places(model)):
            p = owner._parameters[key]
            assert p is not None
            narrow, wide = p, gradient_holder(p)
            if p.dtype == torch.float32 != dtype and not f".{name}".endswith(IN_FLOAT32):
                owner._parameters[key] = narrow = nn.Parameter(p.detach().to(dtype), requires_grad=p.requires_grad)
            elif p.dtype != torch.float32 and p is wide and p.requires_grad:
                wide = nn.Parameter(p.detach().float())
            if p.requires_grad:
                self.named[name] = wide
                self._join(name, narrow, wide)

    def _join(self, name: str, narrow: nn.Parameter, wide: nn.Parameter) -> None:
        """Make `wide` the master of `narrow`, unless they are one, or already that (parts of a model can share a table)."""
        if narrow is not wide and gradient_holder(narrow) is narrow:
            self._narrow[name] = narrow
            narrow.grad_dtype, narrow.master = torch.float32, wide  # type: ignore[attr-defined]
            self._hooks.append(narrow.register_post_accumulate_grad_hook(_to_master))

    @torch.no_grad()
    def publish(self) -> None:
        """After a step of the optimiser: round the masters into the model."""
        if self._narrow:
            wide = [_local(self.named[name]) for name in self._narrow]
            torch._foreach_copy_([_local(p) for p in self._narrow.values()], wide)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs beside the model's own weights: masters by their weights' names; none for float32.

        Filled with a checkpoint's values and published, training goes on bit for bit.
        """
        return {name: self.named[name].detach() for name in self._narrow}

    def close(self) -> None:
        """Let go of the model: it keeps its narrow weights, and gradients stay with them again."""
        for hook in self._hooks:
            hook.remove()
        for p in self._narrow.values():
            p.grad_dtype = p.dtype
            del p.master  # type: ignore[attr-defined]
        self._hooks.clear()
        self._narrow.clear()


def gradient_holder(p: nn.Parameter) -> nn.Parameter:
    """The weight that has p's gradient after a backward pass: its master, or p itself."""
    master: nn.Parameter = getattr(p, "master", p)
    return master


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _places(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Every weight: its name, and in which module under which key it stands."""
    for prefix, module in model.named_modules():
        for key, p in module._parameters.items():
            if p is not None:
                yield f"{prefix}.{key}" if prefix else key, module, key


def _to_master(p: Tensor) -> None:
    """After backward has summed p's gradient: add it to the master's, in float32."""
    grad, p.grad = p.grad, None
    master = gradient_holder(p)  # type: ignore[arg-type]
    assert grad is not None
    if master.grad is None:
        master.grad = grad.to(master.dtype)
    else:
        master.grad.add_(grad)
