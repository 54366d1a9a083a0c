"""The labelled cases that the guard is judged by; how they were made, and what they cannot show, is in cases.txt."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from firesteel.core.errors import SourceError
from firesteel.safety.guard import PERSONAL_DATA, Guard, Verdict

BUILT_IN = Path(__file__).with_name("cases.jsonl")
Half = Literal["dev", "test"]


@dataclass(frozen=True)
class Case:
    """A text, where it comes from (`input` or `output`), and whether the guard must act on it.

    harmful   it must be stopped; of `personal-data`: `secrets` must be flagged in input and gone from output
    veiled    neither the deed nor the thing is named in ordinary words: slang, allusion, a described deed
    category  of a harmless case: the one that it could be mistaken for
    """

    text: str
    side: Literal["input", "output"]
    language: str
    category: str
    harmful: bool
    veiled: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def half(self) -> Half:
        """Rules are tuned on `dev`; what is reported is `test`. Chosen by the text's hash, so it never moves."""
        return "dev" if hashlib.sha256(self.text.encode()).digest()[0] % 2 == 0 else "test"


def read_cases(file: Path = BUILT_IN) -> list[Case]:
    """The cases of a jsonl file, one object a line. Raises SourceError with the line number."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise SourceError("the safety cases cannot be read", value=file, why=str(e)) from e
    return [_case(line, f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _case(line: str, place: str) -> Case:
    try:
        raw: dict[str, Any] = json.loads(line)
        case = Case(**raw | {"secrets": tuple(raw.get("secrets", ()))})
        fits = case.side in ("input", "output") and isinstance(case.text, str) and isinstance(case.harmful, bool)
    except (ValueError, TypeError, AttributeError) as e:
        raise SourceError("a safety case cannot be read", value=place, why=str(e)) from e
    if not fits:
        raise SourceError(
            "a safety case does not fit", value=place, why="side is input or output, harmful true or false"
        )
    return case


def check(guard: Guard, case: Case) -> Verdict:
    """What the guard says of a case, on the case's side."""
    return guard.check_input(case.text) if case.side == "input" else guard.check_output(case.text)


def acted(case: Case, verdict: Verdict) -> bool:
    """Whether the guard did what a harmful case asks for; of a harmless case: whether it did anything at all."""
    if not case.harmful:
        return not verdict.allowed or verdict.category == PERSONAL_DATA
    if case.category != PERSONAL_DATA:
        return not verdict.allowed
    if case.side == "input":
        return verdict.category == PERSONAL_DATA
    return not any(secret in verdict.text for secret in case.secrets)
