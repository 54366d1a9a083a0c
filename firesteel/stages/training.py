"""训模型: the stages that make a model from the one before. Each says what is learnt; learning.py does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from firesteel.core.config import PretrainSettings, SftSettings
from firesteel.core.errors import RecipeError
from firesteel.core.shards import TokenShards
from firesteel.core.thoughts import spoken
from firesteel.core.tokenizer import Message, Rendered, Tokenizer
from firesteel.model.config import ModelConfig, RopeScaling
from firesteel.model.weights import stored_config
from firesteel.stages.checks import check_worked
from firesteel.stages.conversations import PackedConversations, PackedStream, check_conversations, pack_conversations
from firesteel.stages.learning import Start, learn
from firesteel.stages.pairs import check_pairs
from firesteel.stages.stage import Job
from firesteel.tasks.rendering import check_tools, taught
from firesteel.tasks.table import get_task
from firesteel.train.pretrain import Pretrain
from firesteel.train.sft import Conversations, Sft


def pretrain(job: Job) -> None:
    """A model from nothing, or from the weights that the recipe starts from."""
    recipe, settings = job.recipe, job.recipe.pretrain
    tokenizer = Tokenizer.load(job.input("tokenizer"))
    if job.run.mesh.first:  # before the hours and not after
        for told in (recipe.sft, recipe.rejection):
            check_conversations(told.sources, tokenizer, told.max_tokens)
        check_pairs(recipe.preference.sources, tokenizer, recipe.preference.max_tokens)
    if settings.start_from:
        start = Start(stored_config(settings.start_from), Path(settings.start_from))
        what = f"pretrained further from {Path(settings.start_from).name}, on the run's documents"
    else:
        start = Start(ModelConfig.from_settings(recipe.model, tokenizer.vocab_size))
        what = "pretrained from nothing on the run's documents"
    objective = None
    if settings.steps:
        objective = _documents(job, settings, start.config, recipe.seed)
        if objective.length < settings.sequence_length:
            left = f"only {len(objective.shards)} tokens of text: sequences are {objective.length} tokens long"
            job.run.log.say(f"  [yellow]{left}[/yellow]")
    learn(job, start, settings, settings.steps, objective, tokenizer=job.input("tokenizer"), what=what)


def extend(job: Job) -> None:
    """A longer context: rotary positions stretched by YaRN, and some steps on sequences of the new length (V3 §4.3)."""
    settings = job.recipe.extend
    config = stretched(stored_config(job.base), settings.factor)
    length = settings.sequence_length or config.max_position_embeddings
    settings = settings.model_copy(update={"sequence_length": length})
    objective = _documents(job, settings, config, job.recipe.seed + 2)
    what = f"context extended to {config.max_position_embeddings} tokens with YaRN"
    learn(job, Start(config, job.base), settings, settings.steps, objective, what=what)


def stretched(config: ModelConfig, factor: float) -> ModelConfig:
    """The config with a context `factor` times as long. Raises RecipeError where it has been stretched before."""
    if config.rope_scaling is not None:
        why = f"its positions are already stretched by {config.rope_scaling.kind}"
        raise RecipeError("this model's context cannot be extended again", value=f"extend.factor = {factor}", why=why)
    own = config.max_position_embeddings
    sharper = (
        1.0 if config.attention == "mla" else 0.0
    )  # MLA's softmax scale takes YaRN's temperature (DeepSeek's code)
    scaling = RopeScaling("yarn", factor, own, mscale=sharper, mscale_all_dim=sharper)
    return config.replace(max_position_embeddings=int(own * factor), rope_scaling=scaling)


def sft(job: Job) -> None:
    """Conversations on top of the pretrained model."""
    settings, start = job.recipe.sft, Start(stored_config(job.base), job.base)
    what = "supervised fine-tuning on worked problems"
    learn(job, start, settings, settings.steps, conversations(job, start.config, settings), what=what)


def _documents(job: Job, settings: PretrainSettings, config: ModelConfig, seed: int) -> Pretrain:
    shards = TokenShards(job.input("tokens") / "train")
    return Pretrain(shards, settings, seed=seed, modules=config.num_nextn_predict_layers)


def conversations(job: Job, config: ModelConfig, settings: SftSettings) -> Sft:
    """The tasks' worked problems and what is general, as `settings` say."""
    tokenizer = Tokenizer.load(job.base)
    streams = [_task_stream(name, job.recipe.seed, tokenizer) for name in settings.tasks]
    return with_general(job, config, settings, streams)


def with_general(job: Job, config: ModelConfig, settings: SftSettings, streams: Sequence[Conversations]) -> Sft:
    """Conversations and the user's own, with documents beside them if `settings` replays some."""
    recipe = job.recipe
    tokenizer = Tokenizer.load(job.base)
    streams = [_aloud(tokenizer, stream) for stream in streams]
    if settings.sources:
        streams = [*streams, _file_stream(job, tokenizer, settings)]
    replay = None
    if settings.replay:  # the documents again, from another place in their order than pretraining's
        text = recipe.pretrain.model_copy(
            update={"batch_size": settings.replay, "batch_start": 0, "mtp_weight": 0.0, "z_loss": 0.0}
        )
        replay = _documents(job, text, config, recipe.seed + 1)
    return Sft(
        tokenizer, streams, settings, seed=recipe.seed, longest=config.max_position_embeddings,
        modules=config.num_nextn_predict_layers, replay=replay,
    )  # fmt: skip


def _task_stream(name: str, seed: int, tokenizer: Tokenizer) -> Conversations:
    """The task's worked problems. Raises RecipeError if it has none, UserError if the model cannot call its tools."""
    task = get_task(name)
    first = task.problem("train", seed, 0)
    check_worked({name: first})
    check_tools(tokenizer, first, name)
    return lambda i: taught(tokenizer, task.problem("train", seed, i))


def _aloud(tokenizer: Tokenizer, stream: Conversations) -> Conversations:
    def told(number: int) -> Sequence[Message] | Rendered:
        found = stream(number)
        return found if isinstance(found, Rendered) else spoken(tokenizer, found)

    return told


def _file_stream(job: Job, tokenizer: Tokenizer, settings: SftSettings) -> PackedStream:
    """The user's own conversations; what is too long to learn is said."""
    folder = job.work / "conversations"
    if job.run.mesh.first:
        pack_conversations(settings.sources, tokenizer, folder)
    job.run.mesh.barrier()
    packed = PackedConversations(folder)
    total, long = len(packed.lengths), int((packed.lengths > settings.max_tokens).sum())
    job.draft.stats["conversations"] = {"read": total, "too_long": long, "tokens": int(packed.lengths.sum())}
    if long:
        why = f"{long} of {total} conversations are longer than {job.name}.max_tokens = {settings.max_tokens}: left out"
        job.run.log.say(f"  [yellow]{why}[/yellow]")
    return packed.stream(settings.max_tokens)
