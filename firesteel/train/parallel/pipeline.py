"""Pipeline parallelism: a learner whose processes each have some of the layers (torch.distributed.pipelining).

A batch is cut into micro-batches, which follow each other through the stages. What goes over the wire has one shape for all
micro-batches, but each stage computes only the rows and tokens that are real: an expert's load and every loss are those of one
process, whatever the padding.

B rows, T tokens, D hidden, R and W: rows and tokens on the wire
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.pipelining import (
    PipelineStage,
    Schedule1F1B,
    ScheduleDualPipeV,
    ScheduleInterleaved1F1B,
    ScheduleInterleavedZeroBubble,
)

from firesteel.compute.mesh import Mesh
from firesteel.kernels.linear import product_dtype
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch
from firesteel.train.learner import weigh_balance
from firesteel.train.objective import Metrics, Objective
from firesteel.train.parallel.context import own_targets
from firesteel.train.parallel.idle import idle, stand_in
from firesteel.train.parallel.stages import ORDERS, micro_batches, stage_numbers
from firesteel.train.precision import gradient_holder

SCHEDULES: dict[str, Callable[..., Any]] = {
    "1f1b": lambda stages, *args, **kwargs: Schedule1F1B(stages[0], *args, **kwargs),
    "interleaved": ScheduleInterleaved1F1B,
    "zero-bubble": ScheduleInterleavedZeroBubble,
    "dualpipe-v": ScheduleDualPipeV,
}
KEPT = 4  # schedules kept for the shapes seen last: each holds buffers for all its micro-batches


@dataclass(repr=False, eq=False)
class Pass:
    """One batch on its way through the pipeline."""

    pieces: list[Batch]
    empty: list[bool]  # pieces with nothing but zeros in them (idle.py)
    objective: Objective
    shares: Metrics = field(default_factory=dict)  # of metrics; only where the last stage is

    @cached_property
    def wire(self) -> tuple[int, int]:
        """R and W: every piece fits."""
        rows, widths = zip(*(piece.tokens.shape for piece in self.pieces), strict=True)
        return max(rows), round_up(max(widths))


class Part(nn.Module):
    """One stage. Through here, so that sharded weights are together for the heads, too."""

    def __init__(self, model: Transformer, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, x: Tensor, *, number: Tensor, through: Pass) -> Tensor:
        """Wire [R, W, D] of the stage before (the first ignores it) -> wire for the next, or the loss of the last stage."""
        piece, empty = through.pieces[int(number)], through.empty[int(number)]
        rows, width = piece.tokens.shape
        with idle(self.model) if empty else nullcontext():
            hidden = self.model(piece.tokens if self.model.first else x[:rows, :width], piece.segments)
            if self.model.last:
                return self._loss(hidden, piece, empty, through)
        R, W = through.wire
        short = (0, 0, 0, W - width, 0, R - rows)
        return (F.pad(hidden, short) if any(short) else hidden).to(self.dtype)

    def _loss(self, hidden: Tensor, piece: Batch, empty: bool, through: Pass) -> Tensor:
        loss, metrics = through.objective.loss(self.model, hidden, piece)
        if empty:
            return loss * 0
        add(through.shares, {piece.name + name: value for name, value in metrics.items()})
        return loss * piece.weight if piece.weight != 1 else loss


class _Stage(PipelineStage):
    def _post_metadata_inference_cleanup(self) -> None:
        """Nothing is inferred, since shapes are given; torch 2.13 would forget the gradients of batches before this one."""


class Pipelined:
    """A learner (train/learner.py) that has some of the stages; the rest are on the other processes of the pipeline.

    `dtype`: what the layers' weights are when they compute, if that is not what they are now.
    """

    def __init__(
        self, parts: Sequence[Transformer], mesh: Mesh, *, balance: float = 0.0, dtype: torch.dtype | None = None
    ) -> None:
        self.parts, self.mesh, self.balance = tuple(parts), mesh, balance
        weights = torch.empty(0, dtype=dtype or parts[0].dtype, device=mesh.device)
        self.dtype = product_dtype(weights)  # of states on the wire, which are the layers' own: nothing is rounded
        self.modules = tuple(Part(part, self.dtype) for part in parts)
        self.schedule, self.pieces = mesh.settings.schedule, micro_batches(mesh.settings)
        self._schedules: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def learn(self, batches: Sequence[Batch], objective: Objective) -> Metrics:
        """Forward and backward of every batch through all stages (train/learner.py).

        Every process of a pipeline must come with the same batches, and every pipeline with as many. Only the process that has
        the last stage knows their metrics. Gradients are not yet summed over data-parallel processes, nor over `twins`.
        """
        shares: Metrics = {}
        for batch in batches:
            weigh_balance(self.parts, self.balance, batch)
            through = self._pass(batch, batch.objective or objective)
            self._run(through)
            add(shares, through.shares)
        to_masters(self.parts)
        return shares

    def _pass(self, batch: Batch, objective: Objective) -> Pass:
        pieces = [own_targets(piece.to(self.parts[0].device), self.mesh) for piece in batch.split(self.pieces)]
        empty = [len(piece) == 0 for piece in pieces]
        return Pass([stand_in(p) if none else p for p, none in zip(pieces, empty, strict=True)], empty, objective)

    def _run(self, through: Pass) -> None:
        """One schedule from its first forward pass to its last backward pass."""
        wire = through.wire
        schedule = self._schedules[wire] = self._schedules.pop(wire, None) or self._schedule(wire)
        while len(self._schedules) > KEPT:
            self._schedules.popitem(last=False)
        numbers = torch.arange(self.pieces)
        args = (numbers,) if self.parts[0].first else ()
        target = numbers if self.parts[-1].last else None  # torch wants one to call a loss at all
        try:
            schedule.step(*args, number=numbers, through=through, target=target, return_outputs=False)
        except RuntimeError as error:  # torch wraps what a stage raises
            raise error.__cause__ or error from None

    def _schedule(self, wire: tuple[int, int]) -> Any:
        numbers = stage_numbers(self.schedule, self.mesh.count("pipeline"), self.mesh.index("pipeline"))
        if ORDERS[self.schedule].split:
            keep_gathered(self.modules)
        stages = [self._stage(module, number, wire) for module, number in zip(self.modules, numbers, strict=True)]
        return SCHEDULES[self.schedule](stages, self.pieces, loss_fn=_itself, scale_grads=False)

    def _stage(self, module: Part, number: int, wire: tuple[int, int]) -> PipelineStage:
        """A stage whose shapes are given: torch would find them by a forward and backward pass, and send them as pickles."""
        part = module.model
        states = torch.empty(*wire, part.config.hidden_size, dtype=self.dtype, device="meta", requires_grad=True)
        before = torch.empty(1, dtype=torch.int64, device="meta") if part.first else states
        after = torch.empty((), device="meta") if part.last else states
        # Losses may use a table twice, or compute parts of their graph again; torch's split of a backward pass into inputs and
        # weights can do neither (2.13: "backward through the graph a second time"). The last stage does both at once.
        whole = _nothing_left if part.last else None
        count, group = ORDERS[self.schedule].each * self.mesh.count("pipeline"), self.mesh.group("pipeline")
        return _Stage(module, number, count, part.device, before, after, group=group, dw_builder=whole)


def keep_gathered(modules: Sequence[nn.Module]) -> None:
    """Let FSDP2 keep a stage's weights from their first use in a step to their last.

    torch's split of a backward pass looks for the weights that the forward pass used; it finds shards in their place where
    those were let go in between (zero = 3), and without a word computes no gradients for them (2.13).
    """
    for layer in (layer for module in modules for layer in module.modules() if isinstance(layer, FSDPModule)):
        layer.set_reshard_after_forward(False)


def to_masters(parts: Sequence[Transformer]) -> None:
    """Move gradients to the masters of narrow weights: the hooks that do so are not called for a split backward pass."""
    for p in (p for part in parts for p in part.parameters()):
        master = gradient_holder(p)
        if master is not p and p.grad is not None:
            master.grad = p.grad if master.grad is None else master.grad.add_(p.grad)
            p.grad = None


def add(sums: Metrics, more: Metrics) -> None:
    """Add shares of metrics to others, in place."""
    for name, value in more.items():
        sums[name] = sums[name] + value if name in sums else value


def _itself(loss: Tensor, target: Tensor) -> Tensor:
    return loss


def _nothing_left() -> Callable[[], None]:
    return lambda: None


def round_up(width: int) -> int:
    """To one of 16, 24, 32, 48, 64, 96, ..., so that batches of many widths need few schedules."""
    step = max(8, 2 ** ((width - 1).bit_length() - 2) if width > 1 else 0)
    return max(16, -(-width // step) * step)
