"""Reading who is what: a reply that gives each of several people one value of each kind, `Anna: cat, tea; Ben: dog, milk`.

What a person is follows the person's name and ends at the next name. A reply that denies or doubts (not, or, 不, 可能)
claims nothing: `not a knave` must not earn what `a knave` would.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firesteel.tasks.answers import LONGEST, NOTHING, SEVERAL, TAGGED, Found, boxed, letters, named, plain, right, wrong
from firesteel.tasks.task import Problem

DOUBT = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|either|or|maybe|perhaps|possibly|unknown|unless|if)\b|n't|[不没非或]|可能|未知|如果|也许",
    re.I,
)
TOLD = re.compile(r"(?:answers?|solution)\s*(?:is|are|:)+|(?:答案|答|结果)\s*(?:是|为|:)+", re.I)
JOINED = re.compile(r"[\s,、&*]*(?:and|both|和|与|都)?[\s,、&*]*", re.I)  # between names that share what follows
Read = dict[str, tuple[str, ...]]  # person -> one value of each kind


def assignment(problem: Problem, reply: str) -> Found:
    """Verifier: the reply gives every person of `answer` (person -> values) just those, of the kinds in facts["kinds"]."""
    texts = claimed(reply)
    read = [_read(text, list(problem.answer), problem.facts["kinds"]) for text in texts]
    if not read or any(r is None for r in read):
        return NOTHING
    if any(r != read[0] for r in read):
        return SEVERAL
    said = texts[0].strip()[:200]
    wanted = {person: tuple(values) for person, values in problem.answer.items()}
    return right(said) if read[0] == wanted else wrong(said)


def one_of(problem: Problem, reply: str) -> Found:
    """Verifier: the reply names one of facts["choices"], the right one, and neither denies nor doubts it."""
    texts = claimed(reply)
    found = {name for text in texts for name in named(text, problem.facts["choices"])}
    if len(found) > 1:
        return SEVERAL
    if not found or any(DOUBT.search(plain(text)) for text in texts):
        return NOTHING
    name = found.pop()
    return right(name) if letters(name) == letters(str(problem.answer)) else wrong(name)


def claimed(reply: str) -> list[str]:
    """What a reply marks as its answer, to the end of the text; without a mark the whole reply."""
    reply = plain(reply[:LONGEST])
    for found in (TAGGED.findall(reply), boxed(reply)):
        if found:
            return [str(text) for text in found]
    told = TOLD.split(reply)
    return told[1:] or [reply]


def _read(text: str, people: Sequence[str], kinds: Sequence[Sequence[str]]) -> Read | None:
    """One value of each kind for every person, or None where one is missing, doubtful or said twice differently."""
    if DOUBT.search(text) or not people:
        return None
    pattern = "|".join(rf"(?<![A-Za-z]){re.escape(p)}(?![A-Za-z])" if p.isascii() else re.escape(p) for p in people)
    names = list(re.finditer(pattern, text))
    if not names:
        return None
    ends = [m.start() for m in names[1:]] + [len(text)]
    out: Read = {}
    shared: tuple[str, ...] | None = None
    for name, end in reversed(list(zip(names, ends, strict=True))):
        segment = text[name.end() : end]
        values = shared if JOINED.fullmatch(segment) else _values(segment, kinds)
        if values is None or out.setdefault(name[0], values) != values:
            return None
        shared = values
    return out if len(out) == len(people) else None


def _values(segment: str, kinds: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    found = [named(segment, kind) for kind in kinds]
    return tuple(f[0] for f in found) if all(len(f) == 1 for f in found) else None
