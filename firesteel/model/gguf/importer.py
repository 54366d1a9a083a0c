"""A GGUF file's model and tokenizer into ours: quantised weights become floats, piece by piece, in their own places."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from firesteel.core.errors import ArtefactError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.gguf.config import config_of
from firesteel.model.gguf.file import GGUF, open_gguf
from firesteel.model.gguf.layout import WHOLE_KV_B, Slot, slots
from firesteel.model.gguf.read import read_into
from firesteel.model.gguf.tokenizer import read_tokenizer
from firesteel.model.transformer import Transformer
from firesteel.model.weights import materialise, save_model

FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
COPIES = re.compile(
    r"blk\.\d+\.(attn_kv_b|attn_rot_embd|nextn\.embed_tokens|nextn\.shared_head_head)\.weight$|rope_freqs\.weight$"
)
FEWEST_BITS = 4  # of a weight, in the readable number formats


@dataclass(frozen=True)
class Imported:
    """What an import made, and what the file says of itself."""

    model: Transformer
    tokenizer: Tokenizer
    facts: dict[str, Any]  # name, licence, number formats


def import_gguf(path: Path | str, folder: Path, dtype: torch.dtype | None = None) -> Imported:
    """Write a GGUF file's model and tokenizer into an existing folder, in Hugging Face layout.

    `dtype` None: that of `kept_dtype`. Raises ArtefactError for a file that is damaged, or holds what this version does not
    compute.
    """
    file = open_gguf(path)
    config, tokenizer = config_of(file), read_tokenizer(file)
    if tokenizer.vocab_size > config.vocab_size:
        why = f"{tokenizer.vocab_size} tokens, {config.vocab_size} rows in the model's tables"
        raise ArtefactError("the tokenizer does not belong to the model", value=file.path, why=why)
    model = load_gguf(file, dtype or kept_dtype(file))
    save_model(folder, model)
    tokenizer.save(folder)
    write_generation(folder, config)
    return Imported(model, tokenizer, facts_of(file))


def kept_dtype(file: GGUF) -> torch.dtype:
    """The dtype that keeps a file's weights: bfloat16 where all matrices are, else float32 (a scale times a small integer).

    Float16 becomes float32 too: its weights fit, the activations of models that were trained in bfloat16 often do not.
    """
    kinds = {stored.kind.name for stored in file.tensors.values() if len(stored.shape) > 1}
    return torch.bfloat16 if kinds == {"BF16"} else torch.float32


def load_gguf(file: GGUF, dtype: torch.dtype = torch.float32) -> Transformer:
    """The file's model in eval mode. Memory: the model, and a piece of some megabytes.

    Raises ArtefactError naming missing, surplus or misshapen tensors before memory is taken for any.
    """
    config = config_of(file)
    with torch.device("meta"):
        model = Transformer(config)
    weights = sum(p.numel() for p in model.parameters())
    if weights * FEWEST_BITS > file.size * 8:
        why = f"{weights:,} weights, {file.size:,} bytes"
        raise ArtefactError("the keys describe a larger model than the GGUF file holds", value=file.path, why=why)
    _check(file, _slots(model, file))
    materialise(model, dtype, "cpu")
    with file.path.open("rb") as f, torch.no_grad():
        for name, slot in _slots(model, file).items():
            stored = file.tensors[name]
            for number, view in enumerate(slot.views):
                read_into(f, stored, view, number * stored.bytes_of(view.numel()))
    return model.eval()


def _slots(model: Transformer, file: GGUF) -> dict[str, Slot]:
    return slots(model, permuted=file.architecture == "llama", whole_kv=f"blk.0.{WHOLE_KV_B}" in file.tensors)


def _check(file: GGUF, wanted: dict[str, Slot]) -> None:
    """Raise ArtefactError unless the file holds exactly what the keys ask for, and copies of it."""
    missing = sorted(set(wanted) - set(file.tensors))
    if missing:
        value = missing[0] if len(missing) == 1 else f"{missing[0]} and {len(missing) - 1} more"
        raise ArtefactError("a tensor is missing from the GGUF file", value=value, why="the keys ask for it")
    copies = {name for name in file.tensors if COPIES.match(name)} | _split_copies(file)
    surplus = sorted(set(file.tensors) - set(wanted) - copies)
    if surplus:
        why = "the keys have no place for them"
        raise ArtefactError("surplus tensors in the GGUF file", value=", ".join(surplus[:5]), why=why)
    for name, slot in wanted.items():
        if file.tensors[name].shape != slot.shape:
            why = f"the keys ask for {list(slot.shape)}, the file has {list(file.tensors[name].shape)}"
            raise ArtefactError("a tensor has the wrong shape", value=name, why=why)


def _split_copies(file: GGUF) -> set[str]:
    """Some programs write MLA's up-projection three times: whole, and each half. Then the whole one is read."""
    layers = {name.rpartition("attn_kv_b")[0] for name in file.tensors if name.endswith(WHOLE_KV_B)}
    return {f"{layer}attn_{part}_b.weight" for layer in layers for part in "kv"}


def write_generation(folder: Path, config: ModelConfig) -> None:
    """Write generation_config.json: which ids begin, end and pad, for whoever generates with the model."""
    ends = config.eos_token_id
    ids = {
        "bos_token_id": config.bos_token_id, "eos_token_id": list(ends) if isinstance(ends, tuple) else ends,
        "pad_token_id": config.pad_token_id,
    }  # fmt: skip
    text = json.dumps({name: id for name, id in ids.items() if id is not None}, indent=1)
    (folder / "generation_config.json").write_text(text + "\n", encoding="utf-8")


def facts_of(file: GGUF) -> dict[str, Any]:
    """What the file says of itself, for the record: name, licence, number formats."""
    told = {name: file.keys.get(f"general.{name}") for name in ("name", "license", "organization")}
    kinds: dict[str, int] = {}
    for stored in file.tensors.values():
        kinds[stored.kind.name] = kinds.get(stored.kind.name, 0) + 1
    return {name: value for name, value in told.items() if isinstance(value, str)} | {
        "architecture": file.architecture, "number_formats": dict(sorted(kinds.items())),
    }  # fmt: skip
