"""What `plan` found, for the terminal: how large the model is, and what each stage will take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from firesteel.ops import units

Facts = Mapping[str, Any]


def render(sizes: Facts, stages: Mapping[str, Facts], rates: Facts, currency: str, console: Console) -> None:
    """Print the model's size (compute.plan.sizes), a row a stage (compute.plan.Estimate), and the machine they are for."""
    counts = [units.number(sizes[key]) for key in ("parameters", "active")]
    cache = units.size(sizes["kv_bytes"])
    console.print(
        f"model: {counts[0]} parameters, {counts[1]} at work on a token; KV cache {cache} a token", soft_wrap=True
    )
    kinds = ", ".join(f"{kind} {units.size(size)}" for kind, size in sizes["weight_bytes"].items())
    console.print(f"weights: {kinds}\n", soft_wrap=True)
    table = Table("stage", box=None, header_style="bold")
    for heading in ("time", "peak memory", "energy", "CO2e", f"cost, {currency}"):
        table.add_column(heading, justify="right")
    for name, one in stages.items():
        table.add_row(name, *_cells([one]))
    table.add_row("[bold]all[/]", *_cells(list(stages.values())))
    console.print(table)
    where = f"{rates['name']}, one process, {rates['threads']} threads"
    console.print(f"machine: {where}; speed: {rates['measured']}", soft_wrap=True)


def _cells(ones: list[Facts]) -> list[str]:
    seconds, kwh, grams, cost = (sum(one[key] for one in ones) for key in ("seconds", "kwh", "co2e_g", "cost"))
    peak = max(one["peak_bytes"] for one in ones)
    return [units.duration(seconds), units.size(peak), units.energy(kwh), units.mass(grams), units.number(cost)]
