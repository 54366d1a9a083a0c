"""What the processes of test_pipeline.py run: a pipeline beside the same model in one piece.

The first process has both; each compares what it holds. Numbers go back to the test, which judges them.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.pipelining import PipelineStage

from firesteel.compute.mesh import Mesh, joined, meshed
from firesteel.core.config import ModelSettings, ParallelSettings
from firesteel.core.errors import FiresteelError
from firesteel.model.config import ModelConfig
from firesteel.model.initial import initial_weight
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.clip import clip_gradients
from firesteel.train.learner import Whole
from firesteel.train.losses import NextToken
from firesteel.train.objective import Metrics, Objective
from firesteel.train.parallel.data import sum_gradients
from firesteel.train.parallel.parts import TABLE, own_parts, sum_twins, twins
from firesteel.train.parallel.pipeline import Pipelined, add
from firesteel.train.parallel.place import fill, place
from firesteel.train.parallel.shard import local, own_shard
from firesteel.train.precision import Masters

CPU, VOCABULARY, BALANCE, RATE = torch.device("cpu"), 61, 0.02, 2e-3
TOY = ModelSettings(
    hidden_size=32, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8,
    v_head_dim=16, intermediate_size=48, moe_intermediate_size=16, n_routed_experts=4,
)  # fmt: skip


class Lesson(Objective):
    """Next-token loss, and `modules` multi-token predictions; with `fails_at`, that loss cannot be computed."""

    def __init__(self, modules: int, fails_at: int = -1) -> None:
        self.next_token, self.fails_at, self.calls = NextToken(0.3, modules, 1e-4), fails_at, 0

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        raise NotImplementedError

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        self.calls += 1
        if self.calls == self.fails_at:
            raise FiresteelError("this loss cannot be computed", value=self.calls)
        return self.next_token(head, hidden, batch)


def toy(layers: int, modules: int, tied: bool) -> ModelConfig:
    """MLA, a dense layer, then mixtures of experts."""
    changes = {"num_hidden_layers": layers, "num_nextn_predict_layers": modules, "tie_word_embeddings": tied}
    return ModelConfig.from_settings(TOY.model_copy(update=changes), VOCABULARY)


def batch_of(lesson: Lesson, rows: int, length: int, seed: int, *, ragged: bool = False, **more: Any) -> Batch:
    """Random rows; `ragged` ones are of several lengths, the others packed from several documents."""
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, VOCABULARY, (rows, length), generator=g)
    learn = torch.rand(rows, length, generator=g) < 0.7
    segments = lengths = None
    if ragged:
        lengths = torch.randint(4, length + 1, (rows,), generator=g)
        learn &= torch.arange(length) < lengths[:, None]
    else:
        segments = (torch.rand(rows, length, generator=g) < 0.1).cumsum(1)
    return Batch(tokens, learn, lesson.next_token.counts(learn, segments), segments, lengths=lengths, **more)


def update_of(lesson: Lesson, step: int) -> list[Batch]:
    """An update of three batches of unlike shapes: one with rows in pairs, one with fewer rows than micro-batches."""
    plain = Lesson(0)
    batches = [
        batch_of(plain, 3, 20, step + 100, weight=0.4, name="replay_", objective=plain),
        batch_of(lesson, 18, 9 + 5 * step, step + 50, ragged=True, group=2),
        batch_of(lesson, 17, 12, step),
    ]
    for batch in batches:
        batch.totals, batch.total_rows = batch.counts, len(batch)
    return batches


@dataclass(frozen=True)
class Case:
    """A model, and how it learns."""

    layers: int
    modules: int
    tied: bool
    steps: int = 1
    narrow: bool = False  # bfloat16 weights with float32 masters
    frozen: bool = False  # only the last two layers and what follows them learn

    @property
    def config(self) -> ModelConfig:
        """MLA, a dense layer, then mixtures of experts."""
        return toy(self.layers, self.modules, self.tied)

    def freeze(self, *parts: Transformer) -> None:
        """See `frozen`."""
        early = tuple(f"layers.{i}." for i in range(self.layers - 2))
        for name, p in (item for part in parts if self.frozen for item in part.named_parameters()):
            p.requires_grad = name != TABLE and not name.startswith(early)


@dataclass
class Moment:
    """What one process has after it learnt an update, by name, and the weights after the optimiser's step."""

    metrics: Metrics
    gradients: dict[str, Tensor]
    loads: dict[str, Tensor]
    norm: Tensor
    weights: dict[str, Tensor]


@cache
def one_process(case: Case, data: int, pieces: int) -> list[Moment]:
    """Some updates in the micro-batches of `data` pipelines: the padding within those goes through the experts, too."""
    model = Transformer(case.config).train()
    fill(model, partial(initial_weight, layers=case.layers, seed=1))
    case.freeze(model)
    whole, moments, learner = Whole(model, balance=BALANCE), [], Adam((model,), case.narrow)
    for step in range(case.steps):
        lesson, metrics = Lesson(case.modules), Metrics()
        for batch in update_of(lesson, step):
            for own in (own_rows(batch, index, data) for index in range(data)):
                for piece in (piece for piece in own.split(pieces) if len(piece)):
                    add(metrics, whole.learn([piece], lesson))
        gradients = {name: p.grad.clone() for name, p in learner.named.items() if p.grad is not None}
        loads = {name: t.clone() for name, t in model.named_buffers() if name.endswith(".load")}
        norm = clip_gradients(learner.named.values(), 1.0, Mesh())
        learner.step()
        moments.append(
            Moment(metrics, gradients, loads, norm, {n: p.detach().clone() for n, p in learner.named.items()})
        )
    return moments


def check(processes: int, cases: list[dict[str, Any]], lengths: list[int], fails: str) -> Any:
    """Everything that this many processes are asked, in one launch: starting takes longer than most of it.

    `compared` for each case, `many_shapes` of these lengths, and in the end `failing` in the schedule `fails`.
    """
    with joined(ParallelSettings(processes=processes), CPU, timeout=100) as base:

        def mesh_of(axes: dict[str, Any]) -> Mesh:
            few = 2 * axes["pipeline"]
            return meshed(ParallelSettings(processes=processes, microbatches=few, **axes), base.rank, CPU)

        found = {"cases": [compared(mesh_of(case.pop("axes")), Case(**case)) for case in cases]}
        if lengths:
            found["shapes"] = many_shapes(mesh_of({"pipeline": processes, "schedule": "dualpipe-v"}), lengths)
        if fails:
            found["failing"] = failing(mesh_of({"pipeline": processes, "schedule": fails}), 0.0)
        return found


def lingering(stays: float, timeout: float) -> Any:
    """The same for a process that stays `stays` seconds after its loss failed; `timeout` is the group's."""
    with joined(ParallelSettings(processes=2), CPU, timeout=timeout) as base:
        axes = ParallelSettings(processes=2, pipeline=2, schedule="1f1b")
        return failing(meshed(axes, base.rank, CPU), stays)


def failing(mesh: Mesh, stays: float) -> list[Any]:
    """What this process hears when a loss fails on the one with the last stage, and when."""
    pipe, lesson = pipelined(toy(4, 1, True), mesh), Lesson(1, fails_at=3)
    try:
        pipe.learn(update_of(lesson, 0), lesson)
    except (FiresteelError, RuntimeError) as error:
        said, when = f"{type(error).__name__}: {error}", time.time()
        time.sleep(stays if isinstance(error, FiresteelError) else 0)
        return [said, when]
    return ["nothing", time.time()]


def compared(mesh: Mesh, case: Case) -> dict[str, Any]:
    """Relative distances of gradients, norms, weights and metrics; whether experts saw as many; the bits of the table."""
    pipe = pipelined(case.config, mesh, torch.bfloat16 if case.narrow else None)
    case.freeze(*pipe.parts)
    config, learner = pipe.parts[0].config, Adam(pipe.parts, case.narrow)
    found: dict[str, Any] = {"gradients": 0.0, "weights": 0.0, "metrics": 0.0, "norm": 0.0, "loads": True}
    right_ones = [one_process(case, mesh.count("data"), pipe.pieces) if mesh.first else None]
    dist.broadcast_object_list(right_ones)
    for step, right in enumerate(right_ones[0] or []):
        lesson = Lesson(case.modules)
        own = [own_rows(batch, mesh.index("data"), mesh.count("data")) for batch in update_of(lesson, step)]
        got = summed(pipe.learn(own, lesson), right.metrics, mesh)
        sum_gradients(learner.named, mesh)
        sum_twins(learner.named, config, mesh)
        gradients = {name: p.grad for name, p in learner.named.items() if p.grad is not None}
        assert gradients.keys() == {name for name in learner.named if name in right.gradients}
        loads = {n: t for part in pipe.parts for n, t in part.named_buffers() if n.endswith(".load")}
        found["loads"] &= all(torch.equal(mesh.sum(t.clone(), "tokens"), right.loads[n]) for n, t in loads.items())
        most(found, "metrics", furthest(got, right.metrics))
        if not step:  # later ones are of weights that AdamW has moved apart: it divides small gradients by their size
            found["gradients"] = furthest(gradients, right.gradients)
        norm = clip_gradients(learner.named.values(), 1.0, mesh, twice=twins(learner.named, config, mesh))
        most(found, "norm", distance(norm, right.norm))
        learner.step()
        most(found, "weights", furthest(learner.named, right.weights))
    table = learner.named.get(TABLE)
    found["table"] = "" if table is None else hashlib.sha256(local(table).numpy().tobytes()).hexdigest()
    return found | {"layers": [layer.layer for part in pipe.parts for layer in part.layers]}


class Adam:
    """AdamW over the parts of a model; `narrow`: over the masters of bfloat16 weights."""

    def __init__(self, parts: Sequence[Transformer], narrow: bool) -> None:
        self.masters = [Masters(part, torch.bfloat16 if narrow else torch.float32) for part in parts]
        self.named: dict[str, Tensor] = {name: p for masters in self.masters for name, p in masters.named.items()}
        self.optimiser = torch.optim.AdamW(self.named.values(), lr=RATE, weight_decay=0.1, foreach=False)

    def step(self) -> None:
        """Change the weights, and forget the gradients."""
        self.optimiser.step()
        self.optimiser.zero_grad()
        for masters in self.masters:
            masters.publish()


def pipelined(config: ModelConfig, mesh: Mesh, dtype: torch.dtype | None = None) -> Pipelined:
    """This process's parts of the model, with the weights that the whole has."""
    with torch.device("meta"):
        parts = own_parts(config, mesh.settings, mesh.index("pipeline"))
    pipe = Pipelined(parts, mesh, balance=BALANCE, dtype=dtype)
    for module in pipe.modules:
        place(module, mesh)
    for part in parts:
        fill(part.train(), partial(initial_weight, layers=config.num_hidden_layers, seed=1))
    return pipe


def own_rows(batch: Batch, index: int, of: int) -> Batch:
    """A data-parallel process's part of a batch."""
    share = Share(index, of).rows(len(batch) // batch.group)
    return batch.part(share.start * batch.group, share.stop * batch.group)


def summed(shares: Metrics, names: Metrics, mesh: Mesh) -> Metrics:
    """Metrics of all processes."""
    assert not shares or shares.keys() == names.keys()
    return {name: mesh.sum(shares.get(name, torch.zeros(())).clone(), "tokens", "pipeline") for name in sorted(names)}


def most(found: dict[str, Any], name: str, value: float) -> None:
    """Keep the largest."""
    found[name] = max(found[name], value)


def furthest(own: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """The largest distance of a process's tensors (or its shards) from the whole ones of the same names."""
    return max((distance(local(t), own_shard(right[name], t)) for name, t in own.items()), default=0.0)


def distance(a: Tensor, b: Tensor) -> float:
    """Of a from b, relative to b."""
    return float((a - b).norm() / b.norm().clamp(min=1e-12))


def many_shapes(mesh: Mesh, lengths: list[int]) -> list[Any]:
    """Stages that are alive after batches of many shapes, and whether the last still gives the same as the first, its like."""
    pipe, lesson, results = pipelined(toy(4, 1, False), mesh), Lesson(1), []
    for length in lengths:
        batch = batch_of(lesson, 8, length, 0)
        batch.totals, batch.total_rows = batch.counts, 8
        pipe.learn([batch], lesson)
        results.append([p.grad.clone() for part in pipe.parts for p in part.parameters() if p.grad is not None])
        for part in pipe.parts:
            part.zero_grad()
    gc.collect()
    alive = sum(isinstance(o, PipelineStage) for o in gc.get_objects())
    return [alive, all(torch.equal(a, b) for a, b in zip(results[0], results[-1], strict=True))]
