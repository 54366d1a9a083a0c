"""What a recipe will take on a machine, before it runs: seconds, memory, energy, carbon and money of each stage.

    seconds = flops / matrix-product rate + traffic / traffic rate + operations x time to start one + plain Python

Work comes from `loads.py`, rates from `rates.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from firesteel.compute import rates as machines
from firesteel.compute.carbon import carbon
from firesteel.compute.count import Shape, parameters, training_flops
from firesteel.compute.energy import WATTS_PER_THREAD
from firesteel.compute.loads import CALIBRATION, LOADS, Load, shape_of, text_bytes
from firesteel.compute.rates import Rates
from firesteel.compute.work import Work
from firesteel.core.config import Recipe


@dataclass(frozen=True)
class Estimate:
    """What a stage will take; `how` names the formula with its numbers."""

    seconds: float
    peak_bytes: float
    kwh: float
    co2e_g: float
    cost: float
    tokens: float  # that go through the model, or are made
    flops: float
    how: str

    def as_dict(self) -> dict[str, float]:
        """The numbers, without `how`."""
        return {name: value for name, value in asdict(self).items() if name != "how"}


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


def estimates(recipe: Recipe, rates: Rates, *, source_bytes: float | None = None) -> dict[str, Estimate]:
    """Every stage's estimate on a machine with these rates."""
    raw = source_bytes if source_bytes is not None else text_bytes(recipe)
    return {stage: _price(load(recipe, raw), recipe, rates) for stage, load in LOADS.items()}


def seconds(work: Work, rates: Rates) -> float:
    """The formula at the top of this file."""
    c = CALIBRATION
    products = work.flops / (c["product_rate"] * rates.fp32_flops)
    traffic = work.traffic / (c["traffic_rate"] * rates.traffic_bytes)
    return products + traffic + work.operations * c["operation_time"] * rates.operation_seconds


def _price(load: Load, recipe: Recipe, rates: Rates) -> Estimate:
    settings = recipe.machine
    taken = seconds(load.work, rates) + load.python * rates.python_seconds
    watts = settings.watts or rates.watts or WATTS_PER_THREAD * rates.threads
    kwh = watts * taken / 3.6e6 * settings.pue
    price = settings.price_per_hour or rates.price_per_hour
    return Estimate(
        seconds=round(taken, 2), peak_bytes=round(load.peak_bytes), kwh=kwh, co2e_g=carbon(settings.country).grams(kwh),
        cost=taken / 3600 * price, tokens=round(load.tokens), flops=round(load.work.flops), how=load.how,
    )  # fmt: skip


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
