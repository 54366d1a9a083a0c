"""Answers that a teacher writes: judged, kept as text, in pieces that outlive an interruption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.config import DistilSettings
from firesteel.core.errors import MachineError, SourceError
from firesteel.core.tokenizer import Message
from firesteel.train import answers
from firesteel.train.answers import Answers, Exercise, write_answers
from firesteel.train.batch import Share


@dataclass
class Done:
    ids: list[int]
    logprobs: list[float]
    finish_reason: str


class Teacher:
    """Answers number n (the prompt's token) with n: right if n is even, without an end if n divides by 5, empty at 7."""

    def __init__(self, stop_at: int = 10**9) -> None:
        self.calls: list[dict[str, Any]] = []
        self.stop_at = stop_at

    def sample(self, prompts: list[list[int]], **given: Any) -> list[Done]:
        self.calls.append(given | {"prompts": prompts})
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        return [Done([p[0]], [0.0], "length" if p[0] % 5 == 0 else "stop") for p in prompts]


def exercises(first: int, count: int) -> list[Exercise]:
    def read(ids: list[int]) -> tuple[list[Message], bool]:
        said = {"role": "assistant", "content": f"{ids[0]}\u2028次"}  # a line separator is text, and ends no line
        return ([] if ids[0] == 7 else [{"role": "user", "content": "?"}, said]), ids[0] % 2 == 0

    return [Exercise([n], read) for n in range(first, first + count)]


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PIECE", 4)


def written(teacher: Teacher, folder: Path, **changes: Any) -> Answers:
    settings = DistilSettings(kind="sequences", answers=10, temperature=0.7, **changes.pop("settings", {}))
    return write_answers(
        teacher, exercises, folder, settings, max_new_tokens=9, stop_ids=(2,), seed=3, **changes
    )  # fmt: skip


def numbers(found: Answers) -> list[int]:
    return [int(found(i)[-1]["content"].split("\u2028")[0]) for i in range(len(found))]


def test_right_answers_are_kept_and_the_others_counted(tmp_path: Path) -> None:
    teacher = Teacher()
    found = written(teacher, tmp_path)
    assert numbers(found) == [2, 4, 6, 8] and found(5) == found(1)
    assert found.counts == {"right": 4, "wrong": 3, "unfinished": 3}
    assert found(0) == [{"role": "user", "content": "?"}, {"role": "assistant", "content": "2\u2028次"}]
    assert [len(c["prompts"]) for c in teacher.calls] == [4, 4, 2] and len({c["seed"] for c in teacher.calls}) == 3
    assert all((c["max_new_tokens"], c["temperature"], c["stop_ids"]) == (9, 0.7, (2,)) for c in teacher.calls)


def test_wrong_answers_are_learnt_when_asked_for_but_never_unfinished_ones(tmp_path: Path) -> None:
    assert numbers(written(Teacher(), tmp_path, settings={"keep_wrong": True})) == [1, 2, 3, 4, 6, 8, 9]


def test_a_stopped_teacher_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        written(Teacher(stop_at=2), tmp_path / "a")
    assert [f.name for f in (tmp_path / "a").iterdir()] == ["answers-00000.jsonl"]
    rest, done, whole = Teacher(), Teacher(), Teacher()
    found = written(rest, tmp_path / "a")
    assert len(rest.calls) == 2 and numbers(found) == numbers(written(whole, tmp_path / "b"))
    assert rest.calls == whole.calls[1:]  # the same questions with the same seeds
    written(done, tmp_path / "a")
    assert not done.calls


def test_processes_share_the_questions(tmp_path: Path) -> None:
    teachers = [Teacher(), Teacher()]
    with pytest.raises(MachineError, match="share a disk"):
        written(teachers[0], tmp_path, share=Share(0, 2))  # alone it waits for nobody, and misses the other's piece
    found = written(teachers[1], tmp_path, share=Share(0, 1))
    assert [len(t.calls) for t in teachers] == [2, 1] and numbers(found) == [2, 4, 6, 8]
    with pytest.raises(MachineError):
        written(other := Teacher(), tmp_path / "other", share=Share(1, 2))
    assert len(other.calls) == 1  # nothing is left for it in the second round, and nothing is sampled


def test_a_teacher_without_a_right_answer_is_an_error(tmp_path: Path) -> None:
    def wrong(first: int, count: int) -> list[Exercise]:
        return [Exercise(e.prompt, lambda ids, read=e.read: (read(ids)[0], False)) for e in exercises(first, count)]  # type: ignore[misc]

    with pytest.raises(SourceError, match=r"7 wrong.*\n.*keep_wrong"):
        write_answers(
            Teacher(), wrong, tmp_path, DistilSettings(answers=10), max_new_tokens=9, stop_ids=(2,), seed=3
        )  # fmt: skip
