"""A training step on a cluster from first principles: seconds by cause, and what a device holds.

    step = products / (peak x efficiency) + uneven stages + pipeline bubble + all-to-all that nothing hides + collectives
           + gradients between replicas + optimiser

Operations are counted (layout.py), bytes go over the links of rates.Links, the bubble is the schedule's formula (passes.py).
One number is not counted but measured, EFFICIENCY.

Assumed of the trainer: backward computes norms, MLA's up-projections and SwiGLU again instead of keeping them, inputs of FP8
products are kept in FP8 (V3 report, 3.2.3 and 3.3); experts are evenly loaded; checkpoints and data cost nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from firesteel.compute.count import Shape, parameters, training_flops
from firesteel.compute.layout import Layout, Products
from firesteel.compute.links import Group, exchange, gather, reduce
from firesteel.compute.passes import Passes, idle
from firesteel.compute.rates import Rates
from firesteel.compute.resident import NUMBER, device_bytes
from firesteel.compute.work import newton_schulz
from firesteel.core.config import OptimSettings, ParallelSettings
from firesteel.core.errors import MachineError

EFFICIENCY = 0.30
"""Share of the peak that training reaches between two communications: products and all that runs between them.

From DeepSeek-V3's pre-training on 2,048 H800 ("Insights into DeepSeek-V3", ISCA 2025, Table 4): the overlapped forward and
backward passes of a step take 13.95 s; the peak is 1,979 TFLOP/s for the layers' FP8 maps and 989 for heads and scores.
"""


@dataclass(frozen=True)
class Step:
    """A step on a cluster: seconds by cause, bytes a device by kind, and the assumptions in words."""

    parts: dict[str, float]
    memory: dict[str, float]
    tokens: float
    devices: int
    flops: float  # to learn from the tokens, as papers count: causal attention, no prediction modules
    peak_flops: float  # of a device in bfloat16
    notes: tuple[str, ...] = field(default=())

    @property
    def seconds(self) -> float:
        """Of the whole step."""
        return sum(self.parts.values())

    @property
    def peak_bytes(self) -> float:
        """Of the fullest device."""
        return sum(self.memory.values())

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation, relative to the peak in bfloat16 as published."""
        return self.flops / self.seconds / self.devices / self.peak_flops

    @property
    def largest(self) -> str:
        """The part that takes longest, the products themselves left aside."""
        return max((name for name in self.parts if name != "products"), key=lambda name: self.parts[name])


@dataclass(frozen=True)
class Rows:
    """What a step learns from: sequences over all devices, tokens of each, how many tokens are predicted."""

    sequences: float
    length: int
    targets: float


def step(shape: Shape, settings: OptimSettings, parallel: ParallelSettings, rates: Rates, rows: Rows) -> Step:
    """One step on `parallel.processes` devices like `rates`. Raises MachineError if their links are not known."""
    links = rates.links
    if links is None:
        why = "the speed between devices decides what a step takes, and it is not known"
        raise MachineError(
            "cannot plan a cluster of this machine", value=rates.name, why=why, hint="--machine h800, for example"
        )
    low = settings.precision == "fp8" and links.fp8_flops > 0
    peak = rates.fp32_flops if settings.precision == "float32" else rates.bf16_flops
    fast = links.fp8_flops if low else peak
    layout = Layout(shape, parallel, rows.length, fast / peak)
    share = _pieces(parallel, settings, rows)
    tokens = share.tokens
    kinds = NUMBER["bfloat16" if settings.precision == "fp8" and not low else settings.precision]
    group = Group(links, layout.spans(parallel.processes), share.tokens, kinds)
    times = [
        _times(layout.products(rank), rows.length, fast, peak) * (tokens / parallel.tensor)
        for rank in range(parallel.pipeline)
    ]
    mean = sum(times[1:], times[0]) * (1 / len(times))
    slowest = max(one.all for one in times)
    moe = (shape.moe_layers + shape.moe_modules) / parallel.pipeline
    passes = Passes(parallel.pipeline, share.count, mean.f, mean.b, mean.w, moe * exchange(shape, parallel, group))
    lost = idle(parallel.schedule, passes)
    parts_held = [layout.held(rank) for rank in range(parallel.pipeline)]
    memory = max(
        (device_bytes(shape, settings, parallel, one, share, lost.waiting, kinds) for one in parts_held),
        key=lambda kinds: sum(kinds.values()),
    )
    held = max(parts_held, key=lambda one: one.shared + one.experts)
    layers = (shape.num_hidden_layers + shape.num_nextn_predict_layers) / parallel.pipeline
    parts = {
        "products": share.count * mean.all, "uneven stages": share.count * (slowest - mean.all), "bubble": lost.bubble,
        "all-to-all": lost.exchange, "tensor": share.count * layers * group.tensor(shape, parallel),
        "context": share.count * layers * group.context(shape, parallel),
        "pipeline": 2 * (parallel.pipeline - 1) * group.send(shape),
        "weights": gather(held, parallel, group) * share.count,
        "gradients": reduce(held, parallel, group) * (share.count if parallel.zero == 3 else 1),
        "optimiser": _optimiser(shape, settings, parallel, held.shared, held.experts, rates),
    }  # fmt: skip
    counted = Shape(**asdict(shape) | {"num_nextn_predict_layers": 0})
    return Step(
        parts, memory, rows.sequences * rows.length, parallel.processes,
        training_flops(counted, rows.length) * rows.sequences * rows.length, rates.bf16_flops,
        _notes(settings, rates, low),
    )  # fmt: skip


@dataclass(frozen=True)
class Pieces:
    """How a process's rows go through the model: `count` micro-batches of `tokens` tokens, `targets` of them predicted."""

    count: int
    tokens: float
    targets: float


def _pieces(parallel: ParallelSettings, settings: OptimSettings, rows: Rows) -> Pieces:
    own = max(rows.sequences / parallel.data, 1.0)
    count = -(-own // settings.micro_batch) if settings.micro_batch else 1.0
    if parallel.pipeline > 1:
        count = parallel.microbatches or 2 * parallel.pipeline * (
            2 if parallel.schedule in ("interleaved", "dualpipe-v") else 1
        )
    count = min(count, own)
    tokens = own * rows.length / count / parallel.context
    return Pieces(max(1, round(count)), tokens, tokens * rows.targets / (rows.sequences * rows.length))


@dataclass(frozen=True)
class _Times:
    f: float
    b: float
    w: float

    def __add__(self, other: _Times) -> _Times:
        return _Times(self.f + other.f, self.b + other.b, self.w + other.w)

    def __mul__(self, times: float) -> _Times:
        return _Times(self.f * times, self.b * times, self.w * times)

    @property
    def all(self) -> float:
        return self.f + self.b + self.w


def _times(p: Products, length: int, fast: float, peak: float) -> _Times:
    """Seconds for a token: forward, backward for inputs (with what it computes again), backward for weights.

    Attention's backward has five products to forward's two: scores again, and the gradients of values, weights, queries, keys.
    """
    seen = length / 2
    f = 2 * p.maps / fast + 2 * (p.heads + seen * (p.keys + p.values)) / peak
    b = 2 * (p.maps + p.up) / fast + 2 * (p.heads + seen * (3 * p.keys + 2 * p.values)) / peak
    w = 2 * p.maps / fast + 2 * p.heads / peak
    return _Times(f, b, w) * (1 / EFFICIENCY)


def _optimiser(
    s: Shape, settings: OptimSettings, p: ParallelSettings, shared: float, experts: float, rates: Rates
) -> float:
    """Reading gradients, masters and moments and writing them back; Muon's products besides."""
    parted = (p.data, p.data // p.expert) if p.zero else (1, 1)
    own = shared / parted[0] + experts / parted[1]
    seconds = 30 * own / rates.traffic_bytes
    if settings.optimiser == "muon":
        counts = parameters(s)
        seconds += newton_schulz(s) * own / (counts.total + counts.mtp) / (rates.bf16_flops * EFFICIENCY)
    return seconds


def _notes(settings: OptimSettings, rates: Rates, low: bool) -> tuple[str, ...]:
    assert rates.links is not None
    notes = [
        f"efficiency {EFFICIENCY:.1%} of the peak: DeepSeek-V3's on H800 (ISCA 2025, Table 4), taken for every machine",
        f"links: {rates.links.source}",
        "norms, up-projections and SwiGLU are computed again in backward (DeepSeek-V3 report, 3.2.3)",
    ]
    if settings.precision == "fp8" and not low:
        notes.append(f"{rates.name} has no FP8: planned in bfloat16")
    return tuple(notes)
