"""A benchmark of two seconds: the rates that the planner multiplies its counts with. Run as a process of its own.

    python -m firesteel.compute.measure THREADS      prints one line of JSON

Each rate is the best of several tries: what the machine can do when nobody disturbs it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.compute import proc
from firesteel.compute.device import set_up
from firesteel.core.config import MachineSettings

SECONDS = 0.25  # for each of the benchmarks
DEPTH = 10  # layers of the chain
STARTED = {True: 360, False: 280}  # operations that a pass through the chain starts, with products and without
TRAFFIC = {
    True: (639.0, 117.0),
    False: (521.0, 0.0),
}  # floats it reads and writes, by rows x width and by width x width


def best(work: Callable[[], Any]) -> float:
    """Least time of one call, in seconds, over as many calls as fit (two at least, the first not counted).

    Counted is the processor time of the calling thread, which does its share of every parallel operation and sleeps
    while it waits: about the wall time on an idle machine, and hardly disturbed by neighbours.
    """
    work()
    until, least = time.perf_counter() + SECONDS, float("inf")
    while least == float("inf") or time.perf_counter() < until:
        began = time.thread_time()
        work()
        least = min(least, time.thread_time() - began)
    return least


def product_rate(dtype: torch.dtype, size: int = 1024) -> float:
    """Floating-point operations a second of a square matrix product."""
    a = torch.ones(size, size, dtype=dtype)
    return 2 * size**3 / best(lambda: a @ a)


def read_rate(megabytes: int = 256) -> float:
    """Bytes a second of summing a tensor larger than the caches."""
    x = torch.ones(megabytes << 18)
    return x.nbytes / best(lambda: x.sum())


def chain(rows: int, width: int, *, products: bool) -> Callable[[], None]:
    """Forward and backward through DEPTH layers of the operations of a language model's block, on [rows, width].

    Without `products` the two linear maps of each layer are left out, and memory traffic remains.
    """
    weights = [torch.full((width, width), 0.01, requires_grad=True) for _ in range(2 if products else 0)]
    gain, x = torch.ones(width, requires_grad=True), torch.linspace(-1, 1, rows * width).view(rows, width)

    def layer(h: Tensor) -> Tensor:
        n = F.rms_norm(h, (width,), gain, 1e-6)
        if not products:
            return h + F.silu(n) * n
        return h + F.linear(F.silu(F.linear(n, weights[0])) * n, weights[1])

    def run() -> None:
        h = x
        for _ in range(DEPTH):
            h = layer(h)
        h.sum().backward()
        for p in (*weights, gain):
            p.grad = None

    return run


def chain_traffic(rows: int, width: int, *, products: bool) -> float:
    """Bytes that a pass through the chain reads and writes (a test traces it and compares)."""
    per_element, per_square = TRAFFIC[products]
    return 4 * (per_element * rows * width + per_square * width * width)


def text_seconds() -> float:
    """Seconds for a fixed piece of dictionary and string work in plain Python."""

    def work() -> None:
        counts: dict[str, int] = {}
        for i in range(20_000):
            word = str(i * 7919 % 1000)
            counts[word] = counts.get(word, 0) + len(word)
        "".join(sorted(counts))

    return best(work)


def measure(threads: int) -> dict[str, Any]:
    """All rates, as the fields of `rates.Rates` that are measured."""
    set_up(MachineSettings(device="cpu", threads=threads), 0)
    began, busy, own = time.perf_counter(), proc.busy_seconds(), time.process_time()
    fp32 = product_rate(torch.float32)
    operation = best(chain(16, 64, products=True)) / STARTED[True]
    rows, width = 4096, 256
    rest = best(chain(rows, width, products=False)) - STARTED[False] * operation
    found = {
        "fp32_flops": fp32, "bf16_flops": product_rate(torch.bfloat16), "read_bytes": read_rate(),
        "traffic_bytes": chain_traffic(rows, width, products=False) / rest, "operation_seconds": operation,
        "python_seconds": text_seconds(), "watts": 0.0, "threads": threads, "measured": "here",
    }  # fmt: skip
    taken = max(0.0, proc.busy_seconds() - busy - (time.process_time() - own))
    return found | {"load": taken / (time.perf_counter() - began) / (os.cpu_count() or 1)}


def main() -> None:
    """Measure with the given number of threads and print one line of JSON."""
    print(json.dumps(measure(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
