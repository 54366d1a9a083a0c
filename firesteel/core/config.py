"""A TOML recipe becomes frozen, typed settings; an unknown key is an error that offers the nearest name.

Every table has defaults that serve: the shortest recipe is a `name` and `data.sources`. Units are in the field's docs.
"""

from __future__ import annotations

import json
import re
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
from firesteel.core.table import Table, misfit
from firesteel.core.train_settings import DistilSettings as DistilSettings
from firesteel.core.train_settings import ExtendSettings as ExtendSettings
from firesteel.core.train_settings import GrpoAllSettings as GrpoAllSettings
from firesteel.core.train_settings import GrpoSettings as GrpoSettings
from firesteel.core.train_settings import OptimSettings as OptimSettings
from firesteel.core.train_settings import ParallelSettings as ParallelSettings
from firesteel.core.train_settings import PreferenceSettings as PreferenceSettings
from firesteel.core.train_settings import PretrainSettings as PretrainSettings
from firesteel.core.train_settings import RejectionSettings as RejectionSettings
from firesteel.core.train_settings import SftSettings as SftSettings
from firesteel.core.train_settings import WatchSettings as WatchSettings

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\sA-Z?#@]+")
_OWN_TASK = re.compile(r"(?P<file>.+\.(?:py|jsonl))(?P<rest>(?:[:@/+].*)?)")  # my_tasks.py:boxes@2, exam.jsonl
_FOLDER = re.compile(r".*/(?=[^/]*\.(?:py:|jsonl))")  # of the user's own tasks
TASK_LISTS = ("tasks", "other")  # keys of tables that hold names of tasks
DATA_PATHS = ("sources", "rules_file", "quality_good", "quality_bad", "against", "privacy_key")


def placeless(task: str) -> str:
    """A task's name without the folder of a file of the user's own: my_tasks.py:boxes@2, exam.jsonl."""
    return _FOLDER.sub("", task)


class MachineSettings(Table):
    """[machine]: where it runs, and what an hour of it costs."""

    device: str = Field("auto", description="auto, cpu, cuda, npu, ... (any torch accelerator)")
    workers: int = Field(0, ge=0, le=4096, description="processes that organise data; 0 = one a core")
    cluster: str = Field("", description="Ray cluster that organises data: auto, or host:port (extra 'cluster')")
    memory_gb: float = Field(
        0.0, ge=0, description="memory that a run may use, GiB; 0 = all. More than that is refused"
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 = all cores. Results are bit-exact per count")
    price_per_hour: float = Field(0.0, ge=0, description="money for one hour of this machine")
    currency: str = Field("CNY", description="the price's currency")
    watts: float = Field(0.0, ge=0, description="power draw under load, W; 0 = measure or model it")
    country: str = Field("CHN", description="ISO 3166 alpha-3: carbon intensity of its electricity")
    pue: float = Field(1.0, ge=1, le=3, description="power usage effectiveness of the room")


class EvalSettings(Table):
    """[eval]: held-out accuracy with intervals."""

    tasks: tuple[str, ...] = ("arithmetic", "word-problems")
    other: tuple[str, ...] = Field(
        (),
        description="tasks that are judged beside these and count for no gate, as those that nothing was trained on: "
        "chain@6-7, arithmetic+unseen, arithmetic/en",
    )
    samples: int = Field(1000, ge=1, description="questions a task")
    repeats: int = Field(
        1, ge=1, le=256, description="answers to each question, sampled; from 2 on also pass@k and the majority's vote"
    )
    max_new_tokens: int = Field(128, ge=4, description="tokens of an answer, all its turns together")
    max_turns: int = Field(
        4, ge=1, le=16, description="the model's turns in an answer, where a task has tools; 1 judges it without them"
    )
    temperature: float = Field(
        1.0, ge=0, description="as the server samples by default; greedy decoding is judged, too"
    )
    perplexity_tokens: int = Field(20_000, ge=100, description="held-out tokens to judge")

    @model_validator(mode="after")
    def _varied(self) -> EvalSettings:
        if self.repeats > 1 and not self.temperature:
            raise ValueError("repeats needs a temperature above 0: greedy answers to one question are all the same")
        return self


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
    max_sequences: int = Field(32, ge=1, le=4096, description="requests decoded together")
    max_queued: int = Field(64, ge=0, description="requests that may wait; more are answered 429")
    context: int = Field(0, ge=0, description="longest prompt and reply together, tokens; 0 = all that the model knows")
    max_new_tokens: int = Field(0, ge=0, description="upper bound of a reply, tokens; 0 = whatever the context leaves")
    cache_gb: float = Field(
        0.0,
        ge=0,
        description="memory of the KV cache, GB; 0 = full contexts of all requests, at most 1/4 of what is free",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of weights and cache; auto = bfloat16 if they are stored so and the machine multiplies it"
    )
    step_tokens: int = Field(512, ge=16, description="tokens computed in one step, prompts and answers together")
    prefix_cache: bool = Field(
        True, description="keep what was computed of prompts and answers for those that begin alike"
    )
    speculate: bool = Field(True, description="draft tokens with the model's MTP module, where it has one and it pays")
    batch_invariant: bool = Field(
        False, description="the same answer in any batch, bit for bit, also in bfloat16; slower"
    )
    allow_origins: tuple[str, ...] = Field(
        (), description="web pages that may ask from a browser (CORS): https://chat.example.org; * = all; none = none"
    )

    @model_validator(mode="after")
    def _names_origins(self) -> ServeSettings:
        for origin in self.allow_origins:
            if not _ORIGIN.fullmatch(origin):
                why = "it is not what a browser calls an origin: scheme://host or scheme://host:port, in small letters"
                raise misfit("allow_origins", origin, why, "for example https://chat.example.org; * lets all pages ask")
        return self


class Recipe(Table):
    """One recipe: everything that a run is made from."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(0, ge=0, lt=2**31)
    machine: MachineSettings = MachineSettings()
    data: DataSettings = DataSettings()
    tokenizer: TokenizerSettings = TokenizerSettings()
    tokens: TokensSettings = TokensSettings()
    model: ModelSettings = ModelSettings()
    parallel: ParallelSettings = ParallelSettings()
    watch: WatchSettings = WatchSettings()
    pretrain: PretrainSettings = PretrainSettings()
    extend: ExtendSettings = ExtendSettings()
    sft: SftSettings = SftSettings()
    distil: DistilSettings = DistilSettings()
    preference: PreferenceSettings = PreferenceSettings()
    grpo: GrpoSettings = GrpoSettings()
    rejection: RejectionSettings = RejectionSettings()
    grpo_all: GrpoAllSettings = GrpoAllSettings()
    eval: EvalSettings = EvalSettings()
    compress: CompressSettings = CompressSettings()
    safety: SafetySettings = SafetySettings()
    release: ReleaseSettings = ReleaseSettings()
    serve: ServeSettings = ServeSettings()

    @property
    def model_stages(self) -> tuple[str, ...]:
        """The stages of this recipe that make a model from the one before, in order."""
        wanted = {
            "pretrain": True, "extend": self.extend.factor > 1, "sft": self.sft.steps > 0,
            "distil": bool(self.distil.teacher), "preference": bool(self.preference.sources), "grpo": self.grpo.steps > 0,
            "rejection": self.rejection.steps > 0, "grpo_all": self.grpo_all.steps > 0,
        }  # fmt: skip
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    def before(self, stage: str) -> str:
        """The model stage that this one starts from; of a stage that makes no model: the last of them."""
        names = self.model_stages
        return names[names.index(stage) - 1] if stage in names else names[-1]

    @property
    def base(self) -> str:
        """The model stage before all fine-tuning: what [sft], and after it [rejection], begin with."""
        return "extend" if "extend" in self.model_stages else "pretrain"

    def task_files(self, *tables: str) -> tuple[str, ...]:
        """The user's own files among the tasks of these tables (tasks.own, tasks.questions)."""
        names = (name for table in tables for key in TASK_LISTS for name in getattr(getattr(self, table), key, ()))
        return tuple(dict.fromkeys(found["file"] for name in names if (found := _OWN_TASK.fullmatch(name))))

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if self.pretrain.steps == 0 and not self.pretrain.start_from:
            raise misfit("pretrain.steps", 0, "there are no weights to take as they are", "give pretrain.start_from")
        for name in self.model_stages:
            settings = getattr(self, name)
            rows = getattr(settings, "batch_start", 0) or getattr(settings, "batch_size", self.parallel.data)
            if rows < self.parallel.data:
                why = f"[parallel] parts each step's rows among {self.parallel.data} data-parallel processes"
                raise misfit(f"{name}.batch_size", rows, why)
        if self.release.require_rl_gain and not self.grpo.steps:
            raise misfit("release.require_rl_gain", True, "grpo.steps = 0 leaves reinforcement learning out")
        return self

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

    `model.preset` or `model.scale` among them replaces what the file says of the shape. Local paths, such as those in
    `data.sources` and in `my_tasks.py:boxes`, are taken relative to the recipe's folder. Raises RecipeError.
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
        what = f"{where}.{known['key']} = {known['value']!r}".removeprefix(".")
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
    value = f"{where} = {first['input']!r}"
    if first["type"] == "tuple_type":
        hint = f"{where} = [{json.dumps(first['input'], ensure_ascii=False, default=str)}]"
        return RecipeError("a recipe value does not fit", value=value, why="a list is wanted", hint=hint)
    return RecipeError("a recipe value does not fit", value=value, why=first["msg"])


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

    def task(name: str) -> str:
        own = _OWN_TASK.fullmatch(name)
        return f"{anchor(own['file'])}{own['rest']}" if own else name

    def moved(table: Any, *keys: str) -> Any:
        asks = {key: _each(task, getattr(table, key)) for key in TASK_LISTS if hasattr(table, key)}
        return table.model_copy(update=asks | {key: _each(anchor, getattr(table, key)) for key in keys})

    return _from_start(recipe.model_copy(update={
        "data": moved(recipe.data, *DATA_PATHS), "sft": moved(recipe.sft, "sources"),
        "pretrain": moved(recipe.pretrain, "start_from"), "distil": moved(recipe.distil, "teacher"),
        "preference": moved(recipe.preference, "sources"), "rejection": moved(recipe.rejection, "sources"),
        "safety": moved(recipe.safety, "keywords"), "eval": moved(recipe.eval), "grpo": moved(recipe.grpo),
        "grpo_all": moved(recipe.grpo_all),
    }))  # fmt: skip


def _from_start(recipe: Recipe) -> Recipe:
    """With the shape of the model that training starts from, so that it can be planned; as it was if that cannot be told."""
    if not recipe.pretrain.start_from:
        return recipe
    own = recipe.model.model_fields_set - TRAINING
    if own:
        raise RecipeError(
            "a recipe value does not fit", value=f"model.{min(own)}",
            why=f"the shape is that of pretrain.start_from = {recipe.pretrain.start_from!r}", hint="leave it out of [model]",
        )  # fmt: skip
    training = {key: getattr(recipe.model, key) for key in recipe.model.model_fields_set}
    try:
        fields = json.loads((Path(recipe.pretrain.start_from) / "config.json").read_text(encoding="utf-8"))
        shape, vocabulary = shape_told(fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return recipe  # the stages that read it say what is wrong
    tokenizer = recipe.tokenizer.model_copy(update={"vocab_size": vocabulary})
    return recipe.model_copy(update={"model": ModelSettings(**(shape | training)), "tokenizer": tokenizer})


def shape_told(fields: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """What the fields of a config.json mean in the keys of [model], and the vocabulary. Raises KeyError, TypeError, ValueError.

    Positions that [model] cannot say are left out: they cost nothing.
    """
    told = presets.meaning(fields)
    known = {key: value for key, value in told.items() if key in ModelSettings.model_fields and value is not None}
    try:
        ModelSettings(**known)
    except ValidationError:
        known |= {"rope_scaling": "none", "rope_scaling_factor": 1.0}
        ModelSettings(**known)
    return known, int(told["vocab_size"])
