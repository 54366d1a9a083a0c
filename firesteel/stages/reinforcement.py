"""训模型: reinforcement learning: tasks ask, the serving engine answers, verifiers judge, GRPO learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from firesteel.core import artefact
from firesteel.core.config import GrpoSettings
from firesteel.core.errors import RecipeError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.model.weights import stored_config
from firesteel.serve.engine import Engine
from firesteel.stages.checks import check_turns
from firesteel.stages.learning import Start, learn
from firesteel.stages.stage import PROMPT, Job
from firesteel.tasks.curriculum import Curriculum
from firesteel.tasks.languages import share_of
from firesteel.tasks.rendering import asked as prompt_of
from firesteel.tasks.score import Score, score
from firesteel.tasks.steps import judged_steps, worked_steps
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem
from firesteel.tasks.tools import TOOLS, schemas
from firesteel.train.learner import Learner
from firesteel.train.rl.calling import Caller
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.published import publish
from firesteel.train.rl.rollouts import Rollouts, piece_of
from firesteel.train.rl.sampled import Question, Reply, Verdict
from firesteel.train.rl.store import Store

QUESTIONS = {"grpo": 1, "grpo_all": 5}  # added to the seed, so that no stage draws the questions of another
SLOW = "code"  # ability whose verifiers run programs, and wait for them
TOLD = 512  # tokens that a prompt is taken to have more, where it shows tools


def grpo(job: Job) -> None:
    """Reinforcement learning on top of the fine-tuned model."""
    reinforce(job, job.recipe.grpo)


def grpo_all(job: Job) -> None:
    """Reinforcement learning again, for all scenarios (DeepSeek-R1 §2.3.4)."""
    reinforce(job, job.recipe.grpo_all)


def reinforce(job: Job, settings: GrpoSettings) -> None:
    """Learn from the model's own answers to the tasks; publishes these answers beside the model, as rollouts-STAGE/."""
    start, tokenizer = Start(stored_config(job.base), job.base), Tokenizer.load(job.base)
    if settings.routing_replay and start.config.n_routed_experts == 0:
        raise RecipeError("a model without experts has no routing to replay", value=f"{job.name}.routing_replay = true")
    asked = Asked(tokenizer, settings, job.recipe.seed + QUESTIONS[job.name])
    if asked.unheard:
        named = ", ".join(asked.unheard)
        job.run.log.say(f"  [yellow]{named}: asked without tools, for {job.name}.max_turns = 1[/yellow]")
    replayed = settings.checkpoint_every * (
        settings.checkpoints + 1
    )  # steps since the oldest checkpoint that may be read
    store = Store(job.work, asked.text, kept=max(settings.keep_rollouts, replayed), replayed=replayed)

    def objective(learner: Learner) -> Grpo:
        (model,) = learner.parts
        engine = engine_of(model, tokenizer, settings)
        rollouts = Rollouts(
            model, tokenizer, engine, asked, settings, seed=job.recipe.seed, store=store, memory=asked.curriculum,
            mesh=job.run.mesh,
        )  # fmt: skip
        return Grpo(tokenizer, rollouts, settings)

    what = "reinforcement learning with verifiable rewards (GRPO)"
    learn(job, start, settings, settings.steps, objective, what=what, balance=False)
    if job.run.mesh.first and (settings.keep_rollouts or settings.samples_shown):
        publish(
            store, job.run.stage(f"rollouts-{job.name}"), newest=settings.keep_rollouts, code=job.key,
            inputs={"base": artefact.read(job.base).id}, settings={"policy": job.name, "of": job.key},
        )  # fmt: skip


def engine_of(model: Transformer, tokenizer: Tokenizer, settings: GrpoSettings) -> Engine:
    """The engine that samples: its cache holds the answers of a piece, or one that is very long."""
    rows, each = piece_of(model, settings), settings.max_new_tokens + PROMPT + (TOLD if settings.max_turns > 1 else 0)
    tokens = max(rows * each, min(model.config.max_position_embeddings, 4 * each))
    return Engine(model, tokenizer, max_sequences=rows, cache_tokens=tokens)


class Asked:
    """The questions of a stage by number: its tasks in turn; of a task named twice, twice as many.

    With `settings.curriculum` each task's level is drawn by what was measured, of the levels that are written
    (`chain@1-6`), or else of the task's usual ones.
    """

    def __init__(self, tokenizer: Tokenizer, settings: GrpoSettings, seed: int) -> None:
        self.tokenizer, self.settings, self.seed = tokenizer, settings, seed
        self.tasks = {name: get_task(name) for name in settings.tasks}
        levels = {name: task.usual for name, task in self.tasks.items()}
        self.curriculum = Curriculum(levels, seed) if settings.curriculum else None
        self._callers: dict[tuple[str, ...], Caller] = {}
        firsts = {name: task.problem("train", seed, 0) for name, task in self.tasks.items()}
        self.unheard = check_turns("grpo", settings.max_turns, firsts)

    def __call__(self, start: int, count: int) -> list[Question]:
        """Questions number `start` and on."""
        return [self._question(i) for i in range(start, start + count)]

    def text(self, ids: Sequence[int]) -> str:
        """All that stands in an answer, control tokens too."""
        return str(self.tokenizer.backend.decode(list(ids), skip_special_tokens=False))

    def _question(self, number: int) -> Question:
        names = self.settings.tasks
        name = names[number % len(names)]
        task = self.tasks[name]
        if self.curriculum is not None:
            task = task.at(self.curriculum.level(name, number))
        problem = task.problem("train", self.seed, number)
        caller = self._caller(problem.tools) if problem.tools and self.settings.max_turns > 1 else None
        judge = Judge(self.tokenizer, problem, caller, bool(self.settings.language_reward))
        return Question(
            prompt_of(self.tokenizer, problem, tools=caller is not None), judge, name, problem.level,
            problem.tools if caller else (), problem.question, judge if caller else None, task.ability == SLOW,
        )  # fmt: skip

    def _caller(self, names: tuple[str, ...]) -> Caller:
        if names not in self._callers:
            self._callers[names] = Caller(self.tokenizer, schemas(names), _run)
        return self._callers[names]


def _run(name: str, arguments: Mapping[str, Any]) -> str:
    return TOOLS[name].run(arguments)


@dataclass(frozen=True)
class Judge:
    """The verifier of one question's answers, in tokens. `caller`: how its tools are called, where it has some."""

    tokenizer: Tokenizer
    problem: Problem
    caller: Caller | None
    language: bool  # whether the share of the question's language is wanted

    @cached_property
    def _worked(self) -> list[str]:
        return worked_steps(self.tokenizer, self.problem)

    def __call__(self, ids: list[int], stopped: bool) -> Verdict:
        """Judge an answer of one turn."""
        thought, reply = self.tokenizer.parse(ids)
        found = score(self.problem, thought, reply, stopped=stopped)
        steps = judged_steps(self.tokenizer, self._worked, ids, found.correct)
        return self._verdict(found, len(ids), thought, reply, steps)

    def respond(self, turn: Sequence[int]) -> Reply | None:
        """What tools say to a turn that calls them (see Dialogue)."""
        assert self.caller is not None
        return self.caller.respond(turn)

    def judge(self, turns: Sequence[Sequence[int]], stopped: bool) -> Verdict:
        """Judge the last turn's reply, after the thoughts of all turns (see Dialogue)."""
        assert self.caller is not None
        said = [self.caller.calls(turn) for turn in turns]
        thoughts = [thought for thought, _, _ in said if thought is not None]
        thought, reply = "\n".join(thoughts) if thoughts else None, said[-1][1]
        found = score(self.problem, thought, reply, stopped=stopped)
        return self._verdict(found, sum(map(len, turns)), thought, reply, ())

    def _verdict(
        self, found: Score, length: int, thought: str | None, reply: str, steps: tuple[tuple[int, bool], ...]
    ) -> Verdict:
        problem, language = self.problem, 1.0
        if self.language:
            language = share_of(f"{thought or ''}\n{reply}", problem.language, problem.question)
        return Verdict(
            length, found.correct, found.well_formed, steps, earned=found.reward, reason=found.reason, trick=found.trick,
            language=language, thought=thought, reply=reply,
        )  # fmt: skip
