"""Facts of a step beside its loss: experts' load, memory, and how fast the machine could be.

L layers with experts, E experts
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from firesteel.compute import proc
from firesteel.compute.machine import facts as machine_facts
from firesteel.compute.rates import Rates, cache_file

PATIENCE = 100  # steps without a token after which an expert is called dead
Facts = dict[str, float | list[float]]


class ExpertWatch:
    """How evenly a stage uses its experts, and which are dead: chosen by no token for `patience` steps in a row."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self.patience = patience
        self._idle: list[list[int]] = []  # [L][E] steps since an expert last had a token
        self._dead: set[tuple[int, int]] = set()

    def facts(self, shares: Sequence[Sequence[float]]) -> Facts:
        """Metrics of one step from the share of tokens each expert had [L][E], of all processes together.

        expert_load: mean over layers [E]; expert_load_max: the busiest expert of any layer / an even share (1 + MaxVio
        of Wang et al. 2024); dead_experts: how many of all L x E.
        """
        if not shares:
            return {}
        self._idle = self._idle or [[0] * len(layer) for layer in shares]
        self._idle = [
            [0 if share > 0 or not any(layer) else idle + 1 for share, idle in zip(layer, known, strict=True)]
            for layer, known in zip(shares, self._idle, strict=True)
        ]
        shares = [
            layer for layer in shares if any(layer)
        ]  # a module that nothing asks for has no tokens, and no dead experts
        if not shares:
            return {}
        even = [max(layer) * len(layer) / (sum(layer) or 1.0) for layer in shares]
        load = [round(sum(column) / len(shares), 4) for column in zip(*shares, strict=True)]
        return {"expert_load": load, "expert_load_max": round(max(even), 3), "dead_experts": len(self._now_dead())}

    def news(self) -> str:
        """What to say aloud about experts that died since this was last asked; "" for nothing."""
        dead = self._now_dead()
        new, self._dead = sorted(dead - self._dead), dead
        if not new:
            return ""
        named = ", ".join(f"{expert} of layer {layer}" for layer, expert in new[:5])
        more = f" and {len(new) - 5} more" if len(new) > 5 else ""
        return f"no token has chosen expert {named}{more} for {self.patience} steps"

    def state(self) -> list[list[int]]:
        """Its memory, plain JSON, for a checkpoint."""
        return [list(layer) for layer in self._idle]

    def load(self, state: Sequence[Sequence[int]]) -> None:
        """Go on from a checkpoint; experts that were dead there are no news."""
        self._idle = [list(layer) for layer in state]
        self._dead = self._now_dead()

    def _now_dead(self) -> set[tuple[int, int]]:
        return {(i, j) for i, layer in enumerate(self._idle) for j, idle in enumerate(layer) if idle >= self.patience}


def known_rate(precision: str = "float32") -> float | None:
    """Operations a second of a matrix product on this machine's processor with the threads of this process, if measured.

    What MFU (model FLOPs utilisation; PaLM, appendix B) is a share of: tokens x compute.count.training_flops / seconds / this.

    None if nobody has measured it (`firesteel plan` does): a training step is no time for a benchmark. Rates of
    accelerators are not measured yet, so it is for processors only.
    """
    here = machine_facts()
    for threads in (torch.get_num_threads(), here["cores"]):
        with contextlib.suppress(OSError, ValueError, TypeError):
            rates = Rates(**json.loads(cache_file(here, threads).read_text(encoding="utf-8")))
            per_thread = (rates.fp32_flops if precision == "float32" else rates.bf16_flops) / rates.threads
            return per_thread * torch.get_num_threads()
    return None


class Memory:
    """Memory of this process, asked for at most once a second: reading it takes as long as a tenth of a small step."""

    def __init__(self, device: torch.device, every: float = 1.0) -> None:
        self.device, self.every = device, every
        self._next, self._last = 0.0, dict[str, int]()

    def facts(self) -> Mapping[str, int]:
        """resident_bytes and peak_bytes; on an accelerator also device_bytes, the most it has ever held."""
        now = time.monotonic()
        if now >= self._next:
            self._next, self._last = now + self.every, self._read()
        return self._last

    def _read(self) -> dict[str, Any]:
        found = {"resident_bytes": proc.resident(os.getpid()), "peak_bytes": proc.peak()}
        if self.device.type != "cpu":
            found["device_bytes"] = torch.accelerator.max_memory_allocated(self.device)
        return {name: value for name, value in found.items() if value}
