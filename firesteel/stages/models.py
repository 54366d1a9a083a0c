"""Verbs on single models: judge one, bring one in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firesteel.compute.device import set_up
from firesteel.core import artefact
from firesteel.core.config import EvalSettings, MachineSettings
from firesteel.core.errors import ArtefactError, SourceError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.gguf import import_gguf
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from firesteel.stages.judging import judge_model, write_cases, write_json
from firesteel.stages.training import TOKENIZER_FILES, copy_tokenizer


def evaluate_model(model: Path, tasks: tuple[str, ...], samples: int, seed: int, out: Path | None) -> dict[str, Any]:
    """Accuracy of a model folder on tasks; with `out`, a report artefact with every case."""
    device = set_up(MachineSettings(), seed)
    loaded, tokenizer = load_model(model, device=device), Tokenizer.load(model)
    settings = EvalSettings(tasks=tasks, samples=samples)
    result = judge_model(loaded, tokenizer, settings, seed=seed, temperature=settings.temperature)
    cases = result.pop("cases")
    identity = artefact.file_hash(model / "model.safetensors")
    report = {"model": str(model), "weights_sha256": identity, "seed": seed} | result
    if out is not None:
        with artefact.writing(
            out, "report", inputs={"model": identity}, settings=settings.model_dump(mode="json")
        ) as draft:
            write_json(draft.path / "report.json", report)
            write_cases(draft.path / "cases.jsonl", cases)
    return report


def import_model(src: str, out: Path) -> None:
    """A Hugging Face folder, or a GGUF file of architecture deepseek2, to a model artefact.

    Raises ArtefactError, SourceError.
    """
    source = Path(src)
    if out.exists():
        raise ArtefactError("the place is taken", value=out, hint="choose a folder that does not exist yet")
    if not source.exists():
        raise SourceError(
            "no such model", value=src, hint="a folder with config.json and *.safetensors, or a .gguf file"
        )
    identity = digest_folder(source) if source.is_dir() else artefact.file_hash(source)
    with artefact.writing(out, "model", inputs={"source": identity}) as draft:
        model = _import_folder(source, draft.path) if source.is_dir() else import_gguf(source, draft.path)
        draft.stats["parameters"] = sum(p.numel() for p in model.parameters())
        (draft.path / "card.md").write_text(f"# Imported from {source.name}\n", encoding="utf-8")


def _import_folder(source: Path, target: Path) -> Transformer:
    model = load_model(source)
    missing = [name for name in TOKENIZER_FILES if not (source / name).is_file()]
    if missing:
        raise ArtefactError("the model folder lacks tokenizer files", value=", ".join(missing))
    save_model(target, model)
    copy_tokenizer(source, target)
    return model


def digest_folder(folder: Path) -> str:
    """One hash over the weights and the config of a model folder."""
    files = sorted(folder.glob("*.safetensors")) + [folder / "config.json"]
    return artefact.digest({f.name: artefact.file_hash(f) for f in files})
