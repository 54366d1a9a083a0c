"""LoRA adapters of one base model, chosen per request: all are in memory, one at a time is on the model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from firesteel.core.errors import ArtefactError, RecipeError, UserError
from firesteel.model import lora
from firesteel.model.transformer import Transformer
from firesteel.model.weight_files import WeightFiles
from firesteel.model.weights import hf_name

FORM = f"an adapter's folder holds {lora.CONFIG} and {lora.FILE}, as this project and PEFT write them"
Shapes = dict[str, list[int]]


class Adapters:
    """`use(name)` puts an adapter on the model; "" takes it off. Raises ArtefactError for one of another model."""

    def __init__(self, model: Transformer, folders: Mapping[str, Path]) -> None:
        self._all: dict[str, list[tuple[torch.nn.Module, torch.nn.Module]]] = {"": []}
        self._current = ""
        for name, folder in folders.items():
            _load(name, folder, model)
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


def check(folders: Mapping[str, Path], model: str) -> None:
    """Raise UserError for what can be seen before the `model` (its name) is loaded: names, and files that are not there."""
    if model in folders:
        hint = "give it another: --adapter NAME=FOLDER; or give the model another: --name NAME"
        raise RecipeError("an adapter is called as the model", value=model, hint=hint)
    for name, folder in folders.items():
        _find(name, folder)


def _find(name: str, folder: Path) -> None:
    """Raise ArtefactError unless the folder holds an adapter's two files."""
    if not folder.is_dir():
        why = "it is no folder" if folder.exists() else "there is no such folder"
        raise ArtefactError(f"adapter '{name}' cannot be found", value=folder, why=why, hint=_inside(folder))
    for file in (lora.CONFIG, lora.FILE):
        if not (folder / file).is_file():
            why = f"the folder has no {file}"
            raise ArtefactError(f"adapter '{name}' is no LoRA adapter", value=folder, why=why, hint=_inside(folder))


def _inside(folder: Path) -> str:
    """What to do about a folder that holds no adapter: name the one nearby that does."""
    near = sorted(path.parent for path in folder.glob(f"*/{lora.CONFIG}")) if folder.is_dir() else []
    if near:
        return f"did you mean {near[0]}?"
    if any(folder.glob("adapter_model.bin")):
        return "its weights are a pickle, which is not read: save them as safetensors"
    return FORM


def _load(name: str, folder: Path, model: Transformer) -> None:
    """Put an adapter on the model. Every error names it, and says what does not fit."""
    _find(name, folder)
    try:
        lora.load(folder, model)
    except UserError as e:
        why, hint = (_misfit(folder, model) or (e.why, e.hint)) if isinstance(e, ArtefactError) else (e.why, e.hint)
        raise type(e)(f"adapter '{name}': {e.what}", value=e.value, why=why, hint=hint) from e


def _misfit(folder: Path, model: Transformer) -> tuple[str, str] | None:
    """Why the tensors of a folder are not those of an adapter of this model, and what to do; None if they are."""
    try:
        fields = json.loads((folder / lora.CONFIG).read_text(encoding="utf-8"))
        wanted = _wanted(model, lora.LoRA(int(fields["r"]), targets=tuple(fields["target_modules"])))
        with WeightFiles(folder, names=(lora.FILE,)) as files:
            found = {tensor: files.shape(tensor) for tensor in files.names()}
    except (OSError, ValueError, TypeError, KeyError, UserError):
        return None
    return _difference(found, wanted, fields) if found != wanted else None


def _wanted(model: Transformer, what: lora.LoRA) -> Shapes:
    """Tensors that an adapter of this kind has, by PEFT's names."""
    lora.attach(model, what)
    layers = model.config.num_hidden_layers
    try:
        stems = [(lora.PREFIX + hf_name(place, layers), adapter) for place, adapter in lora.adapters(model)]
        return {tensor: list(t.shape) for stem, adapter in stems for tensor, t in adapter.named(stem)}
    finally:
        lora.remove(model)


def _difference(found: Shapes, wanted: Shapes, fields: Mapping[str, Any]) -> tuple[str, str]:
    """The first tensor that differs, in words; and where to look."""
    ranks = {min(shape) for tensor, shape in found.items() if ".lora_A." in tensor and len(shape) == 2}
    other = sorted(tensor for tensor in found.keys() & wanted.keys() if found[tensor] != wanted[tensor])
    if ranks and int(fields["r"]) not in ranks and found.keys() == wanted.keys():
        why = f"{lora.CONFIG} says rank r = {fields['r']}, and the matrices have rank {min(ranks)}"
        return why, f"both files must be of one adapter: copy {lora.CONFIG} and {lora.FILE} together"
    base = fields.get("base_model_name_or_path")
    hint = f"it was trained on {base!r}; serve that model" if base else "serve the model that it was trained on"
    if other:
        at = other[0]
        return f"{_short(at)} is {found[at]}, and this model's would be {wanted[at]}; {len(other)} tensors differ", hint
    return _names(found.keys() - wanted.keys(), wanted.keys() - found.keys()), hint


def _names(more: Iterable[str], less: Iterable[str]) -> str:
    more, less = sorted(more), sorted(less)
    parts = [f"this model has no place for {len(more)} of its tensors, such as {_short(more[0])}"] if more else []
    parts += [f"it lacks {len(less)} tensors, such as {_short(less[0])}"] if less else []
    return "; ".join(parts)


def _short(tensor: str) -> str:
    return tensor.removeprefix(lora.PREFIX)
