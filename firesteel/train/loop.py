"""The one training loop: resume, learning rate, backward, clip, update, balance, log, checkpoint.

An objective yields the losses of a step; everything else that training does is here, once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from firesteel.core.config import OptimSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.log import RunLog
from firesteel.model.transformer import Transformer
from firesteel.train.checkpoint import Optimisers, load_checkpoint, save_checkpoint
from firesteel.train.optim import learning_rate, make_optimisers


@dataclass
class Piece:
    """A loss to go backward from; gradients add up until a piece says `update`. None: nothing to learn, only facts."""

    loss: Tensor | None
    tokens: int  # tokens that went through the model for it
    metrics: dict[str, float] = field(default_factory=dict)
    update: bool = True


class Objective(Protocol):
    """What a stage teaches: the losses of step number `step`, a function of the weights, the seed and the step alone."""

    def pieces(self, step: int) -> Iterator[Piece]:
        """The losses of step number `step`, counted from 0."""
        ...


@dataclass(frozen=True)
class Loop:
    """Where and how often: a stage's name, its work folder and key, and the settings that all stages share."""

    stage: str
    work: Path
    key: str
    settings: OptimSettings
    steps: int
    balance_speed: float  # gamma of loss-free balancing; 0 leaves the router's biases alone
    log: RunLog

    def run(self, model: Transformer, objective: Objective) -> None:
        """Train `model` in place up to `steps`, from the newest checkpoint if there is one."""
        optimisers = make_optimisers(model, self.settings)
        start = load_checkpoint(self.work, model, optimisers, key=self.key, say=self.log.say)
        self.log.rewind(self.stage, start)
        if start:
            self.log.say(f"  {self.stage}: resuming after step {start} of {self.steps}")
        model.train()
        for step in range(start, self.steps):
            metrics = self._step(step, model, objective, optimisers)
            done = step + 1
            self._report(done, metrics)
            if done % self.settings.checkpoint_every == 0 and done < self.steps:
                save_checkpoint(self.work, done, model, optimisers, key=self.key)
        model.eval()

    def _step(
        self, step: int, model: Transformer, objective: Objective, optimisers: Optimisers
    ) -> dict[str, float | list[float]]:
        began, tokens = time.perf_counter(), 0
        rate = learning_rate(step, self.settings, self.steps)
        for group in (g for o in optimisers for g in o.param_groups):
            group["lr"] = rate * group.get("scale", 1.0)
        metrics: dict[str, float | list[float]] = {"lr": rate}
        for piece in objective.pieces(step):
            if piece.loss is not None:
                piece.loss.backward()
            tokens += piece.tokens
            metrics |= piece.metrics
            if piece.update:
                metrics["grad_norm"] = self._update(model, optimisers)
        shares = [moe.balance(self.balance_speed) for moe in model.moe_layers()]
        if shares:
            metrics["expert_load"] = [round(s, 4) for s in torch.stack(shares).mean(0).tolist()]
        metrics["tokens_per_s"] = round(tokens / (time.perf_counter() - began), 1)
        return metrics

    def _update(self, model: Transformer, optimisers: Optimisers) -> float:
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), self.settings.grad_clip))
        if not math.isfinite(norm):
            raise FiresteelError(
                "training diverged", value=f"gradient norm {norm}", why="a loss or gradient became infinite or NaN",
                hint=f"lower {self.stage}.learning_rate; the last checkpoint is kept",
            )  # fmt: skip
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return round(norm, 4)

    def _report(self, done: int, metrics: dict[str, float | list[float]]) -> None:
        tenth = max(1, self.steps // 10)
        show = ""
        if done % tenth == 0 or done in (1, self.steps):
            shown = ("loss", "mtp_loss", "reward", "accuracy", "tokens_per_s")
            facts = "  ".join(f"{name} {metrics[name]:.4g}" for name in shown if name in metrics)
            show = f"  {self.stage} {done:>5}/{self.steps}  {facts}"
        self.log.metrics(self.stage, done, show, **metrics)
