"""Distillation on sequences (Kim & Rush 2016, §3.2): the teacher writes answers, once, and the student learns them as its own.

The answers are text, so the teacher may have another vocabulary. Which ones are kept is the verifier's word, as in rejection
sampling (DeepSeek-R1 §2.3.3).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firesteel.core.artefact import write_text
from firesteel.core.config import DistilSettings
from firesteel.core.errors import SourceError
from firesteel.core.sampler import Completion, Sampler
from firesteel.core.tokenizer import Message
from firesteel.train.batch import Share
from firesteel.train.pieces import Barrier, alone, make_once

PIECE = 128  # questions a file


@dataclass(frozen=True)
class Exercise:
    """A question for the teacher: the prompt in its tokens, and how to read what it answers.

    `read`: ids -> (the whole conversation, whether the answer is right); no conversation if there is no answer in it.
    """

    prompt: list[int]
    read: Callable[[list[int]], tuple[list[Message], bool]]


class Answers:
    """Kept conversations as an endless stream (train.sft.Conversations). `counts`: right, wrong and unfinished answers."""

    def __init__(self, lines: Sequence[str], counts: Counter[str]) -> None:
        self._lines, self.counts = lines, counts

    def __len__(self) -> int:
        return len(self._lines)

    def __call__(self, number: int) -> list[Message]:
        """The conversation that has this number, counted around."""
        messages: list[Message] = json.loads(self._lines[number % len(self._lines)])["messages"]
        return messages


def write_answers(
    sampler: Sampler, exercises: Callable[[int, int], Sequence[Exercise]], folder: Path, settings: DistilSettings, *,
    max_new_tokens: int, stop_ids: tuple[int, ...], seed: int, share: Share | None = None, barrier: Barrier = alone,
) -> Answers:  # fmt: skip
    """The teacher's answers to `settings.answers` exercises, from `folder` as far as they are there, else from `sampler`.

    `exercises`: (first number, how many) -> exercises. Answers that did not end by themselves are not learnt, wrong ones
    only with `keep_wrong`. Raises SourceError if none is left. `folder` belongs to these settings, seed and teacher.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"answers-{i:05d}.jsonl" for i in range(-(-settings.answers // PIECE))]

    def make(number: int, write: bool) -> None:
        if not write:
            return
        first = number * PIECE
        asked = exercises(first, min(PIECE, settings.answers - first))
        done = sampler.sample(
            [e.prompt for e in asked], max_new_tokens=max_new_tokens, temperature=settings.temperature,
            seed=seed * 1_000_003 + number, stop_ids=stop_ids,
        )  # fmt: skip
        write_text(files[number], "".join(_line(*each) for each in zip(asked, done, strict=True)))

    make_once(files, make, share=share, barrier=barrier)
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n") if line]
    verdicts = [json.loads(line)["verdict"] for line in lines]
    wanted = ("right", "wrong") if settings.keep_wrong else ("right",)
    kept = [line for line, verdict in zip(lines, verdicts, strict=True) if verdict in wanted]
    counts = Counter(verdicts)
    if not kept:
        raise SourceError(
            "the teacher gave no answer to learn from", value=", ".join(f"{n} {what}" for what, n in counts.items()),
            hint="take another teacher or other tasks, raise distil.max_tokens, or set distil.keep_wrong",
        )  # fmt: skip
    return Answers(kept, counts)


def _line(exercise: Exercise, done: Completion) -> str:
    """One answer as a line of JSON: {"messages", "verdict"}."""
    messages, right = exercise.read(done.ids)
    finished = done.finish_reason == "stop" and messages
    verdict = ("right" if right else "wrong") if finished else "unfinished"
    return json.dumps({"messages": messages, "verdict": verdict}, ensure_ascii=False) + "\n"
