"""训模型: the stages that make a model from the one before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from firesteel.core.config import OptimSettings
from firesteel.core.shards import TokenShards
from firesteel.core.tokenizer import Message, Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from firesteel.serve.engine import Engine
from firesteel.stages.conversations import PackedStream, check_conversations, pack_conversations
from firesteel.stages.stage import Job
from firesteel.tasks.evaluate import judge
from firesteel.tasks.steps import judged_steps
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem
from firesteel.train.credit import Verdict
from firesteel.train.grpo import Grpo, Question
from firesteel.train.loop import Loop
from firesteel.train.pretrain import Pretrain
from firesteel.train.sft import Conversations, Sft

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def pretrain(job: Job) -> None:
    """A model from nothing."""
    recipe = job.recipe
    tokenizer = Tokenizer.load(job.input("tokenizer"))
    check_conversations(
        recipe.sft.sources, tokenizer, recipe.sft.max_tokens
    )  # a bad line, before the hours and not after
    model = Transformer(ModelConfig.from_settings(recipe.model, tokenizer.vocab_size))
    model.initialise(torch.Generator().manual_seed(recipe.seed))
    model.to(job.run.device)
    shards = TokenShards(job.input("tokens") / "train")
    objective = Pretrain(model, shards, recipe.pretrain, seed=recipe.seed, aux_weight=recipe.model.seq_aux_alpha)
    if objective.length < recipe.pretrain.sequence_length:
        job.run.log.say(
            f"  [yellow]only {len(shards)} tokens of text: sequences are {objective.length} tokens long[/yellow]"
        )
    _loop(job, recipe.pretrain, recipe.pretrain.steps, recipe.model.bias_update_speed).run(model, objective)
    _save(job, model, job.input("tokenizer"), "pretrained from nothing on the run's documents")


def sft(job: Job) -> None:
    """Conversations on top of the pretrained model."""
    recipe = job.recipe
    model, tokenizer = _open(job, "pretrain")
    streams: list[Conversations] = [_task_stream(get_task(name).problem, recipe.seed) for name in recipe.sft.tasks]
    if recipe.sft.sources:
        streams.append(_file_stream(job, tokenizer))
    alpha = recipe.model.seq_aux_alpha
    replay = None
    if recipe.sft.replay:  # the documents again, from another place in their order than pretraining's
        text = recipe.pretrain.model_copy(update={"batch_size": recipe.sft.replay, "mtp_weight": 0.0})
        shards = TokenShards(job.input("tokens") / "train")
        replay = Pretrain(model, shards, text, seed=recipe.seed + 1, aux_weight=alpha)
    objective = Sft(model, tokenizer, streams, recipe.sft, seed=recipe.seed, aux_weight=alpha, replay=replay)
    _loop(job, recipe.sft, recipe.sft.steps, recipe.model.bias_update_speed).run(model, objective)
    _save(job, model, job.input("pretrain"), "supervised fine-tuning on worked problems")


def grpo(job: Job) -> None:
    """Reinforcement learning on top of the fine-tuned model; the serving engine samples."""
    recipe, settings = job.recipe, job.recipe.grpo
    model, tokenizer = _open(job, "sft")
    reference = _open(job, "sft")[0] if settings.kl_weight else None
    rows = settings.prompts * settings.group_size
    engine = Engine(model, tokenizer, max_sequences=rows, cache_tokens=rows * (settings.max_new_tokens + 128))

    def questions(start: int, count: int) -> list[Question]:
        each = [get_task(settings.tasks[i % len(settings.tasks)]) for i in range(start, start + count)]
        return [_question(tokenizer, t.problem("train", recipe.seed + 1, i)) for i, t in enumerate(each, start)]

    objective = Grpo(model, tokenizer, engine, questions, settings, seed=recipe.seed, reference=reference)
    _loop(job, settings, settings.steps, balance_speed=0.0).run(model, objective)
    _save(job, model, job.input("sft"), "reinforcement learning with verifiable rewards (GRPO)")


def _question(tokenizer: Tokenizer, problem: Problem) -> Question:
    def verdict(ids: list[int], stopped: bool) -> Verdict:
        score = judge(tokenizer, problem, ids, stopped)
        steps = judged_steps(tokenizer, problem, ids, score.correct)
        return Verdict(len(ids), score.correct, score.well_formed, steps)

    return Question(tokenizer.render(problem.prompt(), add_generation_prompt=True).ids, verdict)


def _task_stream(problem: Callable[..., Problem], seed: int) -> Callable[[int], list[Message]]:
    return lambda i: problem("train", seed, i).messages()


def _file_stream(job: Job, tokenizer: Tokenizer) -> PackedStream:
    """The user's own conversations; what is too long to learn is said."""
    settings = job.recipe.sft
    packed = pack_conversations(settings.sources, tokenizer, job.work / "conversations")
    long = int((packed.lengths > settings.max_tokens).sum())
    job.draft.stats["conversations"] = {
        "read": len(packed.lengths),
        "too_long": long,
        "tokens": int(packed.lengths.sum()),
    }
    if long:
        total = len(packed.lengths)
        job.run.log.say(
            f"  [yellow]{long} of {total} conversations are longer than sft.max_tokens = {settings.max_tokens}: left out[/yellow]"
        )
    return packed.stream(settings.max_tokens)


def _open(job: Job, stage: str) -> tuple[Transformer, Tokenizer]:
    folder = job.input(stage)
    return load_model(folder, device=job.run.device), Tokenizer.load(folder)


def _loop(job: Job, settings: OptimSettings, steps: int, balance_speed: float) -> Loop:
    return Loop(job.name, job.work, job.key, settings, steps, balance_speed, job.run.log)


def _save(job: Job, model: Transformer, tokenizer_from: Path, what: str) -> None:
    """A self-contained model folder: weights, tokenizer, chat template, a short card."""
    save_model(job.draft.path, model)
    copy_tokenizer(tokenizer_from, job.draft.path)
    parameters = sum(p.numel() for p in model.parameters())
    card: dict[str, Any] = {"parameters": parameters, "bytes": (job.draft.path / "model.safetensors").stat().st_size}
    job.draft.stats |= card
    text = f"# {job.recipe.name}, stage {job.name}\n\n{what}; {parameters:,} parameters.\n"
    (job.draft.path / "card.md").write_text(text, encoding="utf-8")


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer's files and the chat template."""
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, target / name)
