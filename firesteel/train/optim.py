"""Optimisers: which parameters go to which, so that every one goes to exactly one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from firesteel.core.config import OptimSettings
from firesteel.train.muon import Muon

TABLES = ("embed_tokens.weight", "lm_head.weight", "gate.weight")  # a row a token or an expert: not linear maps
Optimisers = list[torch.optim.Optimizer]


def parameter_groups(named: Iterable[tuple[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Trainable parameters by what they are: hidden matrices (and stacks of them), tables, vectors, adapters."""
    groups: dict[str, dict[str, Tensor]] = {"hidden": {}, "tables": {}, "vectors": {}, "adapters": {}}
    for name, p in named:
        if not p.requires_grad:  # a base model under adapters
            continue
        kind = "vectors" if p.ndim < 2 else "tables" if name.endswith(TABLES) else "hidden"
        groups["adapters" if ".adapter." in name else kind][name] = p
    return groups


def _alike(group: dict[str, Any]) -> list[dict[str, Any]]:
    """One group of plain weights, and one of sharded ones: torch's fused kernels take lists of one kind."""
    kinds = {sharded: [p for p in group["params"] if isinstance(p, DTensor) == sharded] for sharded in (False, True)}
    return [group | {"params": members} for members in kinds.values() if members]


def make_optimisers(named: Iterable[tuple[str, Tensor]], settings: OptimSettings) -> Optimisers:
    """Muon (or AdamW) for the hidden matrices, AdamW (Loshchilov & Hutter 2019) for tables, routers, vectors and adapters.

    Only hidden matrices are decayed. A group's learning rate is the schedule's times its `scale`, if it has one.
    """
    groups = {kind: list(members.values()) for kind, members in parameter_groups(named).items()}
    rate, decay, betas = settings.learning_rate, settings.weight_decay, (settings.beta1, settings.beta2)
    plain: list[dict[str, Any]] = [
        {"params": groups["tables"], "scale": settings.table_rate}, {"params": groups["vectors"]},
        {"params": groups["adapters"]},
    ]  # fmt: skip
    optimisers: Optimisers = []
    if groups["hidden"] and settings.optimiser == "muon":
        optimisers.append(Muon(groups["hidden"], lr=rate, weight_decay=decay, momentum=settings.momentum))
    elif groups["hidden"]:
        plain.append({"params": groups["hidden"], "weight_decay": decay})
    plain = [part for group in plain for part in _alike(group)]
    if plain:
        optimisers.append(torch.optim.AdamW(plain, lr=rate, betas=betas, weight_decay=0.0, fused=True))
    return optimisers
