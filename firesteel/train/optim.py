"""Optimisers and learning-rate schedule."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from firesteel.core.config import OptimSettings
from firesteel.model.transformer import Transformer
from firesteel.train.muon import Muon

TABLES = ("embed_tokens.weight", "lm_head.weight", "gate.weight")  # a row a token or an expert: not linear maps


def make_optimisers(model: Transformer, settings: OptimSettings) -> list[torch.optim.Optimizer]:
    """Muon (or AdamW) for the hidden matrices, AdamW (Loshchilov & Hutter 2019) for tables, routers and vectors.

    Only hidden matrices are decayed. A group's learning rate is the schedule's times its `scale`, if it has one.
    """
    hidden: list[Tensor] = []
    tables: list[Tensor] = []
    vectors: list[Tensor] = []
    for name, p in model.named_parameters():
        if not p.requires_grad:  # a base model under adapters
            continue
        (vectors if p.ndim < 2 else tables if name.endswith(TABLES) else hidden).append(p)
    rate, betas = settings.learning_rate, (settings.beta1, settings.beta2)
    rest: list[dict[str, Any]] = [{"params": tables, "scale": settings.table_rate}, {"params": vectors}]
    others = torch.optim.AdamW(rest, lr=rate, betas=betas, weight_decay=0.0, fused=True)
    if settings.optimiser == "muon":
        return [Muon(hidden, lr=rate, weight_decay=settings.weight_decay, momentum=settings.momentum), others]
    return [torch.optim.AdamW(hidden, lr=rate, betas=betas, weight_decay=settings.weight_decay, fused=True), others]


def learning_rate(step: int, settings: OptimSettings, steps: int) -> float:
    """Linear warm-up, then cosine from `learning_rate` to `min_learning_rate` times it; step counts from 0."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    floor = settings.min_learning_rate
    return settings.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
