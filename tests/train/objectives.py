"""What tests of objectives share: a small model, conversations as tokens, and the way through an update without a loop."""

from __future__ import annotations

from collections import defaultdict

import torch

from firesteel.core.config import ModelSettings
from firesteel.core.tokenizer import Rendered
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Share
from firesteel.train.objective import Objective

SMALL = ModelSettings(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
    qk_rope_head_dim=8, v_head_dim=16, intermediate_size=48, moe_intermediate_size=16, n_routed_experts=4,
)  # fmt: skip
VOCABULARY = 60


def small(seed: int = 0, vocabulary: int = VOCABULARY, **changes: int) -> Transformer:
    """A new model with some of its settings changed."""
    model = Transformer(ModelConfig.from_settings(SMALL.model_copy(update=changes), vocabulary))
    model.initialise(torch.Generator().manual_seed(seed))
    return model.train()


def said(prompt: list[int], answer: list[int]) -> Rendered:
    """A prompt and its answer, which is learnt."""
    return Rendered(prompt + answer, [False] * len(prompt) + [True] * len(answer))


def go_back(
    model: Transformer, objective: Objective, step: int = 0, *, processes: int = 1, pieces: int = 1
) -> dict[str, float]:
    """Add the gradients of a step of one update, as this many processes and micro-batches would; returns the metrics."""
    each = [next(iter(objective.updates(step, Share(i, processes)))) for i in range(processes)]
    metrics: defaultdict[str, float] = defaultdict(float)
    for same in zip(*each, strict=True):
        totals = torch.stack([batch.counts for batch in same]).sum(0)
        for batch in same:
            batch.totals = totals
            for part in (p for p in batch.split(pieces) if len(p)):
                loss, facts = objective.loss(model, model(part.tokens, part.segments), part)
                (loss * batch.weight).backward()
                for name, value in facts.items():
                    assert not value.requires_grad
                    metrics[batch.name + name] += value.item()
    return dict(metrics)


def gradients(model: Transformer) -> dict[str, torch.Tensor]:
    """Each parameter's gradient, taken off the model."""
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def train(model: Transformer, objective: Objective, steps: int, rate: float = 3e-3) -> list[dict[str, float]]:
    """Adam for some steps; the metrics of each."""
    adam = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    metrics = []
    for step in range(steps):
        metrics.append(go_back(model, objective, step))
        adam.step()
        adam.zero_grad()
    return metrics
