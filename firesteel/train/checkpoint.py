"""Checkpoints: artefacts of kind `checkpoint`, `step-NNNNNN/` in a stage's work folder, newest two kept.

Nothing random is stored because nothing random is kept: every batch and every sample is a function of (seed, step).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError
from firesteel.model.weights import write_tensors

KEEP = 2
Optimisers = Sequence[torch.optim.Optimizer]


def save_checkpoint(work: Path, step: int, model: nn.Module, optimisers: Optimisers, *, key: str) -> None:
    """Write `work/step-NNNNNN`: weights, buffers and optimiser state after `step` steps; then drop the oldest."""
    with artefact.writing(work / f"step-{step:06d}", "checkpoint", inputs={"stage": key}) as draft:
        write_tensors(draft.path / "model.safetensors", _model_state(model))
        write_tensors(draft.path / "optimiser.safetensors", _optimiser_state(model, optimisers))
        draft.stats["step"] = step
    for old in sorted(work.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old)


def load_checkpoint(
    work: Path, model: nn.Module, optimisers: Optimisers, *, key: str, say: Callable[[str], None]
) -> int:
    """Restore the newest good checkpoint; returns the number of steps done, 0 if there is none at all.

    A damaged one is named and passed over for the one before it. Raises ArtefactError when all are damaged: starting
    over silently would lose work.
    """
    found = sorted(work.glob("step-*"), reverse=True)
    for folder in found:
        try:
            manifest = artefact.read(folder, "checkpoint", verify=True)
        except ArtefactError as e:
            say(f"[yellow]checkpoint {folder.name} is damaged and passed over[/yellow]: {e.what} ({e.value})")
            continue
        assert manifest.inputs["stage"] == key, "work folders are named after the stage key"
        model.load_state_dict(load_file(folder / "model.safetensors"))
        _restore_optimisers(model, optimisers, load_file(folder / "optimiser.safetensors"))
        step = int(manifest.stats["step"])
        assert step > 0
        return step
    if found:
        raise ArtefactError(
            "every checkpoint of this stage is damaged", value=work, why="none passed its checksums",
            hint=f"remove {work} to train the stage again from its start",
        )  # fmt: skip
    return 0


def _model_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.contiguous() for name, t in model.state_dict().items()}


def _optimiser_state(model: nn.Module, optimisers: Optimisers) -> dict[str, Tensor]:
    """Flat `parameter/slot` tensors; each parameter belongs to one optimiser."""
    return {
        f"{name}/{slot}": value.contiguous()
        for name, p in model.named_parameters()
        for optimiser in optimisers
        if p in optimiser.state
        for slot, value in optimiser.state[p].items()
    }


def _restore_optimisers(model: nn.Module, optimisers: Optimisers, flat: dict[str, Tensor]) -> None:
    by_name = dict(model.named_parameters())
    owner = {p: o for o in optimisers for group in o.param_groups for p in group["params"]}
    for key, value in flat.items():
        name, slot = key.rsplit("/", 1)
        parameter = by_name[name]
        owner[parameter].state[parameter][slot] = value if slot == "step" else value.to(parameter.device)
