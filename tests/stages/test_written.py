"""Which answers are worth learning: right ones, tidy, in one language, without tricks; each other kind has its name."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import Tokenizer
from firesteel.data.instructions import Conversation, read_instructions
from firesteel.stages import written
from firesteel.stages.stage import Job
from firesteel.tasks.task import Problem
from firesteel.train.answers import RIGHT, UNFINISHED, Written

PROBLEM = Problem("How many pens are in 3 boxes of 4?", 12, "3*4=12", "The answer is 12.", "en")


class Said:
    """A tokenizer whose ids are the place of a reply in a list."""

    def __init__(self, *replies: tuple[str | None, str]) -> None:
        self.replies = replies

    def prompt(self, messages: list[dict[str, Any]]) -> list[int]:
        return [0]

    def parse(self, ids: list[int]) -> tuple[str | None, str]:
        return self.replies[ids[0]]


@pytest.mark.parametrize(
    ("thought", "reply", "verdict"),
    [
        ("3*4=12", "The answer is 12.", RIGHT), ("3*4=13", "The answer is 13.", "wrong"), (None, "The answer is 12.", "trick"),
        ("三乘四等于十二，3*4=12", "The answer is 12.", "mixed languages"),
        ("3*4=12", "The answer is 12." + " So many pens in so many boxes!" * 4, "untidy"), ("3*4=12", " ", "wrong"),
    ],
)  # fmt: skip
def test_an_answer_has_its_verdict(thought: str | None, reply: str, verdict: str) -> None:
    exercise = written._exercise(cast(Tokenizer, Said((thought, reply))), "boxes", PROBLEM)
    messages, found = exercise.read([0])
    assert found == verdict and exercise.task == "boxes"
    assert not messages if reply == " " else messages[-1].get("reasoning_content") == thought


def job(folder: Path, said: list[str]) -> Job:
    run = SimpleNamespace(log=SimpleNamespace(say=said.append), mesh=SimpleNamespace(first=True))
    return cast(Job, SimpleNamespace(draft=SimpleNamespace(path=folder, stats={}), run=run))


def test_what_is_kept_is_told_and_lies_in_the_models_folder(tmp_path: Path) -> None:
    kept = Written(
        [*PROBLEM.prompt(), {"role": "assistant", "reasoning_content": "3*4=12", "content": "12"}], RIGHT, "boxes", 9
    )
    every = [kept, Written([], UNFINISHED, "boxes", 9), Written([], "wrong", "sums", 9)]
    said: list[str] = []
    own = job(tmp_path, said)
    stream = written.learnt(own, every, [kept], whose="grpo", hint="")
    assert stream(3) == kept.messages and "1 right" in said[0] and "1 kept" in said[0]
    table = own.draft.stats["answers"]
    assert table["boxes"] == {"asked": 2, "right": 1, "unfinished": 1, "kept": 1, "pass_rate": 0.5}
    assert table["sums"]["pass_rate"] == 0 and table["all"]["kept"] == 1 and json.dumps(table)
    (found,) = read_instructions([str(tmp_path / written.KEPT)])
    assert isinstance(found, Conversation) and found.messages[-1]["reasoning_content"] == "3*4=12"


def test_nothing_to_keep_is_an_error_with_the_counts(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"(?s)grpo gave no answer to learn from.*1 wrong.*ask more"):
        written.learnt(job(tmp_path, []), [Written([], "wrong", "a", 1)], [], whose="grpo", hint="ask more")
