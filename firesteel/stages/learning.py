"""From a start and an objective to a model's folder: the same few lines for every training stage, on any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firesteel.compute.count import Shape, training_flops
from firesteel.core.config import OptimSettings
from firesteel.core.tokenizer_files import copy_tokenizer
from firesteel.model import lora
from firesteel.model.config import ModelConfig
from firesteel.model.initial import initial_weight
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model, save_weights, stored_weights
from firesteel.stages.stage import Job
from firesteel.train.learner import Learner, Whole
from firesteel.train.loop import Loop
from firesteel.train.objective import Objective
from firesteel.train.parallel.parts import own_parts
from firesteel.train.parallel.place import fill, place, whole_weights
from firesteel.train.precision import PRECISIONS, use_precision

Teaches = Objective | Callable[[Learner], Objective] | None


@dataclass(frozen=True)
class Start:
    """A shape, and the folder its weights come from; None: random ones, from the recipe's seed."""

    config: ModelConfig
    folder: Path | None = None


def learn(
    job: Job, start: Start, settings: OptimSettings, steps: int, teaches: Teaches, *, what: str,
    tokenizer: Path | None = None, balance: bool = True,
) -> None:  # fmt: skip
    """Train and write the model artefact. `teaches`: the objective, or how to make it for a learner; `what`: for the card.

    `tokenizer`: whose files go with the model, if not those of the start. `balance`: whether experts are being balanced.
    """
    shape = job.recipe.model
    adapted = lora.LoRA(settings.lora_rank, settings.lora_alpha, settings.lora_targets) if settings.lora_rank else None
    learner = _learner(job, start, settings, adapted, shape.seq_aux_alpha if balance else 0.0)
    objective = teaches(learner) if callable(teaches) else teaches
    if objective is not None:
        _loop(job, settings, steps, start.config, shape.bias_update_speed if balance else 0.0).run(learner, objective)
    if adapted:
        what += f", by adapters of rank {adapted.rank}, which are merged here and lie in adapter/ for themselves"
    parameters = _save(job, learner.parts, adapted)
    if job.run.mesh.first:
        source = tokenizer or start.folder
        assert source is not None, "weights from nothing come with no tokenizer of their own"
        copy_tokenizer(source, job.draft.path)
        weights = sum(file.stat().st_size for file in job.draft.path.glob("*.safetensors"))
        job.draft.stats |= {"parameters": parameters, "bytes": weights}
        text = f"# {job.recipe.name}, stage {job.name}\n\n{what}; {parameters:,} parameters.\n"
        (job.draft.path / "card.md").write_text(text, encoding="utf-8")


def _learner(job: Job, start: Start, settings: OptimSettings, adapted: lora.LoRA | None, balance: float) -> Learner:
    """The model, or this process's parts of it, filled and ready to learn."""
    mesh, seed = job.run.mesh, job.recipe.seed
    if mesh.alone:
        model = _whole(start, seed).to(job.run.device)
        if adapted:
            lora.attach(model, adapted, seed)
        use_precision(model, settings.precision)
        return Whole(model, mesh, micro_batch=settings.micro_batch, balance=balance)
    with torch.device("meta"):
        parts = own_parts(start.config, mesh.settings, mesh.index("pipeline"))
        for part in parts:
            if adapted:
                lora.attach(part, adapted, seed)
            use_precision(part, settings.precision)
    narrow = PRECISIONS[settings.precision].weights
    learner: Learner
    if mesh.count("pipeline") > 1:
        from firesteel.train.parallel.pipeline import Pipelined  # loads half a second of torch that others do not need

        learner = piped = Pipelined(parts, mesh, balance=balance, dtype=narrow)
        roots: Iterable[torch.nn.Module] = piped.modules
    else:
        learner = whole = Whole(parts[0], mesh, micro_batch=settings.micro_batch, balance=balance)
        roots = [whole]
    for root in roots:
        place(root, mesh, narrow)
    _fill(parts, start, seed)
    return learner


def _whole(start: Start, seed: int) -> Transformer:
    if start.folder is not None:
        return load_model(start.folder, config=start.config)
    model = Transformer(start.config)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def _fill(parts: Sequence[Transformer], start: Start, seed: int) -> None:
    """Give parts on several processes their weights, one whole tensor at a time."""

    def fresh(name: str, shape: torch.Size) -> Tensor:
        return initial_weight(name, shape, layers=start.config.num_hidden_layers, seed=seed)

    if start.folder is None:
        for part in parts:
            fill(part, fresh)
        return
    with stored_weights(start.folder, start.config) as stored:
        for part in parts:
            fill(part, lambda name, shape: (fresh if ".adapter." in name else stored)(name, shape), buffers=True)


def _loop(job: Job, settings: OptimSettings, steps: int, config: ModelConfig, balance_speed: float) -> Loop:
    run = job.run
    length = getattr(settings, "sequence_length", 0) or getattr(settings, "max_tokens", 0)
    return Loop(
        job.name, job.work, job.key, settings, steps, run.log, balance_speed, run.mesh, run.recipe.watch,
        token_flops=training_flops(Shape.of(vars(config)), length),
    )  # fmt: skip


@torch.no_grad()
def _save(job: Job, parts: Sequence[Transformer], adapted: lora.LoRA | None) -> int:
    """Write config and weights, and adapters beside them; returns the number of parameters. The first process writes."""
    mesh, folder, config = job.run.mesh, job.draft.path, parts[0].config
    dtype = PRECISIONS[getattr(job.recipe, job.name).precision].weights
    named = whole_weights(parts, mesh)
    if not mesh.first:
        return sum(1 for _ in named)  # the others help to gather
    if adapted is None:
        counted = _Counted(named)
        save_weights(folder, config, counted, dtype)
        return counted.parameters
    model = Transformer(config)
    lora.attach(model, adapted)
    state = model.state_dict()
    for name, tensor in named:
        state[name].copy_(tensor)
    (folder / "adapter").mkdir()
    lora.save(folder / "adapter", model, adapted)
    lora.merge(model)
    save_model(folder, model, dtype=dtype)
    return sum(p.numel() for p in model.parameters())


class _Counted:
    """Named weights, counted as they go by."""

    def __init__(self, named: Iterable[tuple[str, Tensor]]) -> None:
        self._named, self.parameters = named, 0

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in self._named:
            self.parameters += 0 if name.endswith("bias") and "correction" in name else tensor.numel()
            yield name, tensor
