"""A checkpoint of any number of processes, however sharded, is read by any other: every tensor bit for bit.

This file is also the program that runs under test: it forks the processes of each case, which is faster than starting them.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.placement_types import _StridedShard

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, MachineError
from firesteel.train.checkpoint import Checkpoints
from firesteel.train.flat import flat_state

SHAPES = {  # rows that no number of processes divides, fewer rows than processes, single numbers, bfloat16
    "embed.weight": (10, 6), "layers.0.w": (7, 8), "layers.0.w/exp_avg": (7, 8), "layers.0.w/step": (), "layers.0.norm": (3,),
    "layers.1.experts": (4, 6, 5), "layers.1.experts/momentum_buffer": (4, 6, 5), "layers.1.bias": (4,), "head.half": (5, 4),
}  # fmt: skip


def truth(name):
    """The whole tensor of a name: random bits, the same in every process."""
    g = torch.Generator().manual_seed(sum(name.encode()))
    whole = torch.randn(SHAPES[name], generator=g)
    return whole.bfloat16() if "half" in name else whole


def spread(name, mesh, *placements):
    whole = truth(name)
    usable = [p if isinstance(p, Replicate) or p.dim < whole.ndim else Replicate() for p in placements]
    return distribute_tensor(whole, mesh, usable, src_data_rank=None) if whole.ndim else whole


def whole(rank):
    """Each process has everything (replicas)."""
    return {name: truth(name) for name in SHAPES}


def rows(rank):
    """FSDP: every tensor's rows over all processes."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    return {name: spread(name, mesh, Shard(0)) for name in SHAPES}


def columns(rank):
    """Tensor parallelism: columns over all processes; vectors replicated."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    return {name: spread(name, mesh, Shard(1)) for name in SHAPES}


def experts(rank):
    """Experts over two processes, the rows of each over two more; the rest sharded by rows over all four."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "expert"))
    flat = mesh[("data", "expert")]._flatten("all")
    return {
        name: spread(name, mesh, Shard(1), Shard(0)) if "experts" in name else spread(name, flat, Shard(0))
        for name in SHAPES
    }


def hybrid(rank):
    """HSDP: rows over two processes, twice."""
    mesh = init_device_mesh("cpu", (2, 2))
    return {name: spread(name, mesh, Replicate(), Shard(0)) for name in SHAPES}


def pipeline(rank):
    """Each half of the processes has some of the names, both the embedding (tied); rows over the two of a half."""
    halves = init_device_mesh("cpu", (2, dist.get_world_size() // 2), mesh_dim_names=("stage", "data"))
    stage, mesh = halves.get_local_rank("stage"), halves["data"]
    mine = [n for n in SHAPES if n.startswith(("embed", "layers.0") if stage == 0 else ("embed", "layers.1", "head"))]
    return {name: truth(name) if name.startswith("embed") else spread(name, mesh, Shard(0)) for name in mine}


CASES = {  # name -> (processes, how)
    "whole-1": (1, whole), "whole-2": (2, whole), "rows-2": (2, rows), "rows-4": (4, rows), "columns-4": (4, columns),
    "experts-4": (4, experts), "hybrid-4": (4, hybrid), "pipeline-4": (4, pipeline),
}  # fmt: skip


def local(tensor):
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def bits(tensor):
    return local(tensor).contiguous().reshape(-1).view(torch.uint8).clone()


def checkpoints(folder, rank, say=None):
    return Checkpoints(
        folder, "key", SimpleNamespace(rank=rank, size=dist.get_world_size()), say=say or (lambda text: None)
    )


# The processes.


def fork(processes, work, folder, timeout=60.0):
    """Run work(rank, folder) in so many processes, one torch.distributed world; none outlives this call."""
    store = folder / f".store-{time.monotonic_ns()}"
    children = [os.fork() or _child(rank, processes, store, work, folder) for rank in range(processes)]
    deadline, left = time.monotonic() + timeout, set(children)
    try:
        while left:
            for child in list(left):
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    left.discard(child)
                    assert status == 0, f"a process of {getattr(work, '__name__', work)} failed"
            assert time.monotonic() < deadline, "processes hang"
            time.sleep(0.005)
    finally:
        for child in left:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _child(rank, processes, store, work, folder):
    code = 1
    try:
        dist.init_process_group("gloo", store=dist.FileStore(str(store), processes), rank=rank, world_size=processes)
        work(rank, folder)
        dist.barrier()
        code = 0
    except BaseException as e:
        print(f"rank {rank}: {type(e).__name__}: {e}", file=sys.stderr, flush=True)
    os._exit(code)


# What they do.


def write_case(case, rank, folder):
    c = checkpoints(folder / case, rank)
    c.save(5, CASES[case][1](rank), {"case": case})
    c.finish()


def read_cases(case, rank, folder):
    for written in CASES:
        state = CASES[case][1](rank)
        expected = {name: bits(t) for name, t in state.items()}
        for t in state.values():
            local(t).fill_(9)
        assert checkpoints(folder / written, rank).load(state) == {"case": written}
        assert all(torch.equal(bits(t), expected[name]) for name, t in state.items()), f"{written} read as {case}"


def every_sharding(folder):
    worlds = {n: [case for case, (processes, _) in CASES.items() if processes == n] for n in (1, 2, 4)}
    for processes, cases in worlds.items():  # joining takes longer than a case: each world does all of its own
        fork(processes, partial(each, write_case, cases), folder)
    for case, (processes, _) in CASES.items():
        files = list((folder / case / "step-000005").glob("*.safetensors"))
        wanted = sum(math.prod(shape) * (2 if "half" in name else 4) for name, shape in SHAPES.items())
        assert len(files) <= processes
        assert sum(_data_bytes(file) for file in files) == wanted, f"{case}: not every tensor exactly once"
    for processes, cases in worlds.items():
        fork(processes, partial(each, read_cases, cases), folder)


def each(act, cases, rank, folder):
    for case in cases:
        act(case, rank, folder)


def _data_bytes(file):
    return file.stat().st_size - 8 - int.from_bytes(file.read_bytes()[:8], "little")


class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(6, 7), torch.nn.Linear(7, 3)
        for i, p in enumerate(self.parameters()):
            torch.nn.init.normal_(p, generator=torch.Generator().manual_seed(i))

    def forward(self, x):
        return self.down(torch.tanh(self.up(x)))


def fsdp_train(start, stop, rank, folder):
    """Steps of FSDP2 and AdamW from the newest checkpoint; afterwards the whole state goes to a file of its own."""
    model = Toy()
    if (size := dist.get_world_size()) > 1:
        fully_shard(model, mesh=init_device_mesh("cpu", (size,)))
        model.set_gradient_divide_factor(1.0)
        model.set_force_sum_reduction_for_comms(True)
    optimiser, c = torch.optim.AdamW(model.parameters(), lr=0.1), checkpoints(folder / "fsdp", rank)
    named = dict(model.named_parameters())
    facts = c.load(lambda disk: flat_state([model], named, [optimiser], {}, disk))
    assert (facts or {"step": 0})["step"] == start
    loaded = flat_state([model], named, [optimiser], {})
    if start:
        _same_as_file(loaded, folder / f"{start}.pt")
    for step in range(start, stop):
        x = torch.randn(4, 6, generator=torch.Generator().manual_seed(step))[rank :: dist.get_world_size()]
        model(x).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    state = flat_state([model], named, [optimiser], {})
    if stop > start:
        c.save(stop, state, {"step": stop})
        c.finish()
        full = {name: t.full_tensor() if isinstance(t, DTensor) else t for name, t in state.items()}
        if rank == 0:
            torch.save(full, folder / f"{stop}.pt")


def _same_as_file(state, file):
    expected = torch.load(file, weights_only=True)
    assert state.keys() == expected.keys() and "up.weight/exp_avg_sq" in state
    for name, t in state.items():
        assert torch.equal(t.full_tensor() if isinstance(t, DTensor) else t, expected[name]), name


def fsdp(folder):
    for processes, start, stop in ((4, 0, 2), (2, 2, 3), (1, 3, 4), (4, 4, 5), (1, 5, 5)):
        fork(processes, partial(fsdp_train, start, stop), folder)


def wrong(rank, folder):
    """Errors are everybody's, whoever met them; what stood before stands."""
    said = []
    c, state = checkpoints(folder, rank, said.append), {"a": torch.zeros(4), f"own.{rank}": torch.ones(500)}
    c.save(1, state, {})
    with pytest.raises(ArtefactError, match=r"not on disk: other"):
        c.load({**state, **({"other": torch.zeros(1)} if rank == 1 else {})})
    with pytest.raises(ArtefactError, match=r"only on disk: own\.1"):
        c.load({"a": state["a"], "own.0": torch.ones(500)})
    with pytest.raises(AssertionError, match="two things"):
        c.save(2, {"a": torch.zeros(4 + rank)}, {})
    with contextlib.ExitStack() as stack:
        if rank == 1:  # its disk is full
            old = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
            stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, old)
        c.save(2, state, {})
        with pytest.raises(MachineError, match="the disk is full"):
            c.finish()
        dist.barrier()
        assert sorted(p.name for p in folder.glob("*step*")) == ["step-000001"]
    c.save(2, state, {})
    c.finish()
    if rank == 0:
        file = folder / "step-000002" / "shard-00001.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    dist.barrier()
    assert c.load(state) == {} and [("step-000002" in s) for s in said] == [True] * (rank == 0)


def apart(rank, folder):
    """Each process has a folder of its own, as on machines that share none."""
    c = checkpoints(folder / f"machine-{rank}", rank)
    c.save(1, {f"own.{rank}": torch.ones(5)}, {})
    with pytest.raises(MachineError, match="not to be seen here"):
        c.finish()


def strides(rank, folder):
    """FSDP over tensor parallelism on the same axis, unevenly, comes back; rows that are not one box are refused, not garbled."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
    model = torch.nn.Linear(3, 7, bias=False)
    model.weight = torch.nn.Parameter(
        distribute_tensor(truth("layers.0.w")[:, :3].contiguous(), mesh["tensor"], [Shard(0)])
    )
    fully_shard(model, mesh=mesh["data"])
    state, c = {"w": model.state_dict()["weight"]}, checkpoints(folder, rank)
    c.save(1, state, {})
    expected = bits(state["w"])
    local(state["w"]).fill_(9)
    assert c.load(state) == {} and torch.equal(bits(state["w"]), expected)
    one = {"w": torch.zeros(7, 3)}
    c.load(one)
    assert torch.equal(one["w"], truth("layers.0.w")[:, :3])
    two = {
        "w": distribute_tensor(torch.zeros(7, 3), mesh["data"], [_StridedShard(0, split_factor=2)], src_data_rank=None)
    }
    for act in (lambda: c.save(2, two, {}), lambda: c.load(two)):
        with pytest.raises(AssertionError, match="do not make whole tensors"):
            act()


def endless(rank, folder):
    c, state = checkpoints(folder, rank), {"both": torch.zeros(1000), f"own.{rank}": torch.zeros(100_000)}
    step = (c.load(state) or {"step": 0})["step"]
    while True:
        step += 1
        for tensor in state.values():
            tensor.fill_(step)
        c.save(step, state, {"step": step})
        (folder / f"stands-{rank}").write_text(str(step - 1))


def look(floor, rank, folder):
    c, state = checkpoints(folder, rank, say=sys.exit), {"both": torch.zeros(1000), f"own.{rank}": torch.zeros(100_000)}
    reached = (c.load(state) or {"step": 0})["step"]
    assert reached >= floor and all(t.eq(reached).all() for t in state.values())
    (folder / "reached").write_text(str(reached))


def kills(folder):
    """Two processes save every step; both are killed at a random moment, one a little before the other."""
    chance = random.Random(1)
    for _ in range(8):
        begun = _stands(folder)
        store = folder / f".store-{time.monotonic_ns()}"
        children = [os.fork() or _child(rank, 2, store, endless, folder) for rank in range(2)]
        deadline = time.monotonic() + 30
        while _stands(folder) < begun + 2:
            assert time.monotonic() < deadline, "nothing is saved"
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        for child in chance.sample(children, 2):
            os.kill(child, signal.SIGKILL)
            time.sleep(chance.choice((0, 0.01)))
            os.waitpid(child, 0)
        for done in folder.glob("step-*"):
            artefact.read(done, "checkpoint", verify=True)
        fork(2, partial(look, _stands(folder)), folder)
    assert int((folder / "reached").read_text()) >= 16


def _stands(folder):
    """The last step that a process said stood; a kill may have emptied its note."""
    return max((int(note.read_text() or 0) for note in folder.glob("stands-*")), default=0)


def shardings(folder):
    every_sharding(folder)
    fork(4, strides, folder)


def errors(folder):
    fork(2, wrong, folder)
    fork(2, apart, folder)


PROGRAMS = {"shardings": shardings, "fsdp": fsdp, "errors": errors, "kills": kills}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where each program has left its log: all of them in one launch."""
    folder = tmp_path_factory.mktemp("programs")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-W", "ignore", __file__, str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        _, said = process.communicate(timeout=240)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its children too, whatever happened
    assert process.returncode == 0, said
    return folder


@pytest.mark.slow  # quicker, of one process: test_checkpoint.py
@pytest.mark.parametrize("program", PROGRAMS)
def test_checkpoints_of_several_processes(folder, program):
    said = (folder / program / "log").read_text()
    assert said.endswith("well done"), said


if __name__ == "__main__":
    for module in ("torch._dynamo", "torch.distributed.checkpoint"):
        importlib.import_module(module)  # loaded at its first use otherwise: 2 s, here once, not in every child
    torch.set_num_threads(1)
    for name, program in PROGRAMS.items():
        place = Path(sys.argv[1]) / name
        place.mkdir()
        if os.fork():  # a fork for each: what it leaves or breaks is not the next one's
            os.wait()
            continue
        os.dup2(os.open(place / "log", os.O_WRONLY | os.O_CREAT), 2)
        program(place)
        os.write(2, b"well done")
        os._exit(0)
