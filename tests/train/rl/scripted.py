"""What tests of reinforcement learning share: answers that a test wrote down, and the way through an update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from firesteel.compute.mesh import Mesh
from firesteel.core.config import GrpoSettings
from firesteel.core.tokenizer import Rendered
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.learner import Whole
from firesteel.train.losses import token_logprobs
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import ALL, Rollouts
from firesteel.train.rl.sampled import Group, Question, Sampled, Verdict
from tests.train.alone import complete


class Words:
    """A tokenizer stand-in for objectives that only need ids: a conversation is its ids."""

    pad_id, stop_ids, vocab_size = 0, (2,), 60

    def render(self, messages: Any) -> Rendered:
        """Ids as they are."""
        ids = messages[0]["ids"]
        return Rendered(ids, [False] + [True] * (len(ids) - 1))


@dataclass
class Done:
    """What a sampler returns."""

    ids: list[int]
    logprobs: list[float]
    finish_reason: str = "stop"


class Script:
    """A sampler that answers what the test wrote down, with the model's own log-probabilities."""

    def __init__(self, model: Transformer, answers: Sequence[list[int]], shift: float = 0.0) -> None:
        self.model, self.answers, self.shift = model, answers, shift

    def sample(self, prompts: Sequence[list[int]], **_: Any) -> list[Done]:
        """The answers; log-probabilities are off by `shift`."""
        said = [said_of(self.model, p, a) for p, a in zip(prompts, self.answers, strict=True)]
        return [Done(a, (logp + self.shift).tolist()) for a, logp in zip(self.answers, said, strict=True)]


@torch.no_grad()
def said_of(model: Transformer, prompt: list[int], answer: list[int]) -> Tensor:
    """Log-probabilities of an answer, all by itself."""
    tokens = torch.tensor([prompt + answer])
    spoken = torch.tensor([[False] * len(prompt) + [True] * len(answer)])
    return token_logprobs(model, model(tokens), tokens, spoken, 1.0)[0]


def scripted(
    model: Transformer, answers: list[list[int]], right: list[list[int]], shift: float = 0.0, **more: Any
) -> Grpo:
    """An objective whose questions have `answers`, two each, of which `right` is right."""
    settings = GrpoSettings(**{"prompts": len(right), "group_size": 2, "format_reward": 0.0} | more)
    questions = [
        Question([1, 5 + i], lambda ids, stopped, r=r: Verdict(len(ids), ids == r, True)) for i, r in enumerate(right)
    ]
    rollouts = Rollouts(model, Words(), Script(model, answers, shift), lambda start, count: questions, settings, seed=0)
    objective = Grpo(Words(), rollouts, settings)
    objective.begin([model])
    return objective


class Fixed(Rollouts):
    """Rollouts that say at every step what the test gave them."""

    def __init__(self, groups: Callable[[int], list[Group]] | list[Group]) -> None:
        self.groups, self.mesh = groups, Mesh()

    def __call__(self, step: int, share: Share = ALL) -> tuple[list[Group], dict[str, float]]:
        """The groups, and no more than one fact."""
        return self.groups(step) if callable(self.groups) else self.groups, {"reward": 0.0}


def drawn(
    model: Transformer, rewards: Sequence[Sequence[float]], *, noise: float = 0.0, seed: int = 0, stopped: bool = True,
    longest: int = 9,
) -> list[Group]:  # fmt: skip
    """Groups of random answers that earned `rewards`; the sampler's log-probabilities are off by `noise` at random."""
    g = torch.Generator().manual_seed(seed)
    groups = []
    for i, earned in enumerate(rewards):
        question, group = Question([1, 3 + i], lambda ids, stopped: None), []
        for r in earned:
            ids = torch.randint(3, 60, (int(torch.randint(2, longest, (), generator=g)),), generator=g).tolist()
            logp = said_of(model, question.prompt, ids)
            logp = logp + noise * torch.randn(len(ids), generator=g)
            group.append(Sampled(question, ids, logp.tolist(), stopped, Verdict(len(ids), r >= 1, False, earned=r)))
        groups.append(group)
    return groups


def objective_of(model: Transformer, groups: list[Group], **more: Any) -> Grpo:
    """An objective that learns from given groups."""
    settings = GrpoSettings(**{"format_reward": 0.0, "credit": "answer", "max_logprob_gap": 99.0} | more)
    objective = Grpo(Words(), Fixed(groups), settings)
    objective.begin([model])
    return objective


def every_update(
    model: Transformer, objective: Grpo, *, step: int = 0, micro_batch: int = 0
) -> list[tuple[Batch, dict[str, float], dict[str, Tensor]]]:
    """Each update of a step: its batch, metrics, and gradients by name; the weights stay as they are."""
    found = []
    for batches in objective.updates(step, Share()):
        model.zero_grad()
        shares = Whole(model, micro_batch=micro_batch).learn(complete([b for b in batches if len(b)]), objective)
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        found.append((batches[0], {name: float(v) for name, v in shares.items()}, gradients))
    model.zero_grad()
    return found
