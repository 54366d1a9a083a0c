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
    for name, one in stages.items():
        if one["cluster"]:
            _render_cluster(name, one["cluster"], console)
    for note in dict.fromkeys(note for one in stages.values() if one["cluster"] for note in one["cluster"]["notes"]):
        console.print(f"assumed: {note}", soft_wrap=True)
    parted = any(one["cluster"] for one in stages.values())
    where = rates["name"] if parted else f"{rates['name']}, one process, {rates['threads']} threads"
    console.print(f"machine: {where}; speed: {rates['measured']}", soft_wrap=True)


def _render_cluster(stage: str, found: Facts, console: Console) -> None:
    """Device-hours of a stage on a cluster, where the seconds of a step go, what a device holds, what was assumed."""
    hours, rate, step = (units.number(found[key]) for key in ("device_hours", "tokens_per_s", "step_seconds"))
    facts = (
        f"{hours} device-hours on {found['devices']} devices; a step {step} s, {rate} tokens/s, MFU {found['mfu']:.1%}"
    )
    console.print(f"\n[bold]{stage}[/]: {facts}", soft_wrap=True)
    parts = {name: seconds for name, seconds in found["parts"].items() if seconds >= 5e-4 * found["step_seconds"]}
    shares = ", ".join(
        f"{name} {seconds:.2f} s ({seconds / found['step_seconds']:.1%})" for name, seconds in parts.items()
    )
    console.print(f"  a step: {shares}; the largest cost beside products: {found['largest']}", soft_wrap=True)
    held = ", ".join(f"{kind} {units.size(size)}" for kind, size in found["memory"].items() if size)
    console.print(f"  a device holds: {held}", soft_wrap=True)


def render_fit(fit: Facts, machine: str, console: Console) -> None:
    """Whether the recipe fits (compute.fit.Fit), and if not, the nearest one that does."""
    sizes = f"{units.size(fit['predicted'])} of {units.size(fit['available'])} in the stage '{fit['stage']}'"
    if fit["fits"]:
        console.print(f"memory: it fits, {sizes}", soft_wrap=True)
        return
    console.print(f"[red]memory: it does not fit on {machine}[/]: {sizes}", soft_wrap=True)
    console.print(f"the nearest that fits: {fit['command'] or 'none that is known'}", soft_wrap=True, markup=False)


def _cells(ones: list[Facts]) -> list[str]:
    seconds, kwh, grams, cost = (sum(one[key] for one in ones) for key in ("seconds", "kwh", "co2e_g", "cost"))
    peak = max(one["peak_bytes"] for one in ones)
    return [units.duration(seconds), units.size(peak), units.energy(kwh), units.mass(grams), units.number(cost)]
