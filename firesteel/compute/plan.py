"""What a recipe will take on a machine, before it runs: seconds, memory, energy, carbon and money of each stage.

    seconds = flops / matrix-product rate + traffic / traffic rate + operations x time to start one + plain Python

Work comes from `loads.py`, rates from `rates.py`. Training that [parallel] parts among the devices of a cluster is planned by
`cluster.py` instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from firesteel.compute import rates as machines
from firesteel.compute.calibration import CALIBRATION, Load, shape_of, text_bytes
from firesteel.compute.carbon import carbon
from firesteel.compute.cluster import Rows, Step, step
from firesteel.compute.count import Shape, parameters, training_flops
from firesteel.compute.energy import WATTS_PER_THREAD
from firesteel.compute.loads import LOADS
from firesteel.compute.rates import Rates
from firesteel.compute.sampling import cache_bytes
from firesteel.compute.training_loads import BESIDE, LESSONS, Lesson, Need
from firesteel.compute.work import FLOAT, Work
from firesteel.core.config import Recipe

RAMP = 8  # sizes of a growing batch that are planned, evenly spread


@dataclass(frozen=True)
class Estimate:
    """What a stage will take; `how` names the formula with its numbers."""

    seconds: float
    peak_bytes: float  # of this machine's processes together; on a cluster, of one device
    kwh: float
    co2e_g: float
    cost: float
    tokens: float  # that go through the model, or are made
    flops: float
    how: str
    cluster: dict[str, Any] | None = None  # of training on a cluster: its table, see `_table`

    def as_dict(self) -> dict[str, float]:
        """The numbers alone."""
        return {name: value for name, value in asdict(self).items() if name not in ("how", "cluster")}


def plan(
    recipe: Recipe, facts: Mapping[str, Any], machine: str | None = None, *, source_bytes: float | None = None
) -> dict[str, dict[str, float]]:
    """Stage -> {seconds, peak_bytes, kwh, co2e_g, cost, tokens, flops}, in the order of a run.

    `facts` are `machine.facts()`; `machine` is a name of `rates.MACHINES`, None for this one (measured on first use).
    `source_bytes`: raw text that the sources hold, if the caller knows. Raises MachineError.
    """
    found = estimates(recipe, rates_of(recipe, facts, machine), source_bytes=source_bytes)
    return {stage: estimate.as_dict() for stage, estimate in found.items()}


def rates_of(recipe: Recipe, facts: Mapping[str, Any], machine: str | None = None) -> Rates:
    """The named machine's rates, or this one's at the recipe's thread count."""
    return machines.named(machine) if machine else machines.here(facts, recipe.machine.threads)


def estimates(
    recipe: Recipe, rates: Rates, *, source_bytes: float | None = None, only: str = ""
) -> dict[str, Estimate]:
    """The estimate of every stage that the recipe has (or the one that is named), on a machine with these rates."""
    raw = source_bytes if source_bytes is not None else text_bytes(recipe)
    need = Need(raw, FLOAT // 2 if rates.bf16_flops > rates.fp32_flops else FLOAT, rates.threads)
    left_out = set(LESSONS) - set(recipe.model_stages)
    loads = {
        stage: load(recipe, need) for stage, load in LOADS.items() if only in ("", stage) and stage not in left_out
    }
    price = _price_parted if on_cluster(recipe, rates) else _price
    return {stage: price(stage, load, recipe, rates) for stage, load in loads.items() if load is not None}


def on_cluster(recipe: Recipe, rates: Rates) -> bool:
    """Whether the recipe parts its training among devices of this kind."""
    return recipe.parallel.processes > 1 and rates.links is not None


def seconds(work: Work, rates: Rates, products: str = "float32") -> float:
    """The formula at the top of this file."""
    c, rate = CALIBRATION, rates.bf16_flops if products == "bfloat16" else rates.fp32_flops
    traffic = work.traffic / (c["traffic_rate"] * rates.traffic_bytes)
    return (
        work.flops / (c["product_rate"] * rate)
        + traffic
        + work.operations * c["operation_time"] * rates.operation_seconds
    )


def _price(stage: str, load: Load, recipe: Recipe, rates: Rates, devices: int = 1) -> Estimate:
    settings = recipe.machine
    taken = seconds(load.work, rates, load.products) + load.python * rates.python_seconds
    watts = settings.watts or rates.watts or WATTS_PER_THREAD * rates.threads
    kwh = watts * devices * taken / 3.6e6 * settings.pue
    price = (settings.price_per_hour or rates.price_per_hour) * devices
    return Estimate(
        seconds=round(taken, 2), peak_bytes=round(load.peak_bytes), kwh=kwh, co2e_g=carbon(settings.country).grams(kwh),
        cost=taken / 3600 * price, tokens=round(load.tokens), flops=round(load.work.flops), how=load.how,
    )  # fmt: skip


def _price_parted(stage: str, load: Load, recipe: Recipe, rates: Rates) -> Estimate:
    """A stage on a cluster: learning by cluster.py, sampling shared out among the devices, the rest on one of them."""
    parallel, devices = recipe.parallel, recipe.parallel.processes
    sharers = parallel.pipeline * parallel.tensor * parallel.expert
    held = CALIBRATION["process"] + 2.0 * parameters(shape_of(recipe)).total / sharers
    if stage not in LESSONS:
        if load.work.flops:
            load = replace(load, work=load.work * (1 / devices), peak_bytes=held)
        return _price(stage, load, recipe, rates, devices if load.work.flops else 1)
    lesson = LESSONS[stage](recipe)
    if not lesson.steps:
        return _price(stage, replace(load, peak_bytes=held), recipe, rates, devices)
    steps = [(count, _step(lesson.of(rows), recipe, rates)) for count, rows in _sizes(lesson, parallel.data)]
    beside = BESIDE[stage](recipe, lesson, Need(0.0))[0] if stage in BESIDE else Work()
    taken = sum(count * one.seconds for count, one in steps) + seconds(beside, rates) / devices
    full = steps[-1][1]
    sampled = stage.startswith("grpo")
    peak = full.peak_bytes + (cache_bytes(lesson.shape, round(lesson.rows), 0) / devices if sampled else 0.0)
    tokens = sum(count * one.tokens for count, one in steps)
    asked = Load(Work(), taken / rates.python_seconds, peak, tokens, f"{lesson.steps} steps of {full.seconds:.3f} s")
    found = _price(stage, asked, recipe, rates, devices)
    flops = round(training_flops(lesson.shape, round(lesson.length)) * tokens)
    return replace(found, flops=flops, cluster=_table(full, taken * devices / 3600))


def _step(lesson: Lesson, recipe: Recipe, rates: Rates) -> Step:
    rows = Rows(lesson.rows, round(lesson.length), lesson.targets)
    return step(lesson.shape, lesson.settings, recipe.parallel, rates, rows)


def _sizes(lesson: Lesson, data: int) -> list[tuple[float, float]]:
    """(steps, rows of each): the sizes that a growing batch goes through, then the full one."""
    grown = min(lesson.ramp, lesson.steps) if lesson.start else 0
    growth = (lesson.rows - lesson.start) / RAMP
    growing = (
        [(grown / RAMP, max(float(data), lesson.start + growth * (i + 0.5))) for i in range(RAMP)] if grown else []
    )
    return [*growing, (lesson.steps - grown, lesson.rows)]


def _table(one: Step, hours: float) -> dict[str, Any]:
    """Device-hours of the stage, and of its full step: seconds by cause, tokens/s, MFU, largest cost, bytes of a device."""
    return {
        "device_hours": hours, "devices": one.devices, "step_seconds": one.seconds, "tokens_per_s": one.tokens / one.seconds,
        "mfu": one.mfu, "largest": one.largest, "parts": one.parts, "memory": one.memory, "notes": list(one.notes),
    }  # fmt: skip


def device_hours(config: Mapping[str, Any], tokens: float, *, length: int, peak_flops: float, mfu: float) -> float:
    """Hours of one device to train a published model: FLOPs / (peak x MFU); causal attention, no MTP, as papers count."""
    return training_flops(Shape.of(config), length, mtp=False) * tokens / (peak_flops * mfu) / 3600


WEIGHT_BYTES = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5}  # a weight; scales of blocks add some per cent


def sizes(recipe: Recipe) -> dict[str, Any]:
    """How large the recipe's model is, before any step: parameters, KV bytes a token in bf16, bytes of the weights by kind."""
    shape = shape_of(recipe)
    counts = parameters(shape)
    total = counts.total + counts.biases
    return {
        "parameters": total, "active": counts.active, "mtp": counts.mtp, "kv_bytes": 2 * shape.cache_elements,
        "weight_bytes": {kind: round(total * size) for kind, size in WEIGHT_BYTES.items()},
    }  # fmt: skip
