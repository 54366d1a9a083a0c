"""训模型: rejection sampling: the best answers of the reinforced model teach the pretrained one anew (DeepSeek-R1 §2.3.3)."""

from __future__ import annotations

from firesteel.core.config import RejectionSettings
from firesteel.model.config import ModelConfig
from firesteel.model.weights import stored_config
from firesteel.stages.learning import Start, learn
from firesteel.stages.stage import Job
from firesteel.stages.training import with_general
from firesteel.stages.written import answers_of, learnt
from firesteel.train.answers import RIGHT, Answers, Sampling, chosen
from firesteel.train.sft import Sft


def rejection(job: Job) -> None:
    """The model before this stage writes; the one before all fine-tuning learns the best of it, beside general data."""
    settings, base = job.recipe.rejection, job.input(job.recipe.base)
    start = Start(stored_config(base), base)
    what = f"supervised fine-tuning of {base.name} on the best answers of {job.base.name} (rejection sampling)"
    learn(job, start, settings, settings.steps, _lessons(job, start.config, settings), what=what)


def _lessons(job: Job, config: ModelConfig, settings: RejectionSettings) -> Sft:
    return with_general(job, config, settings, [_best(job, settings)])


def _best(job: Job, settings: RejectionSettings) -> Answers:
    """What the model before this stage answers rightly, tidily, without tricks, in one language, and to the end."""
    recipe = job.recipe
    sampling = Sampling(settings.questions, settings.max_new_tokens, settings.samples, settings.temperature)
    written = answers_of(job, job.base, settings.tasks, sampling, seed=recipe.seed + 4)
    kept = chosen(
        written, (RIGHT,), at_most=settings.keep, shortest=settings.prefer == "shortest", seed=recipe.seed,
    )  # fmt: skip
    hint = "raise rejection.questions, samples or max_new_tokens, or take easier tasks"
    return learnt(job, written, kept, whose=job.base.name, hint=hint)
