"""理数据: the stages that turn raw files into tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from firesteel.compute.workers import Processes
from firesteel.core.config import MachineSettings, Recipe
from firesteel.core.secret import privacy_key
from firesteel.core.tokenizer import Tokenizer
from firesteel.core.tokenizer_files import copy_tokenizer
from firesteel.core.work import Executor
from firesteel.data.organise import organise, read_documents
from firesteel.data.pack import pack
from firesteel.data.vocab import train_tokenizer
from firesteel.stages.stage import Job
from firesteel.tasks.rendering import sample_text
from firesteel.tasks.table import get_task

TASK_TEXTS = 2000  # worked problems of each task that the tokenizer sees, so that its working has tokens of its own


def data(job: Job) -> None:
    """Raw sources to clean documents; documents that hold a test question are dropped."""
    recipe = job.recipe
    with contextlib.closing(executor(recipe.machine)) as workers:
        job.draft.stats |= organise(
            recipe.data, job.draft.path, seed=recipe.seed, say=job.run.log.say,
            key=privacy_key(recipe.data.privacy_key) if recipe.data.redact else b"",
            decontaminate=test_questions(recipe), executor=workers, work=job.work / "flow",
        )  # fmt: skip


def executor(settings: MachineSettings) -> Executor:
    """Who does the work: a Ray cluster if the recipe names one, else processes of this machine."""
    if settings.cluster:
        from firesteel.compute.ray_cluster import RayCluster

        return RayCluster(settings.cluster)
    return Processes(settings.workers)


def test_questions(recipe: Recipe) -> dict[str, list[str]]:
    """The questions that evaluation will ask, by task."""
    tasks, n = (*recipe.eval.tasks, *recipe.eval.other), recipe.eval.samples
    return {t: [p.question for p in get_task(t).distinct("test", recipe.seed, n)] for t in tasks}


def tokenizer(job: Job) -> None:
    """A vocabulary from a sample of the documents and the tasks' own training text; or that of the model to start from."""
    if job.recipe.pretrain.start_from:
        folder = Path(job.recipe.pretrain.start_from)
        copy_tokenizer(folder, job.draft.path)
        job.draft.stats |= {"vocab_size": Tokenizer.load(folder).vocab_size, "from": folder.name}
        return
    texts = _sample(job.input("data"), job.recipe)
    heldout = (document["text"] for document in read_documents(job.input("data"), "heldout"))
    job.draft.stats |= train_tokenizer(texts, job.recipe.tokenizer, job.draft.path, heldout=heldout)


def _sample(documents: Path, recipe: Recipe) -> Iterator[str]:
    for name in recipe.sft.tasks:
        for p in get_task(name).problems("train", recipe.seed, 0, TASK_TEXTS):
            yield sample_text(p)
    left = recipe.tokenizer.sample_mb * 1e6
    for document in read_documents(documents, "train"):
        left -= len(document["text"].encode())
        if left < 0:
            return
        yield document["text"]


def tokens(job: Job) -> None:
    """Documents to packed shards."""
    tokenizer = Tokenizer.load(job.input("tokenizer"))
    job.draft.stats |= pack(
        job.input("data"), tokenizer, job.recipe.tokens, job.draft.path, seed=job.recipe.seed, say=job.run.log.say
    )
