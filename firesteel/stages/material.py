"""理数据: the stages that turn raw files into tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from firesteel.core.config import Recipe
from firesteel.core.tokenizer import Tokenizer
from firesteel.data.organise import organise, read_documents
from firesteel.data.pack import pack
from firesteel.data.vocab import train_tokenizer
from firesteel.stages.stage import Job
from firesteel.tasks.table import get_task

TASK_TEXTS = 2000  # worked problems of each task that the tokenizer sees, so that its working has tokens of its own


def data(job: Job) -> None:
    """Raw sources to clean documents; documents that hold a test question are dropped."""
    job.draft.stats |= organise(
        job.recipe.data,
        job.draft.path,
        seed=job.recipe.seed,
        say=job.run.log.say,
        decontaminate=test_questions(job.recipe),
    )


def test_questions(recipe: Recipe) -> list[str]:
    """The questions that evaluation will ask."""
    evaluation = recipe.eval
    return [p.question for t in evaluation.tasks for p in get_task(t).distinct("test", recipe.seed, evaluation.samples)]


def tokenizer(job: Job) -> None:
    """A vocabulary from a sample of the documents and from the tasks' own training text."""
    texts = _sample(job.input("data"), job.recipe)
    job.draft.stats |= train_tokenizer(texts, job.recipe.tokenizer, job.draft.path)


def _sample(documents: Path, recipe: Recipe) -> Iterator[str]:
    for name in recipe.sft.tasks:
        for p in get_task(name).problems("train", recipe.seed, 0, TASK_TEXTS):
            yield f"{p.question}\n{p.reasoning}\n{p.reply}"
    left = recipe.tokenizer.sample_mb * 1e6
    for document in read_documents(documents, "train"):
        left -= len(document["text"].encode())
        if left < 0:
            return
        yield document["text"]


def tokens(job: Job) -> None:
    """Documents to packed shards."""
    tokenizer = Tokenizer.load(job.input("tokenizer"))
    job.draft.stats |= pack(job.input("data"), tokenizer, job.recipe.tokens, job.draft.path)
