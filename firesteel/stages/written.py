"""What a model writes to the tasks' questions, judged and put down: distillation and rejection sampling learn from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import Message, Tokenizer
from firesteel.model.weights import load_model
from firesteel.serve.engine import Engine
from firesteel.stages.checks import check_one_turn
from firesteel.stages.stage import PROMPT, Job
from firesteel.tasks.judging.evaluate import judge
from firesteel.tasks.languages import share_of
from firesteel.tasks.table import get_task
from firesteel.tasks.task import Problem
from firesteel.train.answers import RIGHT, Answers, Exercise, Sampling, Written, by_task, write_answers
from firesteel.train.batch import Share

TOGETHER = 128  # answers that are written at a time
WRONG, TRICK, UNTIDY, MIXED = "wrong", "trick", "untidy", "mixed languages"  # verdicts between right and unfinished
FINISHED = (RIGHT, WRONG, TRICK, UNTIDY, MIXED)
ONE_LANGUAGE = 0.9  # share of an answer's words in the question's language, below which it mixes languages
KEPT = "conversations.jsonl"  # in the model's folder


def answers_of(job: Job, writer: Path, tasks: Sequence[str], sampling: Sampling, *, seed: int) -> list[Written]:
    """All that the model in folder `writer` answers to the tasks' training questions; kept in the stage's work folder."""
    tokenizer, mesh = Tokenizer.load(writer), job.run.mesh
    engine = Engine(
        load_model(writer, device=job.run.device), tokenizer, max_sequences=TOGETHER,
        cache_tokens=TOGETHER * (sampling.max_new_tokens + PROMPT),
    )  # fmt: skip

    asked = {name: get_task(name) for name in tasks}

    def exercises(start: int, count: int) -> list[Exercise]:
        each = ((i, tasks[i % len(tasks)]) for i in range(start, start + count))
        return [_exercise(tokenizer, name, asked[name].problem("train", seed, i)) for i, name in each]

    return write_answers(
        engine, exercises, job.work / "answers", sampling, stop_ids=tokenizer.stop_ids, seed=job.recipe.seed,
        share=Share(mesh.index("data"), mesh.count("data")), barrier=mesh.barrier,
    )  # fmt: skip


def _exercise(tokenizer: Tokenizer, task: str, problem: Problem) -> Exercise:
    check_one_turn({task: problem})

    def read(ids: list[int]) -> tuple[list[Message], str]:
        reasoning, reply = tokenizer.parse(ids)
        if not reply.strip():
            return [], WRONG
        said = {"role": "assistant", "content": reply} | ({"reasoning_content": reasoning} if reasoning else {})
        found = judge(tokenizer, problem, ids, True)
        if not found.correct:
            verdict = TRICK if found.trick else WRONG
        elif problem.reply and not found.well_formed:
            verdict = UNTIDY  # an answer with something else around it; how long one may be, the worked one tells
        elif share_of(f"{reasoning or ''}\n{reply}", problem.language, problem.question) < ONE_LANGUAGE:
            verdict = MIXED
        else:
            verdict = RIGHT
        return [*problem.prompt(), said], verdict

    return Exercise(tokenizer.prompt(problem.prompt()), read, task)


def learnt(job: Job, written: Sequence[Written], kept: Sequence[Written], *, whose: str, hint: str) -> Answers:
    """The kept answers as a stream; how many there are is told, and they lie in the model's folder, readable by sft.sources.

    Beside the model and not in a place of their own: they are what made it, and go where it goes. Raises SourceError if
    nothing was kept.
    """
    counts = Counter(one.verdict for one in written)
    facts = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    if not kept:
        raise SourceError(f"{whose} gave no answer to learn from", value=facts, hint=hint)
    job.draft.stats["answers"] = {"all": dict(counts) | {"kept": len(kept)}} | by_task(written, kept)
    job.run.log.say(f"  answers of {whose}: {facts}; {len(kept)} kept")
    if job.run.mesh.first:
        lines = (json.dumps({"messages": one.messages}, ensure_ascii=False) + "\n" for one in kept)
        (job.draft.path / KEPT).write_text("".join(lines), encoding="utf-8")
    return Answers(kept)
