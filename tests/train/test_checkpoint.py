"""Checkpoints of one process: bit for bit, while training goes on; a kill or a full disk never costs what stood before."""

from __future__ import annotations

import resource
import threading
from types import SimpleNamespace

import pytest
import safetensors
import torch
import torch.distributed.checkpoint as dcp
import torch.nn.functional as F

from firesteel.core import artefact
from firesteel.core.config import PretrainSettings
from firesteel.core.errors import ArtefactError, MachineError
from firesteel.core.log import RunLog
from firesteel.train.batch import Batch
from firesteel.train.checkpoint import Checkpoints
from firesteel.train.flat import flat_state
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.muon import Muon
from firesteel.train.objective import Objective
from firesteel.train.shards import Copy, Saved
from tests.train.objectives import small

ALONE = SimpleNamespace(rank=0, size=1)


def checkpoints(work, **options):
    return Checkpoints(work, "key", ALONE, **{"say": lambda text: None, **options})


def tensors():
    g = torch.Generator().manual_seed(0)
    odd = torch.tensor([float("nan"), -0.0, float("inf"), 1e-45])
    return {
        "layers.0.w": torch.randn(5, 7, generator=g), "layers.0.w/exp_avg": torch.randn(5, 7, generator=g),
        "layers.0.w/step": torch.tensor(3.0), "half": torch.randn(3, generator=g).bfloat16(), "odd": odd,
        "flags": torch.tensor([True, False, True]), "counts": torch.arange(4), "none": torch.empty(0, 3),
        "eight": torch.randn(3, generator=g).to(torch.float8_e4m3fn), "turned": torch.randn(4, 6, generator=g).T,
    }  # fmt: skip


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(bits(a[k]), bits(b[k])) and a[k].shape == b[k].shape for k in a)


def blank(state):
    return {name: torch.zeros_like(t.float()).to(t.dtype) for name, t in state.items()}


def saved(work, *steps, **options):
    """A work folder with checkpoints whose one tensor is the step."""
    c = checkpoints(work, **options)
    for step in steps:
        c.save(step, {"w": torch.full((6,), float(step))}, {"step": step})
        c.finish()
    return c


def steps(work):
    return sorted(p.name for p in work.iterdir())


def test_every_kind_of_tensor_comes_back_bit_for_bit(tmp_path):
    state, facts = tensors(), {"step": 4, "passed_over": [2, 3], "seed": 7, "text": "火镰"}
    c = checkpoints(tmp_path)
    c.save(4, state, facts)
    got = blank(state)
    assert not same(got, state)
    assert c.load(got) == facts and same(got, state)
    manifest = artefact.read(tmp_path / "step-000004", "checkpoint", verify=True)
    assert manifest.inputs == {"stage": "key"} and manifest.stats == {"step": 4, "processes": 1, "facts": facts}


def test_nothing_there_is_none(tmp_path):
    assert checkpoints(tmp_path / "not-made").load({}) is None


@pytest.fixture
def slow_disk(monkeypatch):
    """Nothing is written until this event is set."""
    ready, write = threading.Event(), Copy.write
    monkeypatch.setattr(Copy, "write", lambda *a: ready.wait(20) and write(*a))
    return ready


def test_what_training_changes_after_save_is_not_in_it(tmp_path, slow_disk):
    state, facts = {"w": torch.ones(1000)}, {"list": [1]}
    c = checkpoints(tmp_path)
    c.save(1, state, facts)  # would not return if it waited for the disk
    assert not (tmp_path / "step-000001").exists()
    state["w"].zero_()
    facts["list"].append(2)
    slow_disk.set()
    c.finish()
    assert c.load(state) == {"list": [1]} and state["w"].eq(1).all()


def test_a_save_while_the_last_is_being_written_waits_and_says_so_once(tmp_path, slow_disk):
    said = []
    c = checkpoints(tmp_path, say=lambda text: (said.append(text), slow_disk.set()), newest=9)
    for step in (1, 2, 3, 4):
        c.save(step, {"w": torch.full((6,), float(step))}, {})
        if step > 1:  # the next one waits, too, but quietly
            slow_disk.clear()
            threading.Timer(0.1, slow_disk.set).start()
    c.finish()
    assert len(said) == 1 and "waits for the disk" in said[0]
    for step in (4, 3, 2, 1):
        state = {"w": torch.zeros(6)}
        assert c.load(state, before=step + 1) is not None and state["w"].eq(step).all()


def test_the_buffer_is_reused_and_grows_with_the_state(tmp_path):
    c, places = checkpoints(tmp_path), []
    for step, size in ((1, 100), (2, 100), (3, 50), (4, 300)):
        c.save(step, {"w": torch.full((size,), float(step))}, {})
        places.append((c.buffer.bytes.data_ptr(), c.buffer.bytes.numel()))
        state = {"w": torch.zeros(size)}
        assert c.load(state) == {} and state["w"].eq(step).all()
    assert places[0] == places[1] == places[2] and [size for _, size in places] == [400, 400, 400, 1200]


# The format: no pickle, and torch's own reader and writer agree with ours.


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_files_are_safetensors_that_torch_dcp_reads(tmp_path):
    state = tensors()
    c = checkpoints(tmp_path)
    c.save(1, state, {})
    c.finish()
    folder = tmp_path / "step-000001"
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "shard-00000.safetensors"]
    with safetensors.safe_open(folder / "shard-00000.safetensors", "pt") as file:
        assert same({name: file.get_tensor(name) for name in file.keys()}, state)  # noqa: SIM118
    got = blank(state)
    planner = dcp.DefaultLoadPlanner(flatten_state_dict=False)
    dcp.load(got, storage_reader=dcp.HuggingFaceStorageReader(str(folder)), planner=planner, no_dist=True)
    assert same(got, state)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_what_torch_dcp_writes_is_read(tmp_path):
    state = {name: t.contiguous() for name, t in tensors().items()}  # its writer refuses others
    writer = dcp.HuggingFaceStorageWriter(str(tmp_path), save_distributed=True)
    dcp.save(state, storage_writer=writer, planner=dcp.DefaultSavePlanner(flatten_state_dict=False), no_dist=True)
    got = blank(state)
    Saved(tmp_path).read(got)
    assert same(got, state)


# Damage.


def test_a_damaged_checkpoint_is_named_and_passed_over(tmp_path):
    saved(tmp_path, 3, 6)
    file = tmp_path / "step-000006" / "shard-00000.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    said, state = [], {"w": torch.zeros(6)}
    assert checkpoints(tmp_path, say=said.append).load(state) == {"step": 3} and state["w"].eq(3).all()
    assert len(said) == 1 and "step-000006" in said[0] and "damaged" in said[0]


@pytest.mark.parametrize("name", ["manifest.json", "shard-00000.safetensors"])
def test_when_every_checkpoint_is_damaged_nothing_starts_over_silently(tmp_path, name):
    saved(tmp_path, 3, 6)
    for folder in tmp_path.iterdir():
        (folder / name).unlink()
    with pytest.raises(ArtefactError, match="every checkpoint"):
        checkpoints(tmp_path).load({"w": torch.zeros(6)})


@pytest.mark.parametrize(("state", "why"), [
    ({"w": torch.zeros(6), "v": torch.zeros(1)}, "not on disk: v"), ({}, "only on disk: w"),
    ({"w": torch.zeros(7)}, r"w: float32 \[6\] on disk, float32 \[7\] wanted"),
    ({"w": torch.zeros(6).bfloat16()}, "bfloat16"),
])  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_an_error_that_says_which_tensor(tmp_path, state, why):
    saved(tmp_path, 3)
    with pytest.raises(ArtefactError, match=why):
        checkpoints(tmp_path).load(state)


# Retention.


def test_the_newest_and_the_milestones_stay(tmp_path):
    saved(tmp_path, *range(2, 21, 2), newest=3, keep_every=8)
    assert steps(tmp_path) == [f"step-{s:06d}" for s in (8, 16, 18, 20)]


def test_steps_of_a_course_that_was_left_go_when_the_new_one_stands(tmp_path):
    saved(tmp_path, 6, 9, 12)
    c = saved(tmp_path, newest=1)
    state = {"w": torch.zeros(6)}
    assert c.load(state, before=12) == {"step": 9}
    assert steps(tmp_path) == ["step-000009", "step-000012"]
    c.save(10, state, {})
    c.finish()
    assert steps(tmp_path) == ["step-000010"]


def test_steps_of_more_digits_are_newer(tmp_path):
    c = saved(tmp_path, 999_999, 1_000_000)
    assert c.load({"w": torch.zeros(6)}) == {"step": 1_000_000}


# The disk.


@pytest.fixture
def small_disk():
    """No file over 1000 bytes can be written while this lasts: the same OSError family as a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, old)
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_full_disk_is_an_error_at_the_next_save_and_costs_nothing_that_stood(tmp_path, small_disk):
    c, big = saved(tmp_path, 1), {"w": torch.ones(6000)}
    for meet in (lambda: c.save(3, big, {}), c.finish):
        c.save(2, big, {})
        with pytest.raises(MachineError, match="the disk is full"):
            meet()
        assert steps(tmp_path) == ["step-000001"]
    small_disk()
    c.save(4, big, {})
    c.finish()
    assert steps(tmp_path) == ["step-000001", "step-000004"]


# Optimisers.


class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.randn(4, 6, generator=torch.Generator().manual_seed(1)))
        self.v = torch.nn.Parameter(torch.ones(4))
        self.idle = torch.nn.Parameter(torch.ones(2))  # never gets a gradient: no optimiser state
        self.register_buffer("bias", torch.zeros(4))


def toy(muon, fused):
    model = Toy()
    vectors = [model.v, model.idle] if muon else list(model.parameters())
    optimisers = [torch.optim.AdamW(vectors, lr=0.1, fused=fused)]
    return model, [*optimisers, Muon([model.w], lr=0.1, weight_decay=0.1)] if muon else optimisers


def toy_step(step, model, optimisers):
    x = torch.randn(6, generator=torch.Generator().manual_seed(step))
    ((model.w @ x * model.v + model.bias) ** 2).sum().backward()
    model.bias += 0.01
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad()


@pytest.mark.parametrize(("muon", "fused"), [(True, True), (False, True), (False, False)])
def test_a_resumed_course_is_the_uninterrupted_one_bit_for_bit(tmp_path, muon, fused):
    model, optimisers = toy(muon, fused)
    for step in range(8):
        toy_step(step, model, optimisers)
    whole = flat_state([model], dict(model.named_parameters()), optimisers, {})
    done = 0
    for stop in (1, 4, 8):
        model, optimisers = toy(muon, fused)
        named, c = dict(model.named_parameters()), checkpoints(tmp_path)
        extra = {"w/average": torch.zeros(4, 6)}
        facts = c.load(lambda disk: flat_state([model], named, optimisers, extra, disk))  # noqa: B023
        assert (facts or {"done": 0})["done"] == done and extra["w/average"].eq(done).all()
        for step in range(done, stop):
            toy_step(step, model, optimisers)
        done = stop
        c.save(
            done, flat_state([model], named, optimisers, {"w/average": torch.full((4, 6), float(done))}), {"done": done}
        )
        c.finish()
    assert same(flat_state([model], named, optimisers, {}), whole)
    assert {"w", "bias", "v/exp_avg", "v/step"} <= whole.keys() and "idle/step" not in whole
    assert ("w/momentum_buffer" in whole) == muon


def test_going_back_takes_away_slots_that_came_later(tmp_path):
    model, optimisers = toy(muon=True, fused=True)
    named, c = dict(model.named_parameters()), checkpoints(tmp_path)
    c.save(1, flat_state([model], named, optimisers, {}), {})
    toy_step(0, model, optimisers)
    assert optimisers[0].state[model.v]
    assert c.load(lambda disk: flat_state([model], named, optimisers, {}, disk)) == {}
    assert not any(optimiser.state.get(p) for optimiser in optimisers for p in named.values())


def test_two_parts_may_share_a_tensor_but_not_a_name_alone():
    a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    with pytest.raises(AssertionError, match="of their own"):
        flat_state([a, b], {}, [], {})
    b.weight, b.bias = a.weight, a.bias
    assert flat_state([a, b], {}, [], {}).keys() == {"weight", "bias"}


# The loop on top of it.


class Memorise(Objective):
    """Next-token loss on random tokens that depend on the step alone; stops by exception where told to."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at

    def updates(self, step, share):
        if step == self.stop_at:
            raise KeyboardInterrupt
        tokens = torch.randint(0, 60, (2, 12), generator=torch.Generator().manual_seed(step))
        yield [Batch(tokens, torch.ones_like(tokens, dtype=torch.bool), torch.tensor([22.0], dtype=torch.float64))]

    def loss(self, head, hidden, batch):
        logits = head.logits(hidden)[:, :-1].flatten(0, 1)
        loss = F.cross_entropy(logits, batch.tokens[:, 1:].flatten(), reduction="sum") / float(batch.totals[0])
        return loss, {"loss": loss.detach()}


def train(folder, stop_at=None, **changes):
    """Weights and balancing biases after 10 steps, or after an interrupt; and the steps that were logged."""
    model, log = small(), RunLog(folder)
    settings = PretrainSettings(checkpoint_every=3, learning_rate=1e-2, warmup_steps=2, **changes)
    loop = Loop("t", folder / "work", "key", settings, 10, log, balance_speed=1e-3)
    try:
        loop.run(Whole(model, balance=1e-3), Memorise(stop_at))
    except KeyboardInterrupt:
        for thread in threading.enumerate():
            if thread.name == "checkpoint":  # the end of a process waits for it
                thread.join()
    log.close()
    return model.state_dict(), [record["step"] for record in log.records("t")]


@pytest.mark.parametrize(("stops", "changes"), [
    ([1, 3, 5], {"optimiser": "muon", "ema_decay": 0.9}), ([2, 4, 8, 9], {"optimiser": "adamw", "schedule": "wsd"}),
    ([7], {"precision": "bfloat16"}),
])  # fmt: skip
def test_a_resumed_loop_is_the_uninterrupted_one_bit_for_bit(tmp_path, stops, changes):
    whole, _ = train(tmp_path / "a", **changes)
    for stop in stops:
        train(tmp_path / "b", stop, **changes)
    pieces, logged = train(tmp_path / "b", **changes)
    assert same(whole, pieces) and logged == list(range(1, 11))
    assert any(name.endswith("bias") and t.any() for name, t in whole.items())
    assert steps(tmp_path / "b" / "work") == ["step-000006", "step-000009"]
