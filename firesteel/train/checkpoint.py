"""Checkpoints: artefacts of kind `checkpoint`, `step-NNNNNN/` in a stage's work folder, written while training goes on.

A save copies this process's shards into host memory and returns; a thread writes them, and the first process, when all
have written, seals the folder and renames it into place. So a kill at any time loses the steps since the last save, and
those of the write in flight. Nothing random is stored because nothing random is kept: every batch and every sample is a
function of (seed, step), and so is the learning rate.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch.distributed as dist

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError
from firesteel.train.shards import Copy, HostBuffer, Layout, Saved, State, joint_plan, own_plan, signature

if TYPE_CHECKING:
    from torch.distributed.checkpoint.planner import SavePlan

Facts = dict[str, Any]  # plain JSON


class Processes(Protocol):
    """What is asked of a mesh: this process's number and how many there are."""

    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...


class Checkpoints:
    """One stage's checkpoints: the `newest` ones stay, and those at every multiple of `keep_every` steps (0 = none).

    All processes make one together, and call its methods together. `say` is used by the first alone.
    """

    def __init__(
        self, work: Path, key: str, mesh: Processes, *, newest: int = 2, keep_every: int = 0, say: Callable[[str], None]
    ) -> None:
        self.work, self.key, self.rank, self.size = work, key, mesh.rank, mesh.size
        self.newest, self.keep_every, self.say = newest, keep_every, say
        # a group of its own, on the host: the writing thread's messages must not meet those of training
        self.group = dist.new_group(backend="gloo") if mesh.size > 1 else None
        self.buffer = HostBuffer()
        self.signature: tuple[Any, ...] | None = None
        self.offsets: dict[str, tuple[int, ...]] = {}  # of the shards that this process writes
        self.plans: list[SavePlan] = []  # every process's, on the first one
        self.thread: threading.Thread | None = None
        self.failure: Exception | None = None
        self.waited = False
        if self.rank == 0:
            artefact.sweep(work)

    def save(self, step: int, state: State, facts: Mapping[str, Any]) -> None:
        """Begin to write `work/step-NNNNNN`, the state after `step` steps; `state` may change as soon as this returns.

        Waits for the write before, if it is still in flight. Raises what that one ran into: MachineError for the disk.
        """
        assert step > 0
        if self.thread is not None and self.thread.is_alive() and not self.waited and self.rank == 0:
            self.waited = True
            self.say(
                "[yellow]training waits for the disk[/yellow]: a checkpoint takes longer to write than the steps between two; "
                "raise checkpoint_every"
            )
        self.finish()
        self._plan(state)
        copy = self.buffer.copy(state, self.offsets)
        arguments = (step, copy, json.loads(json.dumps(facts)))
        self.thread = threading.Thread(target=self._write, args=arguments, name="checkpoint")
        self.thread.start()

    def finish(self) -> None:
        """Wait until the last save stands on the disk. Raises what it ran into: MachineError for the disk."""
        if self.thread is not None:
            self.thread.join()
            self.thread = None
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def load(self, state: State | Callable[[Layout], State], *, before: int | None = None) -> Facts | None:
        """Fill `state` in place from the newest good checkpoint (of fewer than `before` steps); returns its facts.

        None if there is no checkpoint at all. `state` may be a function of what is on disk (whole tensors on the meta device):
        an optimiser that has not stepped yet must make room first. Any sharding, any number of processes. A damaged checkpoint is
        named and passed over for the one before it. Raises ArtefactError when all are damaged (starting over silently would
        lose work), or when names, shapes or number types are not those of `state`.
        """
        self.finish()
        found = self._together(None, lambda _: [self._steps(before)] * self.size)
        for step in found:
            folder = self._folder(step)
            if self._good(folder):
                return self._read(folder, state)
        if found:
            raise ArtefactError(
                "every checkpoint of this stage is damaged", value=self.work, why="none passed its checksums",
                hint=f"remove {self.work}/step-* to train the stage again from its start; answers that were sampled stay",
            )  # fmt: skip
        return None

    def _folder(self, step: int) -> Path:
        return self.work / f"step-{step:06d}"

    def _steps(self, before: int | None = None) -> list[int]:
        """Steps of the checkpoints that are there, newest first."""
        names = (path.name.removeprefix("step-") for path in self.work.glob("step-*"))
        steps = (int(name) for name in names if name.isdigit())
        return sorted((step for step in steps if before is None or step < before), reverse=True)

    # Writing.

    def _plan(self, state: State) -> None:
        """Agree who writes what; once, as long as nobody's tensors change in number, shape or placement."""
        now = signature(state)
        plan = own_plan(state) if now != self.signature else None
        agreed = self._together(plan, self._agree)
        self.signature = now
        if agreed is not None:
            self.offsets = agreed

    def _agree(self, changed: Sequence[SavePlan | None]) -> Sequence[Any]:
        if not any(changed):
            return [None] * self.size
        self.plans = [new or old for new, old in zip(changed, self.plans or changed, strict=True)]  # type: ignore[misc]
        return joint_plan(self.plans)[0]

    def _write(self, step: int, copy: Copy, facts: Facts) -> None:
        """In the thread: this process's file, then, when all have theirs, the whole."""
        path = self._folder(step)
        report: tuple[str, dict[str, Any]] | Exception
        try:
            built, name = artefact.temporary_name(path), f"shard-{self.rank:05d}.safetensors"
            built.mkdir(parents=True, exist_ok=True)
            report = (name, copy.write(built / name))
        except OSError as e:
            report = artefact.disk_error(e, path)
        try:
            self._together(report, lambda reports: self._publish(path, step, reports, facts))
        except Exception as e:  # for the training thread, at its next save or finish
            self.failure = e

    def _publish(
        self, path: Path, step: int, reports: Sequence[tuple[str, dict[str, Any]] | Exception], facts: Facts
    ) -> Sequence[None]:
        try:
            files = {}
            for report in reports:
                if isinstance(report, Exception):
                    raise report
                files[report[0]] = report[1]
            stats = {"step": step, "processes": self.size, "facts": facts}
            artefact.publish(path, "checkpoint", files, inputs={"stage": self.key}, stats=stats)
            self._retire(step)
        except OSError as e:
            raise artefact.disk_error(e, path) from e
        finally:
            shutil.rmtree(artefact.temporary_name(path), ignore_errors=True)
        return [None] * self.size

    def _retire(self, step: int) -> None:
        """Remove what need not stay, now that `step` stands; later steps are of a course that training has left."""
        there = self._steps()
        stay = {s for s in there if s <= step and self.keep_every and s % self.keep_every == 0}
        stay |= set([s for s in there if s <= step][: self.newest])
        for old in set(there) - stay:
            artefact.remove(self._folder(old))

    # Reading.

    def _good(self, folder: Path) -> bool:
        """Whether every file passes its checksum; the processes share the reading."""
        damage = None
        try:
            manifest = artefact.read(folder, "checkpoint")
            assert manifest.inputs["stage"] == self.key, "work folders are named after the stage key"
            own = sorted(manifest.files)[self.rank :: self.size]
            artefact.check_files(folder, {name: manifest.files[name] for name in own}, verify=True)
        except ArtefactError as e:
            damage = f"{e.what} ({e.value})"

        def judge(found: Sequence[str | None]) -> Sequence[bool]:
            for what in [what for what in found if what is not None][:1]:
                self.say(f"[yellow]checkpoint {folder.name} is damaged and passed over[/yellow]: {what}")
            return [not any(found)] * self.size

        return bool(self._together(damage, judge))

    def _read(self, folder: Path, state: State | Callable[[Layout], State]) -> Facts:
        saved = Saved(folder)
        wanted = state(saved.layout) if callable(state) else state

        def compare(plans: Sequence[SavePlan]) -> Sequence[None]:
            _must_fit(folder, saved.layout, joint_plan(plans)[1])
            return [None] * self.size

        self._together(own_plan(wanted), compare)
        saved.read(wanted)
        facts: Facts = artefact.read(folder, "checkpoint").stats["facts"]
        return facts

    # Talking.

    def _together(self, mine: Any, decide: Callable[[Sequence[Any]], Sequence[Any]]) -> Any:
        """What the first process decides for this one, of what all have to say. An error of its deciding is everybody's.

        torch pickles what goes over the wire between our own processes; nothing on disk is pickled.
        """
        if self.group is None:
            return decide([mine])[0]
        said = [None] * self.size if self.rank == 0 else None
        dist.gather_object(mine, said, dst=0, group=self.group)
        answers: Sequence[Any] | None = None
        if said is not None:
            try:
                answers = decide(said)
            except Exception as e:
                answers = [e] * self.size
        box: list[Any] = [None]
        dist.scatter_object_list(box, list(answers) if answers is not None else None, src=0, group=self.group)
        if isinstance(box[0], Exception):
            raise box[0]
        return box[0]


def _must_fit(folder: Path, saved: Layout, wanted: Layout) -> None:
    """The same names, shapes and number types on disk and in memory. Raises ArtefactError, which names what differs."""
    differ = [
        f"{name}: {_describe(saved[name])} on disk, {_describe(wanted[name])} wanted"
        for name in sorted(saved.keys() & wanted.keys())
        if (saved[name].shape, saved[name].dtype) != (wanted[name].shape, wanted[name].dtype)
    ]
    for title, names in (
        ("only on disk", saved.keys() - wanted.keys()), ("not on disk", wanted.keys() - saved.keys()), ("", differ)
    ):  # fmt: skip
        if names:
            shown = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise ArtefactError(
                "the checkpoint is not of this model and optimiser", value=folder,
                why=f"{title}: {shown}" if title else shown,
                hint=f"remove {folder.parent} to train the stage again from its start",
            )  # fmt: skip


def _describe(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
