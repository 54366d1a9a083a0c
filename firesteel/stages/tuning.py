"""训模型: learning from a larger model, and from what people prefer; both are stages that a recipe may leave out."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from firesteel.compute.mesh import Mesh
from firesteel.core.config import SftSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.weights import load_model, stored_config
from firesteel.stages.learning import Start, learn
from firesteel.stages.pairs import PackedPairs, UsablePairs, pack_pairs
from firesteel.stages.stage import Job
from firesteel.stages.training import conversations, with_general
from firesteel.stages.written import FINISHED, answers_of, learnt
from firesteel.train.answers import RIGHT, Sampling, chosen
from firesteel.train.batch import Share
from firesteel.train.distil import Distil, shared_vocabulary
from firesteel.train.learner import Learner
from firesteel.train.objective import Objective
from firesteel.train.parallel.tensor import leave
from firesteel.train.preference import Preference
from firesteel.train.reference import reference_logprobs, scores


def distil(job: Job) -> None:
    """A larger model's distribution, or the answers it writes, on top of the fine-tuned model."""
    settings, start = job.recipe.distil, Start(stored_config(job.base), job.base)
    by = {"logits": _from_logits, "sequences": _from_answers}[settings.kind]
    what = f"distillation from {Path(settings.teacher).name} ({settings.kind})"
    learn(job, start, settings, settings.steps, by(job, start.config), what=what)


def _from_logits(job: Job, config: ModelConfig) -> Objective:
    """The teacher's distribution on the conversations that fine-tuning has."""
    settings, tokenizer = job.recipe.distil, Tokenizer.load(job.base)
    vocabulary = shared_vocabulary(tokenizer, Tokenizer.load(settings.teacher))
    rows = conversations(job, config, _as_sft(job))
    return Distil(rows, load_model(settings.teacher, device=job.run.device), settings, vocabulary=vocabulary)


def _from_answers(job: Job, config: ModelConfig) -> Objective:
    """What the teacher wrote to the tasks' questions, as conversations like any others."""
    recipe, settings = job.recipe, job.recipe.distil
    questions = -(-settings.answers // settings.samples)
    sampling = Sampling(questions, settings.max_tokens, settings.samples, settings.temperature)
    written = answers_of(job, Path(settings.teacher), recipe.sft.tasks, sampling, seed=recipe.seed + 3)
    kept = chosen(written, FINISHED if settings.keep_wrong else (RIGHT,))
    hint = "take another teacher or other tasks, raise distil.max_tokens, or set distil.keep_wrong"
    answers = learnt(job, written, kept, whose="the teacher", hint=hint)
    return with_general(job, config, _as_sft(job).model_copy(update={"sources": ()}), [answers])


def _as_sft(job: Job) -> SftSettings:
    """Distillation's rows in fine-tuning's terms: the same conversations, and documents beside them."""
    own = job.recipe.distil
    changes = {
        "batch_size": own.batch_size, "max_tokens": own.max_tokens, "mtp_weight": 0.0, "z_loss": 0.0,
        "replay": own.replay, "replay_weight": own.replay_weight,
    }  # fmt: skip
    return job.recipe.sft.model_copy(update=changes)


def preference(job: Job) -> None:
    """Chosen and rejected answers, on top of the fine-tuned model."""
    settings, start = job.recipe.preference, Start(stored_config(job.base), job.base)
    tokenizer = Tokenizer.load(job.base)
    pairs = _pairs(job, tokenizer, min(settings.max_tokens, start.config.max_position_embeddings))
    mesh = job.run.mesh

    def across(values: Tensor) -> Tensor:
        return leave(values, mesh.group("context")) if mesh.count("context") > 1 else values

    def objective(learner: Learner) -> Preference:
        reference = None
        if settings.method == "dpo":
            job.run.log.say(f"  what the model says of {len(pairs)} pairs before it learns")
            writes = learner.parts[-1].last and mesh.index("context", "tensor") == 0
            reference = reference_logprobs(
                scores(learner, across), pairs, job.work, key=job.key, pad_id=tokenizer.pad_id, share=_share(mesh),
                writes=writes, barrier=mesh.barrier,
            )  # fmt: skip
        return Preference(
            pairs, settings, pad_id=tokenizer.pad_id, seed=job.recipe.seed, reference=reference, across=across
        )

    what = f"learning from {len(pairs)} preference pairs ({settings.method})"
    learn(job, start, settings, settings.steps, objective, what=what, balance=False)


def _pairs(job: Job, tokenizer: Tokenizer, longest: int) -> UsablePairs:
    folder = job.work / "pairs"
    if job.run.mesh.first:
        pack_pairs(job.recipe.preference.sources, tokenizer, folder)
    job.run.mesh.barrier()
    pairs = PackedPairs(folder).usable(longest)
    job.draft.stats["pairs"] = {"usable": len(pairs)} | dict(pairs.left_out)
    if left_out := sum(pairs.left_out.values()):
        why = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in pairs.left_out.items() if count)
        job.run.log.say(f"  [yellow]{left_out} pairs are left out[/yellow]: {why}")
    return pairs


def _share(mesh: Mesh) -> Share:
    return Share(mesh.index("data"), mesh.count("data"))
