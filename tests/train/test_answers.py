"""Answers that a teacher writes: judged, kept as text, in pieces that outlive an interruption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.errors import MachineError
from firesteel.core.tokenizer import Message
from firesteel.train import answers
from firesteel.train.answers import (
    RIGHT,
    UNFINISHED,
    Answers,
    Exercise,
    Sampling,
    Written,
    by_task,
    chosen,
    write_answers,
)
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
    def read(ids: list[int]) -> tuple[list[Message], str]:
        said = {"role": "assistant", "content": f"{ids[0]}\u2028次"}  # a line separator is text, and ends no line
        messages = [] if ids[0] == 7 else [{"role": "user", "content": "?"}, said]
        return messages, "wrong" if ids[0] % 2 else RIGHT

    return [Exercise([n], read, "odd" if n % 2 else "even") for n in range(first, first + count)]


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PIECE", 4)


def answered(teacher: Teacher, folder: Path, **changes: Any) -> list[Written]:
    sampling = Sampling(10, 9, temperature=0.7, **changes.pop("sampling", {}))
    return write_answers(teacher, exercises, folder, sampling, stop_ids=(2,), seed=3, **changes)


def numbers(found: list[Written]) -> list[int]:
    return [int(one.messages[-1]["content"].split("\u2028")[0]) for one in found]


def right(found: list[Written]) -> list[int]:
    return numbers(chosen(found, (RIGHT,)))


def test_answers_are_judged_and_told_apart(tmp_path: Path) -> None:
    teacher = Teacher()
    found = answered(teacher, tmp_path)
    assert right(found) == [2, 4, 6, 8] and numbers(chosen(found, (RIGHT, "wrong"))) == [1, 2, 3, 4, 6, 8, 9]
    assert [one.verdict for one in found].count(UNFINISHED) == 3 and len(found) == 10
    assert found[2].messages == [{"role": "user", "content": "?"}, {"role": "assistant", "content": "2\u2028次"}]
    assert [len(c["prompts"]) for c in teacher.calls] == [4, 4, 2] and len({c["seed"] for c in teacher.calls}) == 3
    assert all((c["max_new_tokens"], c["temperature"], c["stop_ids"]) == (9, 0.7, (2,)) for c in teacher.calls)


def test_kept_answers_are_an_endless_stream(tmp_path: Path) -> None:
    stream = Answers(chosen(answered(Teacher(), tmp_path), (RIGHT,)))
    assert len(stream) == 4 and stream(5) == stream(1) != stream(2)


def test_a_question_is_answered_several_times_in_pieces_of_whole_questions(tmp_path: Path) -> None:
    teacher = Teacher()
    found = answered(teacher, tmp_path, sampling={"samples": 3})
    assert [len(c["prompts"]) for c in teacher.calls] == [3] * 10 and teacher.calls[4]["prompts"] == [[4]] * 3
    assert len(found) == 30 and right(found) == [2, 4, 6, 8]  # equal answers teach no more than one


def some(question: str, answer: str, length: int, verdict: str = RIGHT) -> Written:
    return Written(
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], verdict, "t", length
    )


def test_of_each_question_so_many_are_kept_by_length_or_by_seed() -> None:
    several = [some("a", str(i), 10 - i) for i in range(8)] + [
        some("b", "x", 3),
        some("b", "y", 2, "wrong"),
        some("a", "0", 1),
    ]
    kept = chosen(several, (RIGHT,), at_most=2, shortest=True)
    assert [one.length for one in kept] == [3, 4, 3]
    drawn = [[one.length for one in chosen(several, (RIGHT,), at_most=2, seed=seed)] for seed in range(6)]
    assert all(len(one) == 3 for one in drawn) and len({tuple(one) for one in drawn}) > 1
    assert drawn[0] == [one.length for one in chosen(several, (RIGHT,), at_most=2, seed=0)]


def test_each_task_has_its_counts_and_its_pass_rate(tmp_path: Path) -> None:
    found = answered(Teacher(), tmp_path)
    tables = by_task(found, chosen(found, (RIGHT,), at_most=3))
    assert tables["even"] == {"asked": 5, "unfinished": 1, "right": 4, "kept": 3, "pass_rate": 0.8}
    assert tables["odd"] == {"asked": 5, "wrong": 3, "unfinished": 2, "kept": 0, "pass_rate": 0.0}


def test_a_stopped_teacher_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        answered(Teacher(stop_at=2), tmp_path / "a")
    assert [f.name for f in (tmp_path / "a").iterdir()] == ["answers-00000.jsonl"]
    rest, done, whole = Teacher(), Teacher(), Teacher()
    found = answered(rest, tmp_path / "a")
    assert len(rest.calls) == 2 and right(found) == right(answered(whole, tmp_path / "b"))
    assert rest.calls == whole.calls[1:]  # the same questions with the same seeds
    answered(done, tmp_path / "a")
    assert not done.calls


def test_processes_share_the_questions(tmp_path: Path) -> None:
    teachers = [Teacher(), Teacher()]
    with pytest.raises(MachineError, match="share a disk"):
        answered(teachers[0], tmp_path, share=Share(0, 2))  # alone it waits for nobody, and misses the other's piece
    found = answered(teachers[1], tmp_path, share=Share(0, 1))
    assert [len(t.calls) for t in teachers] == [2, 1] and right(found) == [2, 4, 6, 8]
    with pytest.raises(MachineError):
        answered(other := Teacher(), tmp_path / "other", share=Share(1, 2))
    assert len(other.calls) == 1  # nothing is left for it in the second round, and nothing is sampled
