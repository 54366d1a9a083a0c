"""The stages of a run in order: name -> what it needs, which settings and code decide it, and what makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from firesteel.core import artefact
from firesteel.core.artefact import digest, file_hash
from firesteel.core.config import DATA_PATHS, TASK_LISTS, Recipe, placeless
from firesteel.core.errors import SourceError
from firesteel.stages import judging, material, reinforcement, rejection, training, tuning
from firesteel.stages.stage import BASE, MODEL, MODELS, Job, Stage


def _part(*tables: str) -> Any:
    """The named recipe tables and the seed, without what makes no other result: how often to write checkpoints, and in which
    folder the user's own tasks lie."""
    aside = {"checkpoint_every", "checkpoints", "checkpoint_keep_every"}

    def settings(recipe: Recipe) -> dict[str, Any]:
        dumped = {t: getattr(recipe, t).model_dump(mode="json", exclude=aside) for t in tables}
        for table in dumped.values():
            table |= {key: _placeless(table[key]) for key in TASK_LISTS if key in table}
        return {"seed": recipe.seed} | dumped

    return settings


def _placeless(tasks: Iterable[str]) -> list[str]:
    return [placeless(name) for name in tasks]


def _data_settings(recipe: Recipe) -> dict[str, Any]:
    """What decides the documents; the sources' places do not, their content does (see `outside`)."""
    settings: dict[str, Any] = _part("data")(recipe)
    for key in DATA_PATHS:
        given = settings["data"][key]
        settings["data"][key] = bool(given) if isinstance(given, str) else len(given)
    return settings | {
        "eval_tasks": _placeless((*recipe.eval.tasks, *recipe.eval.other)),
        "eval_samples": recipe.eval.samples,
    }


def _vocabulary(recipe: Recipe) -> dict[str, Any]:
    """What decides the tokenizer: its table and the tasks whose text it sees."""
    return _part("tokenizer")(recipe) | {"tasks": _placeless(recipe.sft.tasks)}  # type: ignore[no-any-return]


def _sources(recipe: Recipe) -> dict[str, str]:
    """Content hashes of all that the data stage reads, and the fingerprint of the placeholders' key."""
    from firesteel.core.secret import fingerprint, privacy_key
    from firesteel.data.read.source import content_hash, source_hashes

    data = recipe.data
    hashes = source_hashes(data)
    hashes |= {f"good {i}": content_hash(path) for i, path in enumerate(data.quality_good)}
    hashes |= {f"bad {i}": content_hash(path) for i, path in enumerate(data.quality_bad)}
    hashes |= {f"against {i}": artefact.read(path, "documents").id for i, path in enumerate(data.against)}
    if data.rules_file:
        hashes |= {f"rules: {name}": value for name, value in _files((data.rules_file,)).items()}
    if data.redact:
        hashes["privacy key"] = fingerprint(privacy_key(data.privacy_key))
    return hashes


def _files(paths: tuple[str, ...], kind: str = "file") -> dict[str, str]:
    """Content hashes of the user's files; a missing one is an error that names it."""
    from pathlib import Path

    hashes = {}
    for i, path in enumerate(paths):
        if not Path(path).is_file():
            raise SourceError("no such file", value=path, hint="paths in a recipe are relative to the recipe's folder")
        hashes[f"{kind} {i}"] = file_hash(Path(path))
    return hashes


def _tasks(*tables: str) -> Callable[[Recipe], dict[str, str]]:
    """Content hashes of the user's files of tasks that these tables name; what such a file imports is not seen."""
    return lambda recipe: _files(recipe.task_files(*tables), "tasks")


def _model_files(folder: str) -> dict[str, str]:
    """Content hashes of a model folder's weights, config and tokenizer."""
    from pathlib import Path

    if not folder:
        return {}
    if not Path(folder).is_dir():
        hint = "'firesteel import SRC OUT' makes such a folder; paths in a recipe are relative to the recipe's folder"
        raise SourceError("no such model folder", value=folder, hint=hint)
    files = [f for f in sorted(Path(folder).iterdir()) if f.suffix in (".safetensors", ".json", ".jinja", ".model")]
    return {f"{Path(folder).name}/{f.name}": file_hash(f) for f in files if f.name != artefact.MANIFEST}


def _start_model(recipe: Recipe) -> dict[str, str]:
    """Content hashes of the model that training starts from, if the recipe names one."""
    return _model_files(recipe.pretrain.start_from)


def _machine(recipe: Recipe) -> dict[str, str]:
    """The device a model is trained on; thread counts and prices do not make another model."""
    return {"device": digest(recipe.machine.device)}


def _always(recipe: Recipe) -> bool:
    return True


def _copied(recipe: Recipe) -> bool:
    """Whether every process has the whole model, which is what sampling needs."""
    p = recipe.parallel
    return p.data == p.processes and p.expert == 1 and not p.zero


_TRAIN = ("core", "kernels", "model", "tasks", "train", "serve", "stages")
_LEARN = (*_TRAIN, "data")  # conversations and pairs are read there


def _learning(
    make: Callable[[Job], None], *needs: str, tables: tuple[str, ...] = (),
    files: Callable[[Recipe], dict[str, str]] = lambda recipe: {}, parted: Callable[[Recipe], bool] = _always,
) -> Stage:  # fmt: skip
    """A stage that trains the model before it. `tables` that it reads besides its own; `files`: hashes of what it reads."""
    name = make.__name__
    return Stage(
        name, "model", (*needs, MODEL), _LEARN, _part("model", "pretrain", *tables, name), make,
        lambda recipe: _machine(recipe) | files(recipe), parted=parted,
    )  # fmt: skip


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "data", "documents", (), ("core", "data", "tasks"), _data_settings, material.data,
            lambda recipe: _sources(recipe) | _tasks("eval")(recipe),
        ),
        Stage(
            "tokenizer", "tokenizer", ("data",), ("core", "data", "tasks"), _vocabulary, material.tokenizer,
            lambda recipe: _start_model(recipe) | _tasks("sft")(recipe),
        ),
        Stage("tokens", "tokens", ("data", "tokenizer"), ("core", "data"), _part("tokens"), material.tokens),
        Stage(
            "pretrain", "model", ("tokenizer", "tokens"), ("core", "kernels", "model", "train"), _part("model", "pretrain"),
            training.pretrain, lambda recipe: _machine(recipe) | _start_model(recipe), parted=_always,
        ),
        _learning(training.extend, "tokens"),
        _learning(training.sft, "tokens", files=lambda recipe: _files(recipe.sft.sources) | _tasks("sft")(recipe)),
        _learning(
            tuning.distil, "tokens", tables=("sft",),
            files=lambda recipe: (
                _model_files(recipe.distil.teacher) | _files(recipe.sft.sources) | _tasks("sft")(recipe)
            ),
        ),
        _learning(tuning.preference, files=lambda recipe: _files(recipe.preference.sources)),
        _learning(reinforcement.grpo, files=_tasks("grpo"), parted=_copied),
        _learning(
            rejection.rejection, "tokens", BASE,
            files=lambda recipe: _files(recipe.rejection.sources) | _tasks("rejection")(recipe),
        ),
        _learning(reinforcement.grpo_all, files=_tasks("grpo_all"), parted=_copied),
        Stage("eval", "report", ("tokens", MODELS), _TRAIN, _part("eval"), judging.evaluation, _tasks("eval")),
        Stage(
            "compress", "model", ("tokens", MODEL, "eval"), (*_TRAIN, "compress"), _part("eval", "compress"), judging.compress,
            _tasks("eval"),
        ),
        Stage(
            "safety", "report", (MODEL,), ("core", "safety", "stages"), _part("safety"), judging.safety,
            lambda recipe: _files(recipe.safety.keywords),
        ),
        Stage(
            "release", "model", ("data", "tokenizer", MODELS, "eval", "compress", "safety"),
            ("core", "ops", "stages"), _part("release"), judging.release,
        ),
    )
}  # fmt: skip
