"""Weights in and out, in the Hugging Face layout: config.json and safetensors, one file or shards.

In memory an expert stack is one tensor; on disk every expert has its own gate/up/down tensors, as the families ship them.
"""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from firesteel.core.errors import ArtefactError
from firesteel.model import families
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weight_files import INDEX, WeightFiles, find_weights

SHARD = 4 << 30  # bytes of a weights file, at most
IN_FLOAT32 = (".gate.weight", ".e_score_correction_bias", ".load")  # routing is decided by small differences
TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_MTP = re.compile(r"^mtp\.(\d+)\.(?:block\.)?(.*)$")
_LAYER = re.compile(r"^model\.layers\.(\d+)\.(.*)$")


def load_config(folder: Path | str) -> ModelConfig:
    """Read config.json. Raises ArtefactError."""
    return families.from_hf(_fields(Path(folder)))


def stored_config(folder: Path | str) -> ModelConfig:
    """config.json, less what it announces and the weights do not hold (`load_model` reads it so). Raises ArtefactError."""
    fields = _fields(Path(folder))
    with WeightFiles(Path(folder), fields.get("quantization_config")) as files:
        return _as_stored(fields, files)


@contextlib.contextmanager
def stored_weights(folder: Path | str, config: ModelConfig) -> Iterator[Callable[[str, torch.Size], Tensor]]:
    """A function from a name of Transformer.state_dict() and its shape to the folder's float32 tensor, one at a time.

    The weights must be those of `config` (as `load_model`). Raises ArtefactError.
    """
    folder = Path(folder)
    find_weights(folder)
    with torch.device("meta"):
        wanted = dict(to_hf(Transformer(config)))
    with WeightFiles(folder, _fields(folder).get("quantization_config")) as files:
        _check(wanted, files, config)

        def read(name: str, shape: torch.Size) -> Tensor:
            tensor = torch.empty(shape, dtype=torch.float32)
            for hf, view in _views(name, tensor, config):
                files.fill(hf, view)
            return tensor

        yield read


def load_model(
    folder: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32,
    config: ModelConfig | None = None,
) -> Transformer:  # fmt: skip
    """Read an HF-layout folder (one file or shards) into a model in eval mode; `dtype` None keeps the stored one.

    `config`: in place of the folder's own, with the same weights: other rotary positions, a longer context.

    Weights go straight to their places: peak memory is the model and some megabytes. Raises ArtefactError naming missing,
    surplus or wrongly shaped tensors before any is read; pickled weights are refused.
    """
    folder = Path(folder)
    find_weights(folder)
    fields = _fields(folder)
    with WeightFiles(folder, fields.get("quantization_config")) as files:
        config = config or _as_stored(fields, files)
        with torch.device("meta"):
            model = Transformer(config)
        _check(dict(to_hf(model)), files, config)
        materialise(model, dtype or _stored_dtype(files), device)
        for name, target in to_hf(model):
            files.fill(name, target)
    return model.eval()


def save_model(folder: Path, model: Transformer, *, dtype: torch.dtype | None = None, shard: int = SHARD) -> None:
    """Write config.json and the weights into an existing folder, `dtype` None in the model's own; nothing is pickled.

    The config is that of a family in transformers wherever one computes this model (families.py).
    """
    save_weights(folder, model.config, model.state_dict().items(), dtype or model.dtype, shard)


def save_weights(
    folder: Path, config: ModelConfig, named: Iterable[tuple[str, Tensor]], dtype: torch.dtype, shard: int = SHARD
) -> None:
    """The same from the tensors of Transformer.state_dict(), one at a time; adapters are left out."""
    fields = families.to_hf(config) | {"torch_dtype": str(dtype).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    each = (view for name, tensor in named for view in _views(name, tensor, config))
    write_shards(folder, ((name, _kept(name, t, dtype)) for name, t in each), shard)


def _kept(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor as it goes to disk: router biases in float32, and routers too where `dtype` would round them."""
    narrow = tensor.to(dtype)
    if name.endswith("e_score_correction_bias") or (
        name.endswith(".gate.weight") and not torch.equal(narrow.float(), tensor)
    ):
        return tensor.float().contiguous()
    return narrow.contiguous()


def write_shards(folder: Path, tensors: Iterator[tuple[str, Tensor]], shard: int = SHARD) -> None:
    """Write named tensors as model.safetensors, or as shards of at most `shard` bytes with their index."""
    shards: list[dict[str, Tensor]] = [{}]
    size = total = 0
    for name, tensor in tensors:
        if shards[-1] and size + tensor.nbytes > shard:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size, total = size + tensor.nbytes, total + tensor.nbytes
    if len(shards) == 1:
        write_tensors(folder / "model.safetensors", shards[0])
        return
    where: dict[str, str] = {}
    for number, part in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_tensors(folder / file, part)
        where |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def write_tensors(file: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file. Raises OSError with the system's own number, which the library hides in its message."""
    try:
        save_file(tensors, file, metadata={"format": "pt"})
    except SafetensorError as e:
        number = re.search(r"os error (\d+)", str(e))
        if number is None:
            raise
        raise OSError(int(number[1]), str(e), str(file)) from e


def to_hf(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """Every weight under its Hugging Face name; tensors share memory with the model."""
    for name, tensor in model.state_dict().items():
        yield from _views(name, tensor, model.config)


def _views(name: str, tensor: Tensor, config: ModelConfig) -> Iterator[tuple[str, Tensor]]:
    """One tensor of the state dict as what it is in files; an expert stack is three tensors an expert."""
    if ".adapter." in name:  # a file of its own: lora.py
        return
    name = hf_name(name, config.num_hidden_layers)
    if name.endswith("mlp.gate_up"):
        stem = name.removesuffix("gate_up")
        for e, both in enumerate(tensor):
            gate, up = both.chunk(2)
            yield f"{stem}experts.{e}.gate_proj.weight", gate
            yield f"{stem}experts.{e}.up_proj.weight", up
    elif name.endswith("mlp.down"):
        stem = name.removesuffix("down")
        for e, down in enumerate(tensor):
            yield f"{stem}experts.{e}.down_proj.weight", down
    else:
        yield name, tensor


def materialise(model: Transformer, dtype: torch.dtype, device: torch.device | str) -> None:
    """Give a model made on the meta device memory: weights of unset content, buffers of zeros; routers stay float32."""
    for prefix, module in model.named_modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is None or not tensor.is_meta:
                    continue
                kind = torch.float32 if f".{prefix}.{name}".endswith(IN_FLOAT32) else dtype
                if isinstance(tensor, nn.Parameter):
                    table[name] = nn.Parameter(torch.empty(tensor.shape, dtype=kind, device=device))
                else:
                    table[name] = torch.zeros(tensor.shape, dtype=kind, device=device)


def _fields(folder: Path) -> dict[str, Any]:
    try:
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise ArtefactError("the model's config.json cannot be read", value=folder, why=str(e)) from e
    if not isinstance(fields, dict):
        raise ArtefactError("the model's config.json cannot be read", value=folder, why="it is not an object")
    return fields


def _check(targets: dict[str, Tensor], files: WeightFiles, config: ModelConfig) -> None:
    """Raise ArtefactError unless the files hold exactly what the config asks for."""
    found = files.names()
    missing = sorted(set(targets) - set(found))
    if missing:
        raise ArtefactError("tensors are missing from the weights", value=_some(missing), why=f"{len(missing)} in all")
    surplus = sorted(name for name in set(found) - set(targets) if not _ignorable(name, config, files))
    if surplus:
        why = f"{len(surplus)} in all; the config has no place for them, or they differ from what they should copy"
        raise ArtefactError("surplus tensors in the weights", value=_some(surplus), why=why)
    for name, target in targets.items():
        if list(target.shape) != files.shape(name):
            why = f"the config asks for {list(target.shape)}, the file has {files.shape(name)}"
            raise ArtefactError("a tensor has the wrong shape", value=name, why=why)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _as_stored(fields: dict[str, Any], files: WeightFiles) -> ModelConfig:
    """The config, less what it announces and the weights do not hold; each such thing is said."""
    config, names = families.from_hf(fields), set(files.names())
    layers = {int(m[1]) for name in names if (m := _LAYER.match(name))}
    if config.num_nextn_predict_layers and max(layers, default=0) < config.num_hidden_layers:
        # transformers announces MTP modules in every DeepSeek-V3 config that it writes, and writes none
        warnings.warn("config.json announces MTP modules, the weights have none: loaded without", stacklevel=3)
        fields = fields | {"num_nextn_predict_layers": 0}
    if config.tie_word_embeddings and {HEAD, TABLE} <= names and not files.same(HEAD, TABLE):
        warnings.warn("config.json ties the head to the embedding, the weights have two: loaded untied", stacklevel=3)
        fields = fields | {"tie_word_embeddings": False}
    return families.from_hf(fields)


def stored_dtype(folder: Path | str) -> torch.dtype:
    """The dtype that an HF-layout folder keeps its matrices in. Raises ArtefactError."""
    with WeightFiles(Path(folder), _fields(Path(folder)).get("quantization_config")) as files:
        return _stored_dtype(files)


def _stored_dtype(files: WeightFiles) -> torch.dtype:
    """The dtype that keeps every matrix but the routers; vectors that are stored wider are rounded to it, aloud."""
    names = [name for name in files.names() if not f".{name}".endswith(IN_FLOAT32)]
    matrices = [files.dtype(name) for name in names if len(files.shape(name)) > 1]
    dtype = reduce(torch.promote_types, matrices)
    wider = [name for name in names if torch.promote_types(files.dtype(name), dtype) != dtype]
    if wider:
        warnings.warn(
            f"{len(wider)} vectors are stored wider than {dtype} and rounded to it: {wider[0]}, ...", stacklevel=3
        )
    return dtype


def _ignorable(name: str, config: ModelConfig, files: WeightFiles) -> bool:
    """Copies of shared tensors in MTP modules, a tied head written out, rotary tables of old checkpoints."""
    layer = _LAYER.match(name)
    if layer and layer[2] == "self_attn.rotary_emb.inv_freq":
        return True
    if layer and int(layer[1]) >= config.num_hidden_layers:
        shared = {
            "embed_tokens.weight": TABLE,
            "shared_head.head.weight": TABLE if config.tie_word_embeddings else HEAD,
        }
        return config.num_nextn_predict_layers > 0 and layer[2] in shared and files.same(name, shared[layer[2]])
    return name == HEAD and config.tie_word_embeddings


def hf_name(name: str, layers: int) -> str:
    """A module's or weight's name in Hugging Face's layout; MTP modules are the layers after the last."""
    mtp = _MTP.match(name)
    if mtp:
        rest = "shared_head.norm.weight" if mtp[2] == "norm.weight" else mtp[2]
        return f"model.layers.{layers + int(mtp[1])}.{rest}"
    return name if name.startswith("lm_head") else f"model.{name}"
