"""Reinforcement learning in one process of several; a program for tests/train/parallel/harness.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from firesteel.compute.mesh import joined
from firesteel.core.config import GrpoSettings, ParallelSettings
from firesteel.core.log import RunLog
from firesteel.tasks.curriculum import Curriculum
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Question, Verdict
from firesteel.train.rl.store import Store
from tests.train.objectives import small
from tests.train.rl.scripted import Done, Words, said_of

GROUP, PROMPTS, STEPS = 4, 5, 3


class ByQuestion:
    """A sampler whose answers are a function of the question and the place in its group alone, with the model's own odds."""

    def __init__(self, model: Any) -> None:
        self.model, self.asked = model, list[list[int]]()

    def sample(self, prompts: list[list[int]], **_: Any) -> list[Done]:
        """See Sampler."""
        self.asked += prompts[::GROUP]
        return [self._answer(prompt, i % GROUP) for i, prompt in enumerate(prompts)]

    def _answer(self, prompt: list[int], place: int) -> Done:
        g = torch.Generator().manual_seed(1000 * prompt[1] + place)
        ids = [*torch.randint(3, 60, (int(torch.randint(1, 5, (), generator=g)),), generator=g).tolist(), 2]
        return Done(ids, said_of(self.model, prompt, ids).tolist())


def question(number: int) -> Question:
    """Of the first step only the first two questions teach anything: the second process has nothing to learn there."""

    def judge(ids: list[int], stopped: bool) -> Verdict:
        right = ids[0] < 31 and not 2 <= number < PROMPTS
        return Verdict(len(ids), right, True, trick=not right, reason="odd" if ids[-2] % 2 else "even")

    return Question([1, 3 + number % 50], judge, ("odd", "even")[number % 2], 1 + number % 3, text=f"question {number}")


def learn(processes: int, work: str, more: dict[str, Any]) -> dict[str, Any]:
    """Learn for some steps as one of so many processes; what there is to compare, JSON."""
    settings = GrpoSettings(**{
        "tasks": ["arithmetic"], "steps": STEPS, "prompts": PROMPTS, "group_size": GROUP, "learning_rate": 1e-2,
        "format_reward": 0.0, "micro_batch": 3, "checkpoint_every": 1,
    } | more)  # fmt: skip
    with joined(ParallelSettings(processes=processes), torch.device("cpu")) as mesh:
        model = small()
        sampler, memory = ByQuestion(model), Curriculum({"odd": (1, 3), "even": (1, 3)}, 0)
        store = Store(Path(work), lambda ids: " ".join(map(str, ids)))
        rollouts = Rollouts(
            model, Words(), sampler, lambda start, count: [question(i) for i in range(start, start + count)], settings,
            seed=0, store=store, memory=memory, piece=8, mesh=mesh,
        )  # fmt: skip
        log = RunLog(Path(work), first=mesh.first)
        loop = Loop("grpo", Path(work), "key", settings, settings.steps, log, mesh=mesh)
        loop.run(Whole(model, mesh, micro_batch=settings.micro_batch), Grpo(Words(), rollouts, settings))
        log.flush()
        mesh.barrier()
        records = list(log.records("grpo"))
        stored = [[r["step"], r["group"], r["ids"]] for r in store.records()] if mesh.first else []
    return {
        "weights": {name: p.flatten().tolist() for name, p in model.named_parameters()}, "asked": sampler.asked,
        "records": json.loads(json.dumps(records)), "memory": memory.state(), "stored": stored,
    }  # fmt: skip
