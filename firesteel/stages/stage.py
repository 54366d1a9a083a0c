"""What a stage is, and what it is given to do its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from firesteel.compute.mesh import Mesh
from firesteel.core.artefact import Draft
from firesteel.core.config import Recipe
from firesteel.core.log import RunLog

MODEL, MODELS, BASE = "<model>", "<models>", "<base>"  # in a stage's needs
PROMPT = 128  # tokens that a prompt is taken to have, where room is made for its answers
LEARNING = ("pretrain", "extend", "sft", "distil", "preference", "grpo", "rejection", "grpo_all")


@dataclass(frozen=True)
class Run:
    """One run of a recipe: its settings, its folder, its log and its device."""

    recipe: Recipe
    folder: Path
    log: RunLog
    device: torch.device
    mesh: Mesh = field(default_factory=Mesh)

    def stage(self, name: str) -> Path:
        """Where a stage's artefact lies."""
        return self.folder / name


@dataclass(frozen=True)
class Job:
    """One stage of one run at work."""

    run: Run
    name: str
    key: str  # identity of the work: inputs, settings, code
    work: Path  # kept between interrupted runs of this same key; checkpoints live here
    draft: Draft  # the artefact being built

    @property
    def recipe(self) -> Recipe:
        """The run's recipe."""
        return self.run.recipe

    def input(self, stage: str) -> Path:
        """An earlier stage's artefact."""
        return self.run.stage(stage)

    @property
    def base(self) -> Path:
        """The model that this stage starts from, or judges: the one before it. ([rejection] asks it, and starts elsewhere.)"""
        return self.run.stage(self.recipe.before(self.name))


@dataclass(frozen=True)
class Stage:
    """A row of the stage table.

    `needs`: stages whose artefacts it reads; MODEL stands for the model before it, MODELS for all of them, BASE for the one
    before all fine-tuning. `rooms`: folders of this package whose code decides its result. `settings`: the part of the
    recipe that decides its result. `outside`: hashes of inputs that are not artefacts.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    rooms: tuple[str, ...]
    settings: Callable[[Recipe], dict[str, Any]]
    make: Callable[[Job], None]
    outside: Callable[[Recipe], dict[str, str]] = field(default=lambda recipe: {})
    parted: Callable[[Recipe], bool] = field(default=lambda recipe: False)  # whether [parallel] parts its work

    def wanted(self, recipe: Recipe) -> bool:
        """Whether the recipe has this stage."""
        return self.name in recipe.model_stages or self.name not in LEARNING

    def inputs(self, recipe: Recipe) -> tuple[str, ...]:
        """The names of the stages that it reads, in this recipe."""
        many = {MODEL: (recipe.before(self.name),), MODELS: recipe.model_stages, BASE: (recipe.base,)}
        return tuple(dict.fromkeys(name for need in self.needs for name in many.get(need, (need,))))
