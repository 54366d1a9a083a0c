"""op -> {implementation name: function}. Every fast path sits beside the reference that checks it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch.nn.functional as F

from firesteel.compute.device import ACCELERATORS
from firesteel.kernels.attention import causal_attention_cpu, causal_attention_fused, causal_attention_reference
from firesteel.kernels.embedding import embedding
from firesteel.kernels.exact import (
    grouped_linear_exact,
    grouped_linear_exact_reference,
    linear_exact,
    linear_exact_reference,
)
from firesteel.kernels.grouped import grouped_linear_cpu, grouped_linear_reference
from firesteel.kernels.linear import linear
from firesteel.kernels.linear_fp8 import (
    grouped_linear_fp8,
    grouped_linear_fp8_reference,
    linear_fp8,
    linear_fp8_reference,
)
from firesteel.kernels.norm import rms_norm_cpu, rms_norm_reference
from firesteel.kernels.rotary import rotate_cpu, rotate_reference
from firesteel.kernels.swiglu import swiglu_cpu, swiglu_reference


def _everywhere(fast: Callable[..., Any], reference: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {"reference": reference} | dict.fromkeys(ACCELERATORS, fast)


OPS: dict[str, dict[str, Callable[..., Any]]] = {
    "causal_attention": {
        "reference": causal_attention_reference, "cpu": causal_attention_cpu, "cuda": causal_attention_fused,
        "npu": causal_attention_fused, "xpu": causal_attention_fused, "mps": causal_attention_fused,
    },
    "embedding": {"reference": F.embedding, "cpu": embedding},
    "linear": {"reference": F.linear, "cpu": linear},
    "linear_exact": _everywhere(linear_exact, linear_exact_reference),
    "grouped_linear_exact": _everywhere(grouped_linear_exact, grouped_linear_exact_reference),
    "linear_fp8": _everywhere(linear_fp8, linear_fp8_reference),
    "linear_fp8_powers": _everywhere(partial(linear_fp8, powers=True), partial(linear_fp8_reference, powers=True)),
    "rms_norm": {"reference": rms_norm_reference, "cpu": rms_norm_cpu},
    "rotate": {"reference": rotate_reference, "cpu": rotate_cpu},
    "grouped_linear": {"reference": grouped_linear_reference, "cpu": grouped_linear_cpu},
    "grouped_linear_fp8": _everywhere(grouped_linear_fp8, grouped_linear_fp8_reference),
    "grouped_linear_fp8_powers": _everywhere(
        partial(grouped_linear_fp8, powers=True), partial(grouped_linear_fp8_reference, powers=True)
    ),
    "swiglu": {"reference": swiglu_reference, "cpu": swiglu_cpu},
}  # fmt: skip


def kernel(op: str, device_type: str) -> Callable[..., Any]:
    """The implementation of `op` for a device: its own where there is one, else the reference."""
    table = OPS[op]
    return table.get(device_type, table["reference"])
