"""Optimisers and learning-rate schedule."""

from __future__ import annotations

import math

import torch

from firesteel.core.config import OptimSettings
from firesteel.model.transformer import Transformer
from firesteel.train.muon import Muon

ADAM_MATRICES = ("embed_tokens.weight", "lm_head.weight", "gate.weight")  # tables and routers: rows, not linear maps


def make_optimisers(model: Transformer, settings: OptimSettings) -> list[torch.optim.Optimizer]:
    """Muon (or AdamW) for the hidden matrices, AdamW (Loshchilov & Hutter 2019) for tables, routers and vectors.

    Only hidden matrices are decayed.
    """
    hidden, rest = [], []
    for name, p in model.named_parameters():
        (rest if p.ndim < 2 or name.endswith(ADAM_MATRICES) else hidden).append(p)
    rate, betas = settings.learning_rate, (settings.beta1, settings.beta2)
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
