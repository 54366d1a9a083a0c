"""LoRA adapters of one base model, chosen per request: all are in memory, one at a time is on the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from firesteel.model import lora
from firesteel.model.transformer import Transformer


class Adapters:
    """`use(name)` puts an adapter on the model; "" takes it off. Raises ArtefactError for one of another model."""

    def __init__(self, model: Transformer, folders: Mapping[str, Path]) -> None:
        self._all: dict[str, list[tuple[torch.nn.Module, torch.nn.Module]]] = {"": []}
        self._current = ""
        for name, folder in folders.items():
            lora.load(folder, model)
            places = dict(model.named_modules())
            self._all[name] = [(places[at], adapter) for at, adapter in lora.adapters(model)]
            lora.remove(model)

    @property
    def names(self) -> tuple[str, ...]:
        """What requests may name."""
        return tuple(name for name in self._all if name)

    def use(self, name: str) -> None:
        """From now on the model computes with this adapter."""
        if name == self._current:
            return
        for place, _ in self._all[self._current]:
            place.adapter = None  # type: ignore[assignment]
        for place, adapter in self._all[name]:
            place.adapter = adapter
        self._current = name
