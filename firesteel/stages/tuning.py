"""训模型: learning from a larger model, and from what people prefer; both are stages that a recipe may leave out."""

from __future__ import annotations

from firesteel.stages.stage import Job


def distil(job: Job) -> None:
    """A larger model's distribution, or the answers it writes, on top of the fine-tuned model."""
    raise NotImplementedError


def preference(job: Job) -> None:
    """Chosen and rejected answers, on top of the fine-tuned model."""
    raise NotImplementedError
