"""A file of questions as a task: `--task exam.jsonl`, a question and its answer a line. They are for judging alone.

    {"question": "How many legs has a spider?", "answer": 8, "language": "en"}
    {"question": "哪个更重？", "answer": "铁", "choices": ["铁", "棉花"]}
    {"question": "Who wrote Hamlet?", "answer": ["Shakespeare", "William Shakespeare"]}

An answer that is a number is compared by value, a text by its letters, of several any one is right. `choices` are shown
with the question unless it names them; the answer is one of them, or its place: "B", or 1 counted from 0.
"""

from __future__ import annotations

import json
import math
import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firesteel.core.errors import RecipeError, SourceError
from firesteel.tasks.answers import Found, compared, exact, letters
from firesteel.tasks.task import Draw, Problem, Split, Task

KNOWN = ("question", "answer", "choices", "language", "level", "system")
CHOOSE = {"zh": "请从中选择：{}。", "": "Choose one: {}."}
LETTERS = tuple(string.ascii_uppercase)  # places of choices
NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,15})(?:\.\d{1,9})?")


def _undrawn(draw: Draw) -> Problem:
    raise AssertionError("questions of a file are not drawn")


@dataclass(frozen=True)
class Written(Task):
    """A task whose questions are all written down. All are test questions: none may be trained on."""

    rows: Callable[[], Sequence[Problem]] = tuple  # read when they are asked for

    def problem(self, split: Split, seed: int, index: int) -> Problem:
        """Question number `index` in the seed's order, over and over. Raises RecipeError where they are to be trained on."""
        if split != "test":
            hint = "train on a task of its own (my_tasks.py:name), or on worked conversations with sft.sources"
            raise RecipeError("these questions are for judging alone", value=self.name, hint=hint)
        found = self._ordered(seed)
        return found[index % len(found)]

    def distinct(self, split: Split, seed: int, count: int) -> list[Problem]:
        """The first `count` questions in the seed's order, or all there are."""
        self.problem(split, seed, 0)
        return self._ordered(seed)[:count]

    def _ordered(self, seed: int) -> list[Problem]:
        rows = [row for row in self.rows() if not row.language or row.language in self.languages]
        random.Random(f"{self.name}/{seed}").shuffle(rows)
        return rows


def load(file: str) -> Task:
    """The task of a JSONL file. Raises SourceError with the line that is wrong."""
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        hint = "one JSON object a line, in UTF-8"
        raise SourceError("no questions to read", value=path, why=str(e), hint=hint) from e
    rows: dict[str, Problem] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row = problem_of(line, f"{path}, line {number}")
            if (same := rows.setdefault(row.question, row)).answer != row.answer:
                hint = 'where several are right: {"question": ..., "answer": ["one", "other"]}'
                why = f"{same.answer!r} above, {row.answer!r} here"
                raise SourceError("one question, two answers", value=f"{path}, line {number}", why=why, hint=hint)
    if not rows:
        raise SourceError("no questions in the file", value=path, hint='{"question": ..., "answer": ...} a line')
    found = tuple(rows.values())
    languages = tuple(sorted({row.language for row in found if row.language}))
    about = f"the questions of {path.name}"
    return Written(path.name, _undrawn, about, languages=languages, worked=False, source="own", rows=lambda: found)


def written(name: str, rows: Callable[[], Sequence[Problem]], **facts: Any) -> Written:
    """A task of questions that are read when they are asked for."""
    return Written(name, _undrawn, worked=False, rows=rows, **facts)


def problem_of(line: str, where: str) -> Problem:
    """The question of one line. Raises SourceError that names the line."""
    try:
        said = json.loads(line)
    except ValueError as e:
        raise SourceError("a line is not JSON", value=where, why=str(e)) from e
    why = _wrong(said)
    if why:
        raise SourceError("a line is not a question", value=where, why=why, hint="see: firesteel eval --help")
    question, answer, facts, verify = said["question"], _number(said["answer"]), {}, exact
    language = said.get("language", "")
    if choices := said.get("choices"):
        answer, facts["choices"] = _chosen(answer, choices), choices
        if not all(letters(each) in letters(question) for each in choices):
            question += "\n" + CHOOSE.get(language, CHOOSE[""]).format("; ".join(choices))
    elif isinstance(answer, list):
        facts["accepted"], answer, verify = answer, answer[0], accepted
    return Problem(
        question, answer, language=language, level=said.get("level", 1), verify=verify, facts=facts,
        system=said.get("system", ""),
    )  # fmt: skip


def accepted(problem: Problem, reply: str) -> Found:
    """Verifier: the reply is one of the texts of facts["accepted"]."""
    right = {letters(each) for each in problem.facts["accepted"]}
    return compared(problem, reply, lambda said: letters(said) in right)


def _number(answer: Any) -> Any:
    """A text that is written as a plain number, as that number."""
    if not isinstance(answer, str) or not NUMBER.fullmatch(answer):
        return answer
    return float(answer) if "." in answer else int(answer)


def _chosen(answer: Any, choices: list[str]) -> str:
    """The choice that an answer names, by its text, its letter, or its place from 0; assumes `_wrong` has looked."""
    texts = {letters(each): each for each in choices}
    if letters(str(answer)) in texts:
        return texts[letters(str(answer))]
    return choices[answer if isinstance(answer, int) else LETTERS.index(answer.strip().upper())]


def _wrong(said: Any) -> str:
    """Why an object is no question; nothing if it is one."""
    if not isinstance(said, dict):
        return "it is not an object"
    if unknown := sorted(set(said) - set(KNOWN)):
        return f"unknown key {unknown[0]!r}; known: {', '.join(KNOWN)}"
    if not isinstance(said.get("question"), str) or not said["question"].strip():
        return "it needs a question, a text"
    texts = all(isinstance(said.get(key, ""), str) for key in ("language", "system"))
    level = said.get("level", 1)
    if not texts or type(level) is not int or level < 1:
        return "language and system are texts, level is a whole number from 1"
    return _wrong_choices(said) if "choices" in said else _wrong_answer(said.get("answer"))


def _wrong_answer(answer: Any) -> str:
    plain = answer if isinstance(answer, list) else [answer]
    fits = plain and all(isinstance(a, str | int | float) and not isinstance(a, bool) and str(a).strip() for a in plain)
    if isinstance(answer, float) and not math.isfinite(answer):
        return "the answer is not a finite number"
    if isinstance(answer, list) and not all(isinstance(a, str) for a in answer):
        return "of several answers each is a text"
    return "" if fits else "it needs an answer: a text, a number, or a list of texts of which any is right"


def _wrong_choices(said: dict[str, Any]) -> str:
    choices, answer = said["choices"], said.get("answer")
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) and c.strip() for c in choices):
        return "choices are two or more texts"
    if len({letters(c) for c in choices}) < len(choices):
        return "two choices are the same"
    places = range(len(choices))
    if isinstance(answer, str | int | float) and letters(str(answer)) in {letters(c) for c in choices}:
        return ""
    if type(answer) is int and answer in places:
        return ""
    if isinstance(answer, str) and answer.strip().upper() in LETTERS[: len(choices)]:
        return ""
    return "the answer is none of the choices"
