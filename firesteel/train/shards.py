"""The files of a checkpoint: who writes which shard, the copy in host memory, writing it, reading it into any other sharding.

Layout: torch DCP's safetensors storage. Each process has one file, with the shards that it writes and, in the header, their
offsets in the whole tensors; torch.distributed.checkpoint.HuggingFaceStorageReader reads such a folder, here and anywhere.
Planner and reader are DCP's. Its writer is not used: it copies replicated tensors in every process though one writes them, makes
each file as one more copy in memory, and its hashes would need a second reading.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

if TYPE_CHECKING:  # DCP is imported where it is used: it takes most of a second, and many processes write no checkpoint
    from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
    from torch.distributed.checkpoint.planner import SavePlan

State = Mapping[str, Tensor]  # name -> tensor or DTensor
Layout = dict[str, Tensor]  # name -> whole tensor on the meta device: shape and dtype
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int64: "I64", torch.int32: "I32",
    torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
PIECE = 1 << 24  # bytes written and hashed at a time


def signature(state: State) -> tuple[Any, ...]:
    """Unchanged as long as names, shapes, number types and placements are: then so is the plan."""
    return tuple((n, t.shape, t.dtype, t.placements if isinstance(t, DTensor) else None) for n, t in state.items())


def own_plan(state: State) -> SavePlan:
    """The shards that this process holds."""
    planner = _save_planner()
    planner.set_up_planner(dict(state))
    return planner.create_local_plan()


def joint_plan(plans: Sequence[SavePlan]) -> tuple[list[dict[str, tuple[int, ...]]], Layout]:
    """From the shards of every process: name -> offsets of what each is to write, each shard once; and the whole tensors.

    Shards that overlap or leave a hole, or of different shapes or types under one name, are our own mistake: an assertion.
    """
    try:
        parts, metadata = _save_planner().create_global_plan(list(plans))
    except ValueError as e:
        raise AssertionError(f"the processes' shards do not make whole tensors: {e}") from e
    layout = _layout(metadata)
    for item in (item for plan in plans for item in plan.items):
        whole, found = layout[item.index.fqn], item.tensor_data
        assert found is not None
        assert (found.size, found.properties.dtype) == (whole.shape, whole.dtype), f"{item.index.fqn} is two things"
    return [_to_write(part, layout) for part in parts], layout


def _to_write(part: SavePlan, layout: Layout) -> dict[str, tuple[int, ...]]:
    """Name -> offsets; empty shards (of a tensor with fewer rows than processes) are left out, empty tensors are not."""
    chunks = {item.index.fqn: item.tensor_data.chunk for item in part.items if item.tensor_data is not None}
    return {n: tuple(c.offsets) for n, c in chunks.items() if c.sizes.numel() or not layout[n].numel()}


def _save_planner() -> DefaultSavePlanner:
    from torch.distributed.checkpoint.default_planner import DefaultSavePlanner

    return DefaultSavePlanner(flatten_state_dict=False, flatten_sharded_tensors=False)


def _layout(metadata: Any) -> Layout:
    return {
        name: torch.empty(found.size, dtype=found.properties.dtype, device="meta")
        for name, found in metadata.state_dict_metadata.items()
    }


def _local(tensor: Tensor) -> Tensor:
    return (tensor.to_local() if isinstance(tensor, DTensor) else tensor).detach()


@dataclass(frozen=True)
class Copy:
    """Shards as they were: a safetensors file in two parts, its header and its data."""

    header: bytes
    data: memoryview

    def write(self, path: Path) -> dict[str, Any]:
        """Write and flush the file; returns its manifest entry (bytes, sha256)."""
        hashed, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            for whole in (memoryview(self.header), self.data):
                for start in range(0, len(whole), PIECE):
                    piece = whole[start : start + PIECE]
                    size += file.write(piece)
                    hashed.update(piece)
            file.flush()
            os.fsync(file.fileno())
        return {"bytes": size, "sha256": hashed.hexdigest()}


class HostBuffer:
    """One buffer in host memory, reused, where a process's shards are copied so that training may go on changing them."""

    def __init__(self) -> None:
        self.bytes = torch.empty(0, dtype=torch.uint8)

    def copy(self, state: State, offsets: Mapping[str, tuple[int, ...]]) -> Copy:
        """The shards of `state` named in `offsets`; the copy is good until the next one."""
        shards = {name: _local(state[name]) for name in offsets}
        order = sorted(shards, key=lambda n: (-shards[n].itemsize, n))  # widest first: every one stays aligned
        total = sum(t.nbytes for t in shards.values())
        if self.bytes.numel() < total:
            self.bytes = torch.empty(0, dtype=torch.uint8)  # free the old one first
            self.bytes = torch.empty(total, dtype=torch.uint8, pin_memory=torch.accelerator.is_available())
        header: dict[str, Any] = {"__metadata__": _sharding(offsets)}
        end = 0
        for name in order:
            shard, start, end = shards[name], end, end + shards[name].nbytes
            self.bytes[start:end].view(shard.dtype).view(shard.shape).copy_(shard, non_blocking=True)
            header[name] = {"dtype": DTYPES[shard.dtype], "shape": list(shard.shape), "data_offsets": [start, end]}
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)  # so that the data begin aligned, as the format wants
        return Copy(len(text).to_bytes(8, "little") + text, self.bytes.numpy().data[:total])


def _sharding(offsets: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """What DCP's reader looks for in the header (torch.distributed.checkpoint._hf_utils names the keys)."""
    saved = {name: {"saved_offsets": list(offset)} for name, offset in offsets.items()}
    return {"format": "pt", "DCP_VERSION": "1.0", "DCP_SHARDING_INFO": json.dumps(saved)}


class Saved:
    """A folder of such files, to be read: `layout` says what whole tensors are in it."""

    def __init__(self, folder: Path) -> None:
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

        self.reader = HuggingFaceStorageReader(str(folder))
        self.metadata = self.reader.read_metadata()
        self.layout = _layout(self.metadata)

    def read(self, state: State) -> None:
        """Fill this process's shards in place, whatever the sharding on disk; names, shapes and types must be those on disk."""
        from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner

        planner = DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
        planner.set_up_planner(dict(state), self.metadata)
        self.reader.set_up_storage_reader(self.metadata, is_coordinator=False)
        self.reader.read_data(planner.finish_plan(planner.create_local_plan()), planner).wait()
