"""Counts what torch really does: floating-point operations, bytes read and written, operations started."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from firesteel.compute.work import Work

FREE = {  # make a view, or memory without contents: nothing is read or written
    "view", "t", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "squeeze", "split",
    "split_with_sizes", "detach", "alias", "as_strided", "_unsafe_view", "unbind", "chunk", "_reshape_alias", "empty",
    "empty_like", "new_empty", "empty_strided", "new_empty_strided", "_local_scalar_dense", "lift_fresh",
}  # fmt: skip
FACTORS = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1, "baddbmm_": 1}  # product -> place of its first factor
ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"


class Trace(TorchDispatchMode):
    """`with Trace() as trace: ...` then `trace.work`."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[1]
        if name not in FREE:
            tensors = args[:1] if name == "fill_" else tree_leaves((args, kwargs, out))
            touched = sum(t.numel() * t.element_size() for t in tensors if isinstance(t, torch.Tensor))
            self.work += Work(_flops(name, args), touched, 1)
        return out


def _flops(name: str, args: Any) -> float:
    if name in FACTORS:
        a, b = args[FACTORS[name] : FACTORS[name] + 2]
        return 2.0 * a.numel() * b.shape[-1]
    if name.startswith(ATTENTION):
        backward = name.endswith("_backward")
        q, k = args[1:3] if backward else args[:2]
        return (10.0 if backward else 4.0) * q.numel() * k.shape[2]
    return 0.0
