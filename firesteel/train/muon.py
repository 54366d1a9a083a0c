"""Muon: momentum whose matrix updates are orthogonalised (Jordan et al. 2024), with Moonlight's RMS matching.

The update of a matrix [A, B] is NewtonSchulz5(momentum) * 0.2 * sqrt(max(A, B)), so that one learning rate and one weight
decay serve it and AdamW alike (Moonlight report §2.2, eq. 4). Expert stacks [E, A, B] are E matrices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from firesteel.train.parallel.matrices import of_whole_matrices

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration; chosen for speed near zero, not for exactness
STEPS = 5


class Muon(torch.optim.Optimizer):
    """Muon over parameters of 2 or 3 axes; the last two are the matrix."""

    def __init__(self, params: Iterable[Tensor], *, lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        assert all(p.ndim in (2, 3) for group in self.param_groups for p in group["params"])

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[(p.shape[-2], p.shape[-1])].append((p, self._direction(p, group["momentum"])))
            for (rows, columns), pairs in by_shape.items():
                rate = group["lr"] * 0.2 * max(rows, columns) ** 0.5
                updates = of_whole_matrices([d for _, d in pairs], orthogonalise)
                for (p, _), update in zip(pairs, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=rate)

    def _direction(self, p: Tensor, momentum: float) -> Tensor:
        """Nesterov momentum of the gradient."""
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        assert p.grad is not None
        buffer: Tensor = state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(buffer, momentum)


def orthogonalise(x: Tensor) -> Tensor:
    """Matrices [N, A, B] to ones with the same singular vectors and singular values near 1 (five quintic steps)."""
    a, b, c = COEFFICIENTS
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
