"""A TOML recipe becomes frozen, typed settings; an unknown key is an error that offers the nearest name.

Every table has defaults that serve: the shortest recipe is a `name` and `data.sources`. Units are in the field's docs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from firesteel.core import presets
from firesteel.core.data_settings import DataSettings as DataSettings
from firesteel.core.data_settings import TokenizerSettings as TokenizerSettings
from firesteel.core.data_settings import TokensSettings as TokensSettings
from firesteel.core.errors import RecipeError, nearest
from firesteel.core.model_settings import TRAINING, VARIANT
from firesteel.core.model_settings import ModelSettings as ModelSettings
from firesteel.core.table import Table

DATA_PATHS = ("sources", "rules_file", "quality_good", "quality_bad", "against", "privacy_key")


class MachineSettings(Table):
    """[machine]: where it runs, and what an hour of it costs."""

    device: str = Field("auto", description="auto, cpu, cuda, npu, ... (any torch accelerator)")
    workers: int = Field(0, ge=0, le=4096, description="processes that organise data; 0 = one a core")
    cluster: str = Field("", description="Ray cluster that organises data: auto, or host:port (extra 'cluster')")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 = all cores. Results are bit-exact per count")
    price_per_hour: float = Field(0.0, ge=0, description="money for one hour of this machine")
    currency: str = Field("CNY", description="the price's currency")
    watts: float = Field(0.0, ge=0, description="power draw under load, W; 0 = measure or model it")
    country: str = Field("CHN", description="ISO 3166 alpha-3: carbon intensity of its electricity")
    pue: float = Field(1.0, ge=1, le=3, description="power usage effectiveness of the room")


class OptimSettings(Table):
    """Common to the training tables: optimiser, schedule, checkpoints."""

    optimiser: Literal["muon", "adamw"] = Field("muon", description="for the hidden matrices; the rest is AdamW")
    momentum: float = Field(0.95, ge=0, lt=1, description="Muon's")
    table_rate: float = Field(
        1.0, ge=0, description="learning rate of embeddings, head and routers, times learning_rate"
    )
    learning_rate: float = Field(2e-3, gt=0)
    min_learning_rate: float = Field(0.1, ge=0, le=1, description="final rate as a share of learning_rate")
    warmup_steps: int = Field(20, ge=0)
    weight_decay: float = Field(0.1, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    grad_clip: float = Field(1.0, gt=0, description="bound on the global gradient norm")
    checkpoint_every: int = Field(50, ge=1, description="steps between checkpoints")


class PretrainSettings(OptimSettings):
    """[pretrain]: next-token prediction on the documents."""

    steps: int = Field(300, ge=1)
    batch_size: int = Field(16, ge=1, description="sequences a step")
    sequence_length: int = Field(256, ge=16, description="tokens a sequence")
    mtp_weight: float = Field(0.3, ge=0, description="lambda of the multi-token prediction loss")


class SftSettings(OptimSettings):
    """[sft]: supervised fine-tuning on worked tasks and the user's own conversations."""

    steps: int = Field(600, ge=1)
    batch_size: int = Field(64, ge=1, description="conversations a step")
    tasks: tuple[str, ...] = Field(("arithmetic", "word-problems"), description="task names, mixed evenly")
    sources: tuple[str, ...] = Field(
        (), description="files of conversations (messages, Alpaca, ShareGPT), one more task"
    )
    max_tokens: int = Field(256, ge=16, description="longer conversations are left out")
    packing: bool = Field(
        False, description="several conversations share a row of max_tokens, unseen by each other, instead of padding"
    )
    replay: int = Field(
        2, ge=0, description="windows of documents learnt beside each batch, against forgetting; 0 = none"
    )
    replay_weight: float = Field(0.3, ge=0, description="weight of their loss")
    mtp_weight: float = Field(0.1, ge=0)


class GrpoSettings(OptimSettings):
    """[grpo]: reinforcement learning with verifiable rewards (DeepSeekMath, R1)."""

    steps: int = Field(30, ge=1)
    tasks: tuple[str, ...] = ("arithmetic", "word-problems")
    prompts: int = Field(128, ge=1, description="questions a step; many questions teach more than many answers to few")
    group_size: int = Field(4, ge=2, description="answers sampled for one question")
    table_rate: float = Field(
        0.1, ge=0, description="low: rows of tokens that no answer used have only noise to follow"
    )
    max_new_tokens: int = Field(128, ge=4)
    temperature: float = Field(1.0, gt=0)
    learning_rate: float = Field(5e-4, gt=0)
    warmup_steps: int = Field(2, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    clip_low: float = Field(0.2, gt=0, description="epsilon below: ratio >= 1 - clip_low")
    clip_high: float = Field(0.28, gt=0, description="epsilon above: ratio <= 1 + clip_high (DAPO's clip-higher)")
    kl_weight: float = Field(0.0, ge=0, description="beta of the k3 KL penalty against the model it started from")
    minibatches: int = Field(1, ge=1, description="optimiser steps on one batch of answers")
    credit: Literal["step", "answer"] = Field(
        "step", description="what is compared within a group: each step, or whole answers"
    )
    format_reward: float = Field(0.1, ge=0, description="reward for a well-formed <think>...</think>answer")
    max_logprob_gap: float = Field(
        0.05, gt=0, description="stop when sampler and trainer disagree by more, mean nats a token"
    )
    checkpoint_every: int = Field(5, ge=1)


class EvalSettings(Table):
    """[eval]: held-out accuracy with intervals."""

    tasks: tuple[str, ...] = ("arithmetic", "word-problems")
    samples: int = Field(1000, ge=1, description="questions a task")
    max_new_tokens: int = Field(128, ge=4)
    temperature: float = Field(
        1.0, ge=0, description="as the server samples by default; greedy decoding is judged, too"
    )
    perplexity_tokens: int = Field(20_000, ge=100, description="held-out tokens to judge")


class CompressSettings(Table):
    """[compress]: smaller weights, judged before and after."""

    weights: Literal["int8"] = "int8"
    max_perplexity_ratio: float = Field(1.02, gt=1, description="gate: perplexity after / before")
    max_accuracy_drop: float = Field(0.02, ge=0, description="gate: accuracy before - after")


class SafetySettings(Table):
    """[safety]: the guard's test, and what a release needs."""

    keywords: tuple[str, ...] = Field((), description="files of own keywords: one a line, 'category<TAB>word'")
    redact_input: bool = Field(
        False, description="replace personal data in requests too; without it they are only flagged"
    )
    min_block_rate: float = Field(0.95, ge=0, le=1, description="gate: share of harmful cases that must be stopped")
    max_false_block_rate: float = Field(
        0.05, ge=0, le=1, description="gate: share of harmless cases that may be stopped"
    )


class ReleaseSettings(Table):
    """[release]: what the model must show before it is released."""

    min_accuracy: float = Field(0.0, ge=0, le=1, description="gate: held-out accuracy over all tasks")
    require_rl_gain: bool = Field(False, description="gate: the interval of the accuracy gain by [grpo] excludes zero")
    licence: str = Field("Apache-2.0", description="licence of the model")
    weights: Literal["full", "int8"] = Field("full", description="which weights the release folder holds")


class ServeSettings(Table):
    """[serve]: the server's bounds."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    max_sequences: int = Field(32, ge=1, description="requests decoded together")
    max_queued: int = Field(64, ge=0, description="requests that may wait; more are answered 429")
    max_new_tokens: int = Field(256, ge=1, description="default and upper bound of a reply, tokens")
    cache_tokens: int = Field(65_536, ge=64, description="tokens of KV cache shared by all requests")


class Recipe(Table):
    """One recipe: everything that a run is made from."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(0, ge=0, lt=2**31)
    machine: MachineSettings = MachineSettings()
    data: DataSettings = DataSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    tokens: TokensSettings = TokensSettings()
    model: ModelSettings = ModelSettings()
    pretrain: PretrainSettings = PretrainSettings()
    sft: SftSettings = SftSettings()
    grpo: GrpoSettings = GrpoSettings()
    eval: EvalSettings = EvalSettings()
    compress: CompressSettings = CompressSettings()
    safety: SafetySettings = SafetySettings()
    release: ReleaseSettings = ReleaseSettings()
    serve: ServeSettings = ServeSettings()

    @model_validator(mode="before")
    @classmethod
    def _vocabulary(cls, given: Any) -> Any:
        """A preset's vocabulary belongs to its shape, unless the recipe gives one."""
        model, tokenizer = (
            (given.get(key, {}) for key in ("model", "tokenizer")) if isinstance(given, dict) else ({}, {})
        )
        name = model.get("preset") if isinstance(model, dict) else None
        if not isinstance(tokenizer, dict) or name not in presets.names():
            return given
        return given | {"tokenizer": {"vocab_size": presets.settings(name)["vocab_size"]} | tokenizer}


def load_recipe(path: Path | str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a TOML recipe and apply `--set table.key=value` overrides (values in TOML syntax, bare words as text).

    `model.preset` or `model.scale` among them replaces what the file says of the shape. Local paths in `data.sources`,
    `sft.sources` and `safety.keywords` are taken relative to the recipe's folder. Raises RecipeError.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise RecipeError("no such recipe", value=path, hint="see recipes/ for examples") from e
    except IsADirectoryError as e:
        raise RecipeError("a recipe is a TOML file, not a folder", value=path) from e
    except UnicodeDecodeError as e:
        raise RecipeError("the recipe is not UTF-8 text", value=path, why=str(e)) from e
    except tomllib.TOMLDecodeError as e:
        raise RecipeError("the recipe is not valid TOML", value=path, why=str(e)) from e
    _make_room(raw, {item.partition("=")[0].strip() for item in overrides})
    for item in overrides:
        _override(raw, item)
    return _anchored(parse_recipe(raw), path.resolve().parent)


def parse_recipe(raw: dict[str, Any]) -> Recipe:
    """Check a recipe given as nested tables. Raises RecipeError for the first mistake, with its place."""
    try:
        return Recipe.model_validate(raw)
    except ValidationError as e:
        raise _readable(e) from e


def _readable(error: ValidationError) -> RecipeError:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "misfit":
        known = first["ctx"]
        what = f"{where}.{known['key']} = {known['value']!r}"
        return RecipeError("a recipe value does not fit", value=what, why=known["why"], hint=known["hint"])
    if first["type"] == "extra_forbidden":
        table: Any = Recipe
        for part in first["loc"][:-1]:
            table = table.model_fields[str(part)].annotation
        return RecipeError(
            "unknown key in the recipe", value=where, hint=nearest(str(first["loc"][-1]), table.model_fields)
        )
    if first["type"] == "missing":
        return RecipeError("the recipe lacks a key", value=where, hint=f'add a line such as {where} = "..."')
    return RecipeError("a recipe value does not fit", value=f"{where} = {first['input']!r}", why=first["msg"])


def _make_room(raw: dict[str, Any], keys: set[str]) -> None:
    """A dial on the command line replaces what the file says of the shape; other overrides still come on top of it."""
    model, tokenizer = raw.get("model"), raw.get("tokenizer")
    if not isinstance(model, dict):
        return
    if "model.preset" in keys:
        raw["model"] = {key: value for key, value in model.items() if key in TRAINING}
        if isinstance(tokenizer, dict):
            tokenizer.pop("vocab_size", None)
    elif "model.scale" in keys:
        raw["model"] = {key: value for key, value in model.items() if key not in VARIANT}


def _override(raw: dict[str, Any], item: str) -> None:
    key, sign, text = item.partition("=")
    parts = key.strip().split(".")
    if not sign or not all(parts):
        raise RecipeError("--set needs key=value", value=item, hint="for example --set pretrain.steps=100")
    try:
        value = tomllib.loads(f"v = {text.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table = raw
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError("--set names a table that is a value", value=item)
    table[parts[-1]] = value


def _each(function: Callable[[str], str], value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return function(value) if value else ""
    return tuple(function(item) for item in value)


def _anchored(recipe: Recipe, folder: Path) -> Recipe:
    def anchor(source: str) -> str:
        remote = "://" in source or source.startswith("package:")
        return source if remote else str((folder / Path(source).expanduser()).resolve())

    def moved(table: Any, *keys: str) -> Any:
        return table.model_copy(update={key: _each(anchor, getattr(table, key)) for key in keys})

    return recipe.model_copy(update={
        "data": moved(recipe.data, *DATA_PATHS), "sft": moved(recipe.sft, "sources"),
        "safety": moved(recipe.safety, "keywords"),
    })  # fmt: skip
