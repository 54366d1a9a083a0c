"""op -> {implementation name: function}. Every fast path sits beside the reference that checks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firesteel.kernels.experts import experts_cpu, experts_reference

OPS: dict[str, dict[str, Callable[..., Any]]] = {
    "experts": {"reference": experts_reference, "cpu": experts_cpu},
}


def kernel(op: str, device_type: str) -> Callable[..., Any]:
    """The implementation of `op` for a device: its own where there is one, else the reference."""
    table = OPS[op]
    return table.get(device_type, table["reference"])
