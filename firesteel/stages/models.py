"""Bringing a model in from elsewhere, and what tells models apart."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, UserError, nearest
from firesteel.core.tokenizer import Tokenizer
from firesteel.core.tokenizer_files import copy_tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.gguf.importer import import_gguf, write_generation
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from firesteel.ops.model_card import markdown
from firesteel.stages.model_sources import MODELS, UNKNOWN, ModelWheel, Say, Source, open_source

FLOATS = {"auto": None, "f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
UNQUANTISED = ("F32", "F16", "BF16")
TOKENIZERS = ("tokenizer.json", "tiktoken.model")  # one of these makes a tokenizer


def _aloud(text: str) -> None:
    print(text, file=sys.stderr)


def import_model(
    src: str, out: Path, dtype: str = "auto", *, say: Say = _aloud, models: Mapping[str, ModelWheel] = MODELS
) -> None:
    """A model from elsewhere to a model artefact: a Hugging Face folder, a GGUF file, or a package with one of them inside.

    `dtype` of FLOATS; auto keeps the stored one (FP8 becomes bfloat16, a quantised GGUF file float32). Raises ArtefactError,
    SourceError.
    """
    if dtype not in FLOATS:
        raise UserError("unknown number format", value=dtype, hint=nearest(dtype, FLOATS))
    if out.exists():
        raise ArtefactError("the place is taken", value=out, hint="choose a folder that does not exist yet")
    with open_source(src, say, models) as source:
        identity = digest_folder(source.path) if source.path.is_dir() else artefact.file_hash(source.path)
        with artefact.writing(out, "model", inputs={"source": identity}, settings={"dtype": dtype}) as draft:
            take = _import_folder if source.path.is_dir() else _import_file
            model, facts = take(source.path, draft.path, FLOATS[dtype], say)
            licence = facts.pop("licence", UNKNOWN) if source.licence == UNKNOWN else source.licence
            draft.stats |= facts | {
                "parameters": sum(p.numel() for p in model.parameters()), "licence": licence,
                "origin": source.origin, "dtype": str(model.dtype).removeprefix("torch."),
            }  # fmt: skip
            _write_card(draft.path / "card.md", source, identity, draft.stats)


def _import_file(path: Path, target: Path, dtype: torch.dtype | None, say: Say) -> tuple[Transformer, dict[str, Any]]:
    found = import_gguf(path, target, dtype)
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.facts["number_formats"].items())
    say(f"read {kinds} tensors of architecture {found.facts['architecture']}")
    licence = {"licence": found.facts["license"]} if "license" in found.facts else {}
    return found.model, {"number_formats": found.facts["number_formats"]} | licence


def _import_folder(
    source: Path, target: Path, dtype: torch.dtype | None, say: Say
) -> tuple[Transformer, dict[str, Any]]:
    model = load_model(source, dtype=dtype)
    save_model(target, model)
    _take_tokenizer(source, target, model.config, say)
    if not (source / "generation_config.json").is_file():
        write_generation(target, model.config)
    return model, {}


def _take_tokenizer(source: Path, target: Path, config: ModelConfig, say: Say) -> None:
    """The tokenizer's files, once it is known that they can be read. A folder without them is said aloud."""
    if not any((source / name).is_file() for name in TOKENIZERS):
        why = f"there is no {' or '.join(TOKENIZERS)}"
        say(f"this model came without a tokenizer ({why}): it can be exported and evaluated by ids, not served")
        return
    tokenizer = Tokenizer.load(source)
    if tokenizer.vocab_size > config.vocab_size:
        why = f"{tokenizer.vocab_size} tokens, {config.vocab_size} rows in the model's tables"
        raise ArtefactError("the tokenizer does not belong to the model", value=source, why=why)
    if not (source / "tokenizer.json").is_file():
        tokenizer.save(target)
        return
    copy_tokenizer(source, target)


def _write_card(card: Path, source: Source, identity: str, stats: dict[str, Any]) -> None:
    """What the model is and whose, in Markdown; text from elsewhere is inert there."""
    lines = [f"# Imported from {markdown(source.path.resolve().name)}", ""]
    lines += [f"- {name}: {markdown(stats[name])}" for name in ("origin", "licence", "parameters", "dtype")]
    if set(stats.get("number_formats", ())) - set(UNQUANTISED):
        lines += [
            f"- quantised before: {markdown(json.dumps(stats['number_formats']))}; quality is that of these values"
        ]
    lines += [f"- sha256 of the source: {identity}"]
    if stats["licence"] == UNKNOWN:
        lines += ["- find out what its licence allows before you pass the model on"]
    card.write_text("\n".join(lines) + "\n", encoding="utf-8")


def identity_of(folder: Path) -> str:
    """A hash over a model folder's weights: that of the one file, or one over all shards and the config."""
    whole = folder / "model.safetensors"
    return artefact.file_hash(whole) if whole.is_file() else digest_folder(folder)


def digest_folder(folder: Path) -> str:
    """One hash over the weights and the config of a model folder."""
    files = sorted(folder.glob("*.safetensors")) + [folder / "config.json"]
    return artefact.digest({f.name: artefact.file_hash(f) for f in files if f.is_file()})
