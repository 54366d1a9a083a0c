"""Weights in and out, in DeepSeek-V3's Hugging Face layout: config.json + model.safetensors.

In memory an expert stack is one tensor; on disk every expert has its own gate/up/down tensors, as the family ships them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from firesteel.core.errors import ArtefactError
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_MTP = re.compile(r"^mtp\.(\d+)\.(?:block\.)?(.*)$")


def save_model(folder: Path, model: Transformer, *, dtype: torch.dtype = torch.float32) -> None:
    """Write config.json and model.safetensors into an existing folder; nothing is pickled."""
    config = model.config.to_hf() | {"torch_dtype": str(dtype).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tensors = {name: t.to(dtype).contiguous() for name, t in to_hf(model)}
    write_tensors(folder / "model.safetensors", tensors)


def write_tensors(file: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file. Raises OSError with the system's own number, which the library hides in its message."""
    try:
        save_file(tensors, file, metadata={"format": "pt"})
    except SafetensorError as e:
        number = re.search(r"os error (\d+)", str(e))
        if number is None:
            raise
        raise OSError(int(number[1]), str(e), str(file)) from e


def load_config(folder: Path) -> ModelConfig:
    """Read config.json. Raises ArtefactError."""
    try:
        return ModelConfig.from_hf(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AssertionError) as e:
        raise ArtefactError("the model's config.json cannot be read", value=folder, why=str(e)) from e


def load_model(
    folder: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Transformer:
    """Read an HF-layout folder (one file or shards) into a model in eval mode.

    Raises ArtefactError naming missing, surplus or wrongly shaped tensors; pickled weights are refused.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = [p.name for p in folder.glob("*") if p.suffix in PICKLED]
        why = (
            f"pickled weights ({', '.join(pickled)}) can run code when loaded and are refused"
            if pickled
            else "no *.safetensors"
        )
        raise ArtefactError(
            "no weights to load", value=folder, why=why, hint="convert them to safetensors" if pickled else ""
        )
    model = Transformer(load_config(folder)).to(dtype)
    targets = dict(to_hf(model))
    seen: set[str] = set()
    for file in files:
        for name, tensor in _restored(file):
            if name in targets and name not in seen:
                _fill(name, targets[name], tensor)
            elif not _ignorable(name, model.config):
                raise ArtefactError(
                    "surplus tensor in the weights", value=name, why=f"in {file.name}; the config has no place for it"
                )
            seen.add(name)
    missing = sorted(set(targets) - seen)
    if missing:
        raise ArtefactError(
            "tensors are missing from the weights", value=", ".join(missing[:5]), why=f"{len(missing)} in all"
        )
    return model.to(device).eval()


def to_hf(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """Every weight under its Hugging Face name; tensors share memory with the model."""
    with torch.no_grad():
        for name, tensor in model.state_dict(keep_vars=False).items():
            name = _hf_name(name, model.config.num_hidden_layers)
            if name.endswith("mlp.gate_up"):
                for e, both in enumerate(tensor):
                    gate, up = both.chunk(2)
                    stem = name.removesuffix("gate_up") + f"experts.{e}"
                    yield f"{stem}.gate_proj.weight", gate
                    yield f"{stem}.up_proj.weight", up
            elif name.endswith("mlp.down"):
                for e, down in enumerate(tensor):
                    yield name.removesuffix("down") + f"experts.{e}.down_proj.weight", down
            else:
                yield name, tensor


def _hf_name(name: str, layers: int) -> str:
    mtp = _MTP.match(name)
    if mtp:
        rest = "shared_head.norm.weight" if mtp[2] == "norm.weight" else mtp[2]
        return f"model.layers.{layers + int(mtp[1])}.{rest}"
    return name if name.startswith("lm_head") else f"model.{name}"


def _tensors(file: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        with safe_open(file, framework="pt") as f:
            for name in f.keys():  # noqa: SIM118 - not a dict
                yield name, f.get_tensor(name)
    except (SafetensorError, OSError) as e:
        raise ArtefactError("a weights file is damaged", value=file, why=str(e)) from e


def _restored(file: Path) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a file, int8 weights multiplied by their row scales (`NAME_scale`, compressed-tensors' layout)."""
    held: dict[str, Tensor] = {}  # the half of a pair that came first
    for name, tensor in _tensors(file):
        stem = name.removesuffix("_scale")
        if tensor.dtype != torch.int8 and stem == name:
            yield name, tensor
        elif stem in held:
            yield stem, held.pop(stem).float() * tensor.float()
        else:
            held[stem] = tensor
    if held:
        why = "an int8 weight and its scale belong together"
        raise ArtefactError("half of a quantised weight is missing", value=", ".join(sorted(held)[:5]), why=why)


def _fill(name: str, target: Tensor, tensor: Tensor) -> None:
    if target.shape != tensor.shape:
        why = f"the config asks for {list(target.shape)}, the file has {list(tensor.shape)}"
        raise ArtefactError("a tensor has the wrong shape", value=name, why=why)
    target.copy_(tensor)


def _ignorable(name: str, config: ModelConfig) -> bool:
    """MTP modules ship copies of the shared embedding and head; a tied head may be written out too."""
    copies = (".embed_tokens.weight", ".shared_head.head.weight")
    in_mtp = re.match(r"model\.layers\.(\d+)\.", name)
    if in_mtp and int(in_mtp[1]) >= config.num_hidden_layers and name.endswith(copies):
        return True
    return name == "lm_head.weight" and config.tie_word_embeddings
