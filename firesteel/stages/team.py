"""`firesteel run` in many processes at once, started by torchrun or a cluster's own launcher: one leads, the others follow.

The first process goes through the recipe; at each training stage that [parallel] parts it writes down whose turn it is, and all
do it together. In between the others watch that file: other stages take as long as they take, longer than a message would wait.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from firesteel.compute import proc
from firesteel.compute.device import set_up
from firesteel.compute.mesh import Mesh
from firesteel.core.artefact import Draft, write_text
from firesteel.core.config import Recipe
from firesteel.core.log import RunLog
from firesteel.stages.stage import Job, Run

POLL = 0.2  # seconds between two looks
Make = Callable[[Job], None]


def started_together(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a launcher started this process as one of several (torchrun's WORLD_SIZE)."""
    return environ.get("WORLD_SIZE", "1") != "1"


def own_device(recipe: Recipe) -> torch.device:
    """Prepare this process for its share of the machine's cores; the kind of device that it trains on. Raises MachineError."""
    threads = recipe.machine.threads or max(1, proc.cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return set_up(recipe.machine.model_copy(update={"threads": threads}), recipe.seed)


class Team:
    """The processes of one mesh at the stages of a run."""

    def __init__(self, mesh: Mesh, folder: Path) -> None:
        self.mesh = mesh
        self.file = folder / ".work" / f"turns-{mesh.tell(secrets.token_hex(8))}.json"
        self._turns: list[dict[str, str]] = []

    def make(self, job: Job, make: Make) -> None:
        """The first process: do a stage together with all others."""
        self._say({"stage": job.name, "key": job.key, "work": str(job.work), "draft": str(job.draft.path)})
        make(replace(job, run=replace(job.run, mesh=self.mesh)))
        self.mesh.barrier()

    @contextmanager
    def leading(self) -> Iterator[None]:
        """While the first process goes through the recipe; the others are let go in the end."""
        for old in self.file.parent.glob("turns-*.json"):  # of earlier runs; this one's stays until the next comes
            old.unlink(missing_ok=True)
        try:
            yield
        finally:
            self._say({})

    def follow(self, run: Run, makers: Mapping[str, Make]) -> None:
        """Any other process: take part in whatever the first one says, until it says that was all."""
        run = replace(run, mesh=self.mesh, log=RunLog(run.folder, first=False))
        for turn in self._heard():
            job = Job(run, turn["stage"], turn["key"], Path(turn["work"]), Draft(Path(turn["draft"]), {}))
            makers[job.name](job)
            self.mesh.barrier()

    def _say(self, turn: dict[str, str]) -> None:
        self._turns.append(turn)
        self.file.parent.mkdir(mode=0o700, exist_ok=True)
        write_text(self.file, json.dumps(self._turns))

    def _heard(self) -> Iterator[dict[str, str]]:
        done = 0
        while True:
            turns: list[Any] = json.loads(self.file.read_text(encoding="utf-8")) if self.file.is_file() else []
            if len(turns) > done:
                if not turns[done]:
                    return
                yield turns[done]
                done += 1
            else:
                time.sleep(POLL)
