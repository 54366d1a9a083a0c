"""Whether a recipe fits into a machine's memory, and the nearest recipe that does.

Levers are pulled in the order of what they cost the model: none first (pieces of a batch, parting, number types), then shorter
sequences, smaller batches, a smaller model. One lever alone if one is enough; else each as far as it goes and the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from firesteel.compute.calibration import shape_of, text_bytes
from firesteel.compute.count import Shape, parameters
from firesteel.compute.plan import estimates, on_cluster
from firesteel.compute.rates import Rates
from firesteel.compute.training_loads import LESSONS
from firesteel.core import scale
from firesteel.core.config import ModelSettings, Recipe, parse_recipe
from firesteel.core.errors import MachineError, RecipeError
from firesteel.core.model_settings import VARIANT

Changes = dict[str, Any]  # key of the recipe -> value, as after --set
ROWS = {"grpo": "prompts", "grpo_all": "prompts"}  # where a stage's rows are not called batch_size
LENGTHS = {  # of its rows, where it is not called max_tokens
    "pretrain": "sequence_length", "extend": "sequence_length", "grpo": "max_new_tokens", "grpo_all": "max_new_tokens",
}  # fmt: skip
SHORTEST = 64  # tokens


@dataclass(frozen=True)
class Fit:
    """A verdict: the stage that needs most, bytes of one machine (on a cluster, of one device), and what would fit."""

    stage: str
    predicted: float
    available: float
    changes: Changes | None  # None: nothing that the levers reach fits; empty: the recipe itself

    @property
    def fits(self) -> bool:
        """Whether the recipe fits as it is."""
        return self.predicted <= self.available

    @property
    def command(self) -> str:
        """The nearest recipe that fits, as options of the command line."""
        return " ".join(f"--set {key}={value}" for key, value in (self.changes or {}).items())


def check_fit(recipe: Recipe, rates: Rates, available: float = 0.0) -> Fit:
    """Raise MachineError if the recipe is predicted to need more than `available` bytes (0 = all of the machine's memory)."""
    found = fit(recipe, rates, available)
    if found.fits:
        return found
    where = "a device of the cluster" if on_cluster(recipe, rates) else "this machine"
    raise MachineError(
        "the recipe needs more memory than there is", value=f"{_size(found.predicted)} of {_size(found.available)}",
        why=f"so much is predicted for the stage '{found.stage}' on {where} ({rates.name})",
        hint=f"the nearest that fits: {found.command}" if found.changes else "a machine with more memory, or a smaller model",
    )  # fmt: skip


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"


def fit(recipe: Recipe, rates: Rates, available: float = 0.0) -> Fit:
    """The verdict, with the nearest recipe that fits. Without a known memory everything fits."""
    available, raw = available or rates.memory_bytes or float("inf"), text_bytes(recipe)
    found = peaks(recipe, rates, raw)
    stage = max(found, key=lambda name: found[name])
    changes: Changes | None = {}
    for one, need in found.items():
        if need > available and changes is not None:
            more = _for_stage(one, changed(recipe, changes), rates, available, raw)
            changes = None if more is None else changes | more
    return Fit(stage, found[stage], available, changes)


def peaks(recipe: Recipe, rates: Rates, raw: float, only: str = "") -> dict[str, float]:
    """Stage (all, or the one that is named) -> bytes of one machine, or of one device of a cluster; from `raw` bytes of text."""
    machines = 1 if on_cluster(recipe, rates) else recipe.parallel.nodes
    found = estimates(recipe, rates, source_bytes=raw, only=only)
    return {stage: one.peak_bytes / machines for stage, one in found.items()}


def _for_stage(stage: str, recipe: Recipe, rates: Rates, available: float, raw: float) -> Changes | None:
    """What to change so that a stage fits: nothing if it does, None if the levers do not reach so far."""

    def needs(changes: Changes) -> float:
        try:
            return peaks(changed(recipe, changes), rates, raw, stage).get(stage, 0.0)
        except (RecipeError, MachineError):
            return float("inf")  # a combination that is none

    least = needs({})
    if least <= available:
        return {}
    for lever in LEVERS:
        for step in lever(stage, recipe, rates):
            if needs(step) <= available:
                return step
    together: Changes = {}
    for lever in LEVERS:
        furthest = together
        for step in lever(stage, changed(recipe, together), rates):
            need = needs(together | step)
            if need <= available:
                return _needed(together | step, lambda changes: needs(changes) <= available)
            if need < least:
                least, furthest = need, together | step
        together = furthest
    return None


def _needed(changes: Changes, fits: Callable[[Changes], bool]) -> Changes:
    """Without the changes that turned out not to be needed."""
    for key in list(changes):
        fewer = {other: value for other, value in changes.items() if other != key}
        changes = fewer if fits(fewer) else changes
    return changes


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other values, as `load_recipe` makes it with --set. Raises RecipeError."""
    raw = recipe.model_dump()
    if "model.scale" in changes:
        raw["model"] = {key: value for key, value in raw["model"].items() if key not in VARIANT}
    for key, value in changes.items():
        table, name = key.split(".")
        raw[table][name] = value
    return parse_recipe(raw)


Lever = Callable[[str, Recipe, Rates], Iterator[Changes]]


def _halves(value: float, least: float) -> Iterator[int]:
    size = int(value)
    while size > least:
        size = max(int(least), -(-size // 2))
        yield size


def _pieces(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """Fewer rows through the model together."""
    if stage not in LESSONS:
        return
    own, parallel = -(-LESSONS[stage](recipe).rows // recipe.parallel.data), recipe.parallel
    if parallel.pipeline > 1:
        pieces = parallel.microbatches or 4 * parallel.pipeline
        while (pieces := 2 * pieces) <= own:
            yield {"parallel.microbatches": pieces}
        return
    for rows in _halves(getattr(recipe, stage).micro_batch or own, 1):
        yield {f"{stage}.micro_batch": rows}


def _zero(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """Optimiser state and gradients parted among the processes, then weights."""
    for level in (2, 3):
        if recipe.parallel.data > 1 and level > recipe.parallel.zero:
            yield {"parallel.zero": level}


def _parts(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """The model or the sequence parted among more of the cluster's devices, then among more devices."""
    if stage not in LESSONS or rates.links is None:
        return
    parallel, per_node = recipe.parallel, rates.links.per_node
    for times in (2, 4, 8):
        same: Changes = {"parallel.microbatches": parallel.microbatches * times} if parallel.microbatches else {}
        for axis in ("context", "tensor", "pipeline") if parallel.processes > 1 else ():
            yield {f"parallel.{axis}": getattr(parallel, axis) * times} | same  # each process then has more rows
    for times in (2, 4, 8, 16, 32, 64):
        processes = parallel.processes * times
        more: Changes = {"parallel.processes": processes, "parallel.zero": 3}
        if processes > per_node:
            more |= {"parallel.nodes": -(-processes // per_node), "parallel.cluster": parallel.cluster or "auto"}
        yield more


def _number(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """Half as wide weights and, where the machine multiplies them, activations."""
    if stage in LESSONS and getattr(recipe, stage).precision == "float32":
        yield {f"{stage}.precision": "bfloat16"}


def _length(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """Shorter sequences."""
    if stage in LESSONS:
        key = LENGTHS.get(stage, "max_tokens")
        for tokens in _halves(getattr(getattr(recipe, stage), key), SHORTEST):
            yield {f"{stage}.{key}": tokens}


def _batch(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """Fewer rows a step."""
    if stage in LESSONS:
        key = ROWS.get(stage, "batch_size")
        for rows in _halves(getattr(getattr(recipe, stage), key), recipe.parallel.data):
            yield {f"{stage}.{key}": rows}


def _sample(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """Less text to learn the vocabulary from."""
    if stage == "tokenizer":
        for megabytes in _halves(recipe.tokenizer.sample_mb, 1):
            yield {"tokenizer.sample_mb": float(megabytes)}


def _smaller(stage: str, recipe: Recipe, rates: Rates) -> Iterator[Changes]:
    """A smaller model, by the one dial."""
    if recipe.pretrain.start_from:
        return
    now = parameters(shape_of(recipe)).total
    for size in range(scale.MAX_SCALE, 0, -1):
        shape = Shape.of(ModelSettings(scale=size).shape(), vocab_size=recipe.tokenizer.vocab_size)
        if parameters(shape).total < now:
            vocabulary = {"tokenizer.vocab_size": recipe.tokenizer.vocab_size} if recipe.model.preset else {}
            yield {"model.scale": size} | vocabulary


LEVERS: tuple[Lever, ...] = (_pieces, _zero, _sample, _parts, _number, _length, _batch, _smaller)
