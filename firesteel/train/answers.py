"""Answers that a model writes to be learnt from: a teacher's (Kim & Rush 2016, §3.2), or the best of a model's own (R1 §2.3.3).

The answers are text, so whoever writes them may have another vocabulary than who learns them. Which ones are kept is the
verifier's word.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from firesteel.core.artefact import write_text
from firesteel.core.sampler import Completion, Sampler
from firesteel.core.tokenizer import Message
from firesteel.train.batch import Share
from firesteel.train.pieces import Barrier, alone, make_once

PIECE = 128  # answers a file
RIGHT, UNFINISHED = (
    "right",
    "unfinished",
)  # verdicts; whoever reads an answer has names of its own for what lies between


@dataclass(frozen=True)
class Sampling:
    """How many answers are drawn, and how: `samples` to each of `questions`, of at most `max_new_tokens`."""

    questions: int
    max_new_tokens: int
    samples: int = 1
    temperature: float = 1.0


@dataclass(frozen=True)
class Exercise:
    """A question: the prompt in the writer's tokens, and how to read what it answers.

    `read`: ids -> (the whole conversation, verdict); no conversation if there is no answer in it.
    """

    prompt: list[int]
    read: Callable[[list[int]], tuple[list[Message], str]]
    task: str = ""


@dataclass(frozen=True)
class Written:
    """One answer: the whole conversation, the verdict on it, the task it belongs to, and its tokens."""

    messages: list[Message]
    verdict: str
    task: str
    length: int

    @property
    def question(self) -> str:
        """All that was said before the answer, as text to compare."""
        return json.dumps(self.messages[:-1], ensure_ascii=False)


class Answers:
    """Kept conversations as an endless stream (train.sft.Conversations)."""

    def __init__(self, kept: Sequence[Written]) -> None:
        assert kept, "nothing to learn from"
        self.kept = kept

    def __len__(self) -> int:
        return len(self.kept)

    def __call__(self, number: int) -> list[Message]:
        """The conversation that has this number, counted around."""
        return self.kept[number % len(self.kept)].messages


def write_answers(
    sampler: Sampler, exercises: Callable[[int, int], Sequence[Exercise]], folder: Path, sampling: Sampling, *,
    stop_ids: tuple[int, ...], seed: int, share: Share | None = None, barrier: Barrier = alone,
) -> list[Written]:  # fmt: skip
    """All answers to `sampling.questions` exercises, from `folder` as far as they are there, else from `sampler`.

    `exercises`: (first number, how many) -> exercises. Answers that did not end by themselves are UNFINISHED. `folder`
    belongs to this sampling, seed and writer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    together = max(1, PIECE // sampling.samples)  # questions a file
    files = [folder / f"answers-{i:05d}.jsonl" for i in range(-(-sampling.questions // together))]

    def make(number: int, write: bool) -> None:
        if not write:
            return
        first = number * together
        asked = exercises(first, min(together, sampling.questions - first))
        asked = [each for each in asked for _ in range(sampling.samples)]
        done = sampler.sample(
            [e.prompt for e in asked], max_new_tokens=sampling.max_new_tokens, temperature=sampling.temperature,
            seed=seed * 1_000_003 + number, stop_ids=stop_ids,
        )  # fmt: skip
        lines = [json.dumps(asdict(_read(*each)), ensure_ascii=False) for each in zip(asked, done, strict=True)]
        write_text(files[number], "\n".join(lines) + "\n")

    make_once(files, make, share=share, barrier=barrier)
    return [
        Written(**json.loads(line)) for file in files for line in file.read_text(encoding="utf-8").split("\n") if line
    ]


def _read(exercise: Exercise, done: Completion) -> Written:
    messages, verdict = exercise.read(done.ids)
    finished = done.finish_reason == "stop" and messages
    return Written(messages, verdict if finished else UNFINISHED, exercise.task, len(done.ids))


def chosen(
    written: Sequence[Written], verdicts: Collection[str], *, at_most: int = 0, shortest: bool = False, seed: int = 0
) -> list[Written]:
    """The answers with one of these verdicts, equal ones once, and of each question `at_most` (0 = all of them).

    Which ones is the seed's choice, or those of the fewest tokens (`shortest`).
    """
    by: dict[str, dict[str, Written]] = {}
    for one in written:
        if one.verdict in verdicts:
            by.setdefault(one.question, {}).setdefault(json.dumps(one.messages[-1]), one)
    kept: list[Written] = []
    for number, answers in enumerate(by.values()):
        found = list(answers.values())
        if shortest:
            found.sort(key=lambda one: one.length)
        elif at_most:
            random.Random(f"{seed}/{number}").shuffle(found)
        kept += found[: at_most or None]
    return kept


def by_task(written: Sequence[Written], kept: Sequence[Written]) -> dict[str, dict[str, float]]:
    """Task -> answers of each verdict, `asked` (all of them), `kept`, and `pass_rate`: the share that was right."""
    tables: dict[str, dict[str, float]] = {}
    for task in dict.fromkeys(one.task for one in written):
        own = Counter(one.verdict for one in written if one.task == task)
        asked = own.total()
        tables[task] = {"asked": asked, **own}
        tables[task] |= {"kept": sum(one.task == task for one in kept), "pass_rate": own[RIGHT] / asked}
    return tables
