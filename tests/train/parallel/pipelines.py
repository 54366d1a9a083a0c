"""What the processes of test_pipeline.py run: a pipeline beside the same model in one piece.

Every process has both, so that each compares what it holds. Numbers go back to the test, which judges them.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributed.pipelining import PipelineStage

from firesteel.compute.mesh import Mesh, joined
from firesteel.core.config import ModelSettings, OptimSettings, ParallelSettings
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
from firesteel.train.parallel.pipeline import Pipelined, add, own_parts, sum_twins, twins
from firesteel.train.parallel.place import fill, place
from firesteel.train.parallel.shard import local, own_shard
from firesteel.train.state import State

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
        batch_of(lesson, 18, 14, step),
        batch_of(lesson, 26, 11 + 5 * step, step + 50, ragged=True, group=2),
        batch_of(plain, 3, 20, step + 100, weight=0.4, name="replay_", objective=plain),
    ]
    for batch in batches:
        batch.totals, batch.total_rows = batch.counts, len(batch)
    return batches


def exact(*cases: dict[str, Any]) -> Any:
    """How far a pipeline is from one process, for each case: `axes` of ParallelSettings, and the arguments of `compared`."""
    found = []
    for case in cases:
        with joined(ParallelSettings(**case["axes"]), CPU, timeout=60) as mesh:
            found.append(compared(mesh, **{name: value for name, value in case.items() if name != "axes"}))
    return found


def compared(
    mesh: Mesh, layers: int, modules: int, tied: bool, steps: int = 2, precision: str = "float32"
) -> dict[str, Any]:
    """Relative distances of gradients, weights and metrics after some updates; loads; the bits of the embedding table."""
    whole, pipe = one_and_many(toy(layers, modules, tied), mesh)
    settings = OptimSettings(optimiser="adamw", precision=precision)
    alone, state = State(whole.parts, settings, Mesh()), State(pipe.parts, settings, mesh)
    found: dict[str, Any] = {"gradients": 0.0, "metrics": [], "norms": [], "loads": True}
    for step in range(steps):
        lesson = Lesson(modules)
        batches = update_of(lesson, step)
        right = learnt(whole, batches, lesson, mesh, pipe.pieces)
        got = summed(pipe.learn([own_rows(batch, mesh) for batch in batches], lesson), right, mesh)
        sum_gradients(state.named, mesh)
        sum_twins(state.named, pipe.parts[0].config, mesh)
        found["metrics"] += [distance(got[name], right[name]) for name in right]
        found["gradients"] = max(found["gradients"], furthest(state.named, alone.named, lambda p: p.grad))
        found["loads"] &= loads(pipe, whole, mesh)
        twice = twins(state.named, pipe.parts[0].config, mesh)
        norm = clip_gradients(state.named.values(), 1.0, mesh, twice=twice)
        found["norms"].append(distance(norm, clip_gradients(alone.named.values(), 1.0, Mesh())))
        for each in (alone, state):
            each.set_rate(RATE)
            each.update()
            each.forget_gradients()
    found["weights"] = furthest(state.named, alone.named, lambda p: p.detach())
    table = state.named.get("embed_tokens.weight")
    found["table"] = [] if table is None else [hashlib.sha256(local(table).numpy().tobytes()).hexdigest()]
    return found


def one_and_many(config: ModelConfig, mesh: Mesh) -> tuple[Whole, Pipelined]:
    """The model in one piece, and this process's parts of it, with the same weights."""
    with torch.device("meta"):
        parts = own_parts(config, mesh.settings, mesh.index("pipeline"))
    pipe = Pipelined(parts, mesh, balance=BALANCE)
    weight = partial(initial_weight, layers=config.num_hidden_layers, seed=1)
    for module in pipe.modules:
        place(module, mesh)
    for part in parts:
        fill(part.train(), weight)
    whole = Transformer(config).train()
    fill(whole, weight)
    return Whole(whole, balance=BALANCE), pipe


def own_rows(batch: Batch, mesh: Mesh, index: int | None = None) -> Batch:
    """A data-parallel process's part of a batch."""
    share = Share(mesh.index("data") if index is None else index, mesh.count("data")).rows(len(batch) // batch.group)
    return batch.part(share.start * batch.group, share.stop * batch.group)


def learnt(whole: Whole, batches: list[Batch], lesson: Lesson, mesh: Mesh, pieces: int) -> Metrics:
    """What one process learns, in the same micro-batches: the padding within them goes through the experts, too."""
    sums: Metrics = {}
    for batch in batches:
        for own in (own_rows(batch, mesh, index) for index in range(mesh.count("data"))):
            for piece in (piece for piece in own.split(pieces) if len(piece)):
                add(sums, whole.learn([piece], lesson))
    return sums


def summed(shares: Metrics, names: Metrics, mesh: Mesh) -> Metrics:
    """Metrics of all processes."""
    assert not shares or shares.keys() == names.keys()
    return {name: mesh.sum(shares.get(name, torch.zeros(())).clone(), "data", "pipeline") for name in sorted(names)}


def distance(a: Tensor, b: Tensor) -> float:
    """Of a from b, relative to b."""
    return float((a - b).norm() / b.norm().clamp(min=1e-12))


def furthest(own: Mapping[str, Tensor], right: Mapping[str, Tensor], what: Callable[[Tensor], Tensor | None]) -> float:
    """The largest distance of `what` of a process's parameters from that of the whole model's; none must be missing."""
    most = 0.0
    for name, p in right.items():
        if name in own:
            a, b = what(own[name]), what(p)
            assert (a is None) == (b is None), f"{name} has no gradient, or should have none"
            most = max(most, distance(local(a), own_shard(b, own[name]))) if a is not None and b is not None else most
    return most


def loads(pipe: Pipelined, whole: Whole, mesh: Mesh) -> bool:
    """Whether the experts of every own layer saw as many tokens as in the whole model."""
    right = dict(whole.model.named_buffers())
    own = {name: t for part in pipe.parts for name, t in part.named_buffers() if name.endswith(".load")}
    return all(torch.equal(mesh.sum(t.clone(), "data"), right[name]) and t.sum() > 0 for name, t in own.items())


def many_shapes(size: int) -> Any:
    """Stages that are alive after batches of many shapes, and whether the first shape still gives the same."""
    with joined(ParallelSettings(processes=size, pipeline=size, schedule="dualpipe-v"), CPU, timeout=60) as mesh:
        _, pipe = one_and_many(toy(4, 1, False), mesh)
        lesson, results = Lesson(1), []
        for length in (16, 24, 32, 48, 64, 96, 16):
            batch = batch_of(lesson, 8, length, 0)
            batch.totals, batch.total_rows = batch.counts, 8
            pipe.learn([batch], lesson)
            results.append([p.grad.clone() for part in pipe.parts for p in part.parameters()])
            for part in pipe.parts:
                part.zero_grad()
        gc.collect()
        alive = sum(isinstance(o, PipelineStage) for o in gc.get_objects())
        return [alive, all(torch.equal(a, b) for a, b in zip(results[0], results[-1], strict=True))]


def failing(schedule: str, stays: float, timeout: float) -> Any:
    """What each process hears when a loss fails on one of two, which then `stays` seconds; and after how many seconds."""
    began, said = time.monotonic(), ""
    try:
        with joined(ParallelSettings(processes=2, pipeline=2, schedule=schedule), CPU, timeout=timeout) as mesh:
            _, pipe = one_and_many(toy(4, 1, True), mesh)
            lesson = Lesson(1, fails_at=3)
            began = time.monotonic()
            try:
                pipe.learn(update_of(lesson, 0), lesson)
            except FiresteelError:
                time.sleep(stays)
                raise
    except (FiresteelError, RuntimeError) as error:
        said = f"{type(error).__name__}: {error}"
    return [said, time.monotonic() - began]
