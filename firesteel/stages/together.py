"""A training stage that [parallel] parts among processes: starts them, and takes over what they made (worker.py)."""

from __future__ import annotations

import json

from firesteel.compute.launch import launch, launcher
from firesteel.core.artefact import write_text
from firesteel.core.errors import restored
from firesteel.stages.stage import Job

FILE, STATS, ERROR = "job.json", "stats.json", "error.json"  # in a stage's work folder
MODULE = "firesteel.stages.worker"


def make_together(job: Job) -> None:
    """Let worker processes do a stage's work; they write its files, and tell its statistics. Raises what one of them raised."""
    settings = job.recipe.parallel
    for name in (STATS, ERROR):
        (job.work / name).unlink(missing_ok=True)
    description = {
        "recipe": job.recipe.model_dump(mode="json"), "folder": str(job.run.folder), "stage": job.name, "key": job.key,
        "work": str(job.work), "draft": str(job.draft.path),
    }  # fmt: skip
    write_text(job.work / FILE, json.dumps(description))
    where = f"on the Ray cluster {settings.cluster}" if settings.cluster else "on this machine"
    job.run.log.say(f"  {settings.processes} processes {where}: {layout(job)}")
    launch(
        launcher(settings), MODULE, str(job.work / FILE), error=job.work / ERROR, restarts=settings.max_restarts,
        say=job.run.log.say,
    )  # fmt: skip
    if (job.work / ERROR).is_file():
        raise restored(json.loads((job.work / ERROR).read_text(encoding="utf-8")))
    job.draft.stats |= json.loads((job.work / STATS).read_text(encoding="utf-8"))


def layout(job: Job) -> str:
    """How the processes share the work, in words."""
    s = job.recipe.parallel
    axes = {"data": s.data, "expert": s.expert, "pipeline": s.pipeline, "tensor": s.tensor, "context": s.context}
    parts = [f"{name} {size}" for name, size in axes.items() if size > 1]
    return " x ".join(parts) + (f", ZeRO-{s.zero}" if s.zero else "")
