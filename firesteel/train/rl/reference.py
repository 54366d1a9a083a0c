"""The model that a KL penalty ties the policy to: the policy as it was, at the stage's start or some steps ago."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch
from firesteel.train.rl.scoring import scored


class Reference:
    """Copies of the weights that training changes; the rest is the model's own.

    So beside adapters (LoRA) it costs as much as they do, and at the start it is the model without them. With `every`, the
    policy takes its place after every so many steps (DeepSeek-R1, Methods: 400).
    """

    def __init__(self, model: Transformer, every: int) -> None:
        self.model, self.every = model, every
        self.moves = 0  # how often it has followed the policy
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Become the policy, if that is due before step number `step`, counted from 0."""
        due = step // self.every if self.every else 0
        if due != self.moves:
            own = dict(self.model.named_parameters())
            for name, kept in self.weights.items():
                kept.copy_(own[name])
            self.moves = due

    def logprobs(self, batch: Batch, *, temperature: float, rows: int) -> Tensor:
        """What it says of the learnt tokens, [B, T] (see scored)."""
        return scored(self.model, batch, temperature=temperature, rows=rows, weights=self.weights)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint must hold: nothing, where it stays what the stage starts from."""
        return {f"reference/{name}": tensor for name, tensor in self.weights.items()} if self.every else {}

    def state(self) -> dict[str, Any]:
        """The same, for what is no tensor."""
        return {"moves": self.moves}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.moves = int(state["moves"])
