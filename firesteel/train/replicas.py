"""Whether replicas of the same weights are still the same: a fingerprint of their bits, and the comparison.

P tensors, R replicas
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from firesteel.core.errors import FiresteelError

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # bytes an element -> its bits as a number
PIECE = 1 << 20  # elements looked at together: bounds the memory that this takes


@torch.no_grad()
def fingerprint(*parts: nn.Module) -> tuple[list[str], Tensor]:
    """Names of the P parameters and persistent buffers of a process's part of the model, and a number [P] int64 for each.

    Sums of bits weighted by odd numbers, modulo 2^64: in no matter which order they are added, the result is the same,
    and a single changed bit, or two elements that change places, changes it. Of a sharded tensor the local shard counts,
    so that only processes that hold the same shards can be compared.
    """
    tensors = {f"{i}." * (len(parts) > 1) + n: t for i, part in enumerate(parts) for n, t in named(part).items()}
    return list(tensors), torch.stack([_digest(t) for t in tensors.values()])


def named(part: nn.Module) -> dict[str, Tensor]:
    """The tensors that a checkpoint of the module holds, by name."""
    return {name: t for name, t in part.state_dict(keep_vars=True).items() if isinstance(t, Tensor)}


def _digest(tensor: Tensor) -> Tensor:
    local = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    flat = local.detach().reshape(-1)
    bits = flat.view(BITS[flat.element_size()])
    total = torch.zeros((), dtype=torch.int64, device=bits.device)
    for number, piece in enumerate(bits.split(PIECE)):
        weight = torch.arange(1, 2 * len(piece), 2, device=bits.device)
        total += (piece.to(torch.int64) * weight).sum() * (2 * number + 1)
    return total


def check_replicas(names: Sequence[str], gathered: Tensor, step: int) -> None:
    """Compare fingerprints [R, P] of R replicas. Raises FiresteelError that names the first tensor that differs, and where."""
    differs = (gathered != gathered[0]).any(0)  # [P]
    if not differs.any():
        return
    first = int(differs.int().argmax())
    values = gathered[:, first].tolist()
    usual, votes = Counter(values).most_common(1)[0]
    who = [i for i, value in enumerate(values) if value != usual] if votes > 1 else list(range(len(values)))
    raise FiresteelError(
        "replicas differ", value=f"{names[first]}, after step {step}, on replica {', '.join(map(str, who))} of {len(values)}",
        why=f"{int(differs.sum())} of {len(names)} tensors are no longer the same on all; a faulty device or memory, "
        "a different library version, or an update that one process alone has made",
        hint="compare library versions and test the machines (firesteel doctor); run again from the last checkpoint, "
        "or from an older one if that one was written afterwards",
    )  # fmt: skip
