"""Models in layouts that other software reads: a Hugging Face folder, or one GGUF file. What was written is read again."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firesteel.compress.gguf import DTYPES, compare, differences, main_model, write_gguf
from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, UserError, nearest
from firesteel.core.tokenizer import Tokenizer
from firesteel.core.tokenizer_files import TOKENIZER_FILES
from firesteel.model.families import transformers_loads
from firesteel.model.weights import load_model, save_model

Say = Callable[[str], None]
KEPT_FILES = (*TOKENIZER_FILES, "generation_config.json", "card.md")


def _aloud(text: str) -> None:
    print(text, file=sys.stderr)


def export(
    model_folder: Path | str, out: Path | str, format: str, *, dtype: str = "f32", mtp: bool = False, say: Say = _aloud
) -> dict[str, Any]:
    """Write the model in `model_folder` to `out` as `hf` (a folder) or `gguf` (a file); returns facts about it.

    `dtype` (f32, f16, bf16, q8_0) and `mtp` (keep the multi-token prediction module) are for gguf. What is left out or stored
    otherwise is said. Raises UserError for an unknown format, ArtefactError for a model that does not fit it.
    """
    folder, out = Path(model_folder), Path(out)
    if format not in FORMATS:
        raise UserError("unknown export format", value=format, hint=nearest(format, FORMATS))
    if dtype not in DTYPES:
        raise UserError("unknown number format", value=dtype, hint=nearest(dtype, DTYPES))
    if out.exists():
        raise ArtefactError("the place is taken", value=out, hint="choose a name that does not exist yet")
    if (folder / artefact.MANIFEST).is_file():
        artefact.read(folder, "model", verify=True)
    return FORMATS[format](folder, out, dtype, mtp, say)


def _to_hf(folder: Path, out: Path, dtype: str, mtp: bool, say: Say) -> dict[str, Any]:
    """Plain weights in the dtype that they have, config, tokenizer and card, for `transformers`."""
    model = load_model(folder, dtype=None)
    inputs = {"weights": artefact.digest([artefact.file_hash(f) for f in sorted(folder.glob("*.safetensors"))])}
    with artefact.writing(out, "model", inputs=inputs, settings={"format": "hf"}) as draft:
        save_model(draft.path, model)
        for name in KEPT_FILES:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, draft.path / name)
        facts = differences(model, load_model(draft.path, dtype=None))
        if facts["logit_difference"]:
            raise ArtefactError("the exported model computes something else", value=facts, why="a fault of ours")
    if not transformers_loads(model.config):
        say(
            "no architecture in transformers computes this model: the folder is written as `firesteel`, which only we read"
        )
    if model.mtp:
        say("transformers does not read the multi-token prediction module; its weights are in the folder all the same")
    return facts | {"format": "hf"}


def _to_gguf(folder: Path, out: Path, dtype: str, mtp: bool, say: Say) -> dict[str, Any]:
    """One file for llama.cpp, written beside its place, read back and compared, and only then renamed."""
    model, tokenizer = load_model(folder), Tokenizer.load(folder)
    if model.mtp and not mtp:
        say("left out: the multi-token prediction module (it only drafts tokens; keep it with --mtp)")
        model = main_model(model)
    temporary = out.with_name(f".{out.name}.partial")
    try:
        facts = write_gguf(temporary, model, tokenizer, dtype, name=folder.resolve().name)
        differing = compare(temporary, model, tokenizer, dtype)
        temporary.replace(out)
    except OSError as e:
        raise artefact.disk_error(e, out) from e
    finally:
        temporary.unlink(missing_ok=True)
    if facts["kept_wide"]:
        say(f"in f16 instead of {dtype}: {facts['kept_wide']} tensors whose rows are not a multiple of 32 long")
    say(
        "read back: logits differ by {logit_difference:.2g} at most, the next token by {kl:.2g} nats".format(
            **differing
        )
    )
    return facts | differing | {"format": "gguf", "dtype": dtype, "bytes": out.stat().st_size}


FORMATS: dict[str, Callable[[Path, Path, str, bool, Say], dict[str, Any]]] = {"hf": _to_hf, "gguf": _to_gguf}
