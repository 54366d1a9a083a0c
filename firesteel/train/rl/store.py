"""Answers on the disk as soon as they are sampled and judged: what has been paid for is not paid for twice.

work/rollouts/step-000012/0-00096.jsonl          round 0, questions from place 96 on: what they are, then a line an answer
work/rollouts/step-000012/0-00096.routing.jsonl  the experts of each answer, where they are replayed
work/samples/step-000020.jsonl                   a few answers for people to read

A piece is good again when the same policy would be asked the same questions in the same way (`key`). So a stage that was
killed and goes on from a checkpoint finds the answers of all steps since, and goes on sampling where it was.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from firesteel.core.artefact import write_text
from firesteel.train.rl.sampled import Group, Question, Sampled, Verdict

Text = Callable[[Sequence[int]], str]
Line = dict[str, Any]


class Store:
    """The answers of a stage's steps, in a folder that belongs to the stage's key.

    `text`: ids -> what stands there, for people. `kept`: newest steps whose answers stay; `replayed`: those that may have
    to be learnt again, whose experts stay too. 0 = all of them.
    """

    def __init__(self, work: Path, text: Text, *, kept: int = 0, replayed: int = 0) -> None:
        self.folder, self.samples, self.text = work / "rollouts", work / "samples", text
        self.kept, self.replayed = max(kept, replayed) if kept else 0, replayed

    def begin(self, step: int, policy: str) -> None:
        """Forget what another policy has said at this step: it was sampled on a way that is not gone again."""
        for file in self._step(step).glob("*.jsonl"):
            if not file.name.endswith(".routing.jsonl") and _head(file).get("policy", policy) != policy:
                shutil.rmtree(self._step(step))
                break
        self._step(step).mkdir(parents=True, exist_ok=True)

    def load(self, step: int, name: str, key: str, questions: Sequence[Question]) -> list[Sampled] | None:
        """The answers to these questions, one each, if they are there; a damaged file counts for none, and is written anew."""
        file = self._file(step, name)
        if not file.is_file() or _head(file).get("key") != key:
            return None
        try:
            head, *lines = _lines(file)
            routing: list[Tensor | None] = [None] * len(lines)
            if head["routing"]:
                routing = [_experts(line) for line in _lines(_routing_file(file))]
            return [_answer(*each) for each in zip(questions, lines, routing, strict=True)]
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def save(self, step: int, name: str, head: Line, answers: Sequence[Sampled], rewards: Sequence[float]) -> None:
        """Write a piece; it is there whole or not at all. `head` tells its `key` and its `policy`. Raises MachineError."""
        file = self._file(step, name)
        routing = [a.routing for a in answers if a.routing is not None]
        if routing:  # first: a piece whose own file is there is complete
            write_text(_routing_file(file), _text(_packed(experts) for experts in routing))
        lines = (self._line(*each) for each in zip(answers, rewards, strict=True))
        write_text(file, _text([head | {"step": step + 1, "routing": bool(routing)}, *lines]))

    def end(self, step: int, shown: Sequence[tuple[Sampled, float]]) -> None:
        """After a step: put some answers up for people, and let go of what is too old."""
        if shown:
            self.samples.mkdir(parents=True, exist_ok=True)
            lines = (_shown(step, self._line(*each)) for each in shown)
            write_text(self.samples / f"{self._step(step).name}.jsonl", _text(lines))
        if self.kept and (old := self._step(step - self.kept)).is_dir():
            shutil.rmtree(old)
        if self.replayed:
            for file in self._step(step - self.replayed).glob("*.routing.jsonl"):
                file.unlink()

    def records(self) -> Iterator[Line]:
        """Every answer that is there, in order, with its step, its policy and its place in its group; no damaged file's."""
        for folder in sorted(self.folder.glob("step-*")):
            for file in sorted(folder.glob("*.jsonl")):
                if file.name.endswith(".routing.jsonl"):
                    continue
                try:
                    head, *lines = _lines(file)
                    told = {name: head[name] for name in ("step", "round", "policy")}
                except (ValueError, LookupError, TypeError):
                    continue
                for number, line in enumerate(lines):
                    yield told | {"group": head["first"] + number // head["group_size"]} | line

    def shown(self) -> Iterator[Line]:
        """The answers for people, in the order of their steps."""
        for file in sorted(self.samples.glob("step-*.jsonl")):
            yield from _lines(file)

    def _step(self, step: int) -> Path:
        return self.folder / f"step-{step + 1:06d}"

    def _file(self, step: int, name: str) -> Path:
        return self._step(step) / f"{name}.jsonl"

    def _line(self, answer: Sampled, reward: float) -> Line:
        question = answer.question
        return {
            "task": question.task, "level": question.level, "question": question.text, "prompt": question.prompt,
            "ids": answer.ids, "logprobs": answer.logprobs, "said": [int(own) for own in answer.said],
            "stopped": answer.stopped, "called": answer.called, "text": self.text(answer.ids), "reward": reward,
            "verdict": asdict(answer.verdict),
        }  # fmt: skip


def shown(groups: Sequence[Group], count: int) -> list[Sampled]:
    """Up to `count` answers from all over a step; a right one and a wrong one by turns, where there are both."""
    count = min(count, len(groups))
    borders = [len(groups) * i // max(count, 1) for i in range(count + 1)]
    some = [
        groups[a + i % (b - a)] for i, (a, b) in enumerate(pairwise(borders))
    ]  # not a stride: tasks come by turns, too
    return [next((a for a in group if a.verdict.correct == (i % 2 == 0)), group[0]) for i, group in enumerate(some)]


def _shown(step: int, line: Line) -> Line:
    """What people want to read of an answer."""
    verdict = line["verdict"]
    told = {name: verdict[name] for name in ("thought", "reply", "reason", "correct", "trick")}
    kept = ("task", "level", "question", "reward", "stopped", "called", "text")
    return {"step": step + 1} | {name: line[name] for name in kept} | {"tokens": len(line["ids"])} | told


def _answer(question: Question, line: Line, routing: Tensor | None) -> Sampled:
    verdict = line["verdict"]
    steps = tuple((int(end), bool(right)) for end, right in verdict["steps"])
    return Sampled(
        question, line["ids"], line["logprobs"], line["stopped"], Verdict(**verdict | {"steps": steps}),
        [bool(own) for own in line["said"]], routing, tuple(line["called"]),
    )  # fmt: skip


def _packed(experts: Tensor) -> Line:
    values = experts.to(torch.int16).numpy().astype("<i2")
    return {"shape": values.shape, "int16": base64.b64encode(values.tobytes()).decode()}


def _experts(line: Line) -> Tensor:
    values = np.frombuffer(base64.b64decode(line["int16"]), "<i2").reshape(line["shape"])
    return torch.from_numpy(values.astype(np.int16))


def _routing_file(file: Path) -> Path:
    return file.with_name(f"{file.stem}.routing.jsonl")


def _head(file: Path) -> Line:
    """The first line; nothing of a file that is damaged there."""
    try:
        with file.open(encoding="utf-8") as f:
            head = json.loads(f.readline())
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}


def _lines(file: Path) -> list[Line]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def _text(lines: Iterable[Line]) -> str:
    return "".join(json_line(line) for line in lines)


def json_line(line: Line) -> str:
    """A line of JSON; text that UTF-8 cannot hold (lone surrogates in what a tool said) is escaped."""
    text = json.dumps(line, ensure_ascii=False)
    return (text if text.isascii() or _sound(text) else json.dumps(line)) + "\n"


def _sound(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
