"""From a model's folder to an engine: what fits is decided before anything is loaded, and each phase is timed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from firesteel.compute.device import memory, multiplies, pick
from firesteel.core.artefact import read
from firesteel.core.config import ServeSettings
from firesteel.core.errors import RecipeError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.weights import load_model, stored_config, stored_dtype
from firesteel.serve.adapters import check
from firesteel.serve.engine import Engine
from firesteel.serve.memory import Plan, plan


class Phases:
    """Seconds that each part of the start took, in order."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a part."""
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began

    def __str__(self) -> str:
        parts = [f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items()]
        return f"{', '.join(parts)}; {sum(self.seconds.values()):.1f} s in all"


@dataclass(frozen=True)
class Loaded:
    """An engine, and what is known about it; `id` is the artefact's hash."""

    engine: Engine
    tokenizer: Tokenizer
    plan: Plan
    id: str


def load(
    folder: Path, settings: ServeSettings, device: str, adapters: Mapping[str, Path], context: int, name: str,
    phases: Phases,
) -> Loaded:  # fmt: skip
    """Make the engine of a model artefact. Raises UserError, MachineError; `context` 0 = that of the settings."""
    check(adapters, name)
    manifest = read(folder, "model")
    place = pick(device)
    config = _shortened(stored_config(folder), context or settings.context)
    free, total = memory(place)
    dtype = _dtype(settings, folder, place)
    sum = plan(settings, config, dtype, free or total)
    with phases("tokenizer"):
        tokenizer = Tokenizer.load(folder)
    with phases("weights"):
        model = load_model(folder, device=place, dtype=dtype, config=config)
    with phases("cache"):
        engine = Engine(
            model, tokenizer, max_sequences=settings.max_sequences, cache_tokens=sum.tokens,
            step_tokens=settings.step_tokens, prefix_cache=settings.prefix_cache, speculate=settings.speculate,
            batch_invariant=settings.batch_invariant, adapters=adapters,
        )  # fmt: skip
    return Loaded(engine, tokenizer, sum, manifest.id)


def _dtype(settings: ServeSettings, folder: Path, place: torch.device) -> torch.dtype:
    """What to hold weights and cache in."""
    if settings.dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[settings.dtype]
    native = multiplies(torch.bfloat16, place.type) and stored_dtype(folder) == torch.bfloat16
    return torch.bfloat16 if native else torch.float32


def _shortened(config: ModelConfig, context: int) -> ModelConfig:
    known = config.max_position_embeddings
    if context > known:
        raise RecipeError(
            "the context is longer than the model's", value=context, why=f"it knows positions up to {known}",
            hint=f"--context {known} at most, or serve.context of the recipe",
        )  # fmt: skip
    return config.replace(max_position_embeddings=context) if context else config
