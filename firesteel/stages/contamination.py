"""Which test questions stand in documents, and whether a model does better on those."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from firesteel.core import artefact
from firesteel.core.errors import SourceError
from firesteel.data.decontaminate import Contamination
from firesteel.data.store import read_documents
from firesteel.tasks.judging.evaluate import Case, accuracy

BATCH = 64  # documents looked at together
TEXTS = (".txt", ".md", ".jsonl")


def contamination(cases: Sequence[Case], sources: Sequence[Path]) -> dict[str, Any]:
    """How many of the questions the documents hold, and accuracy on those and on the others.

    {"documents", "questions", "too_short": questions too short to be told from chance, "touched": share, "by_task", "found":
    [questions], "accuracy": {"touched", "clean": estimates}, "right_touched": share of the right answers}. Raises SourceError.
    """
    tasks = {case["question"]: case["task"] for case in cases}
    short = {q for q in tasks if Contamination({"": [q]}).too_short[""]}
    count = 0

    def counted() -> Iterator[str]:
        nonlocal count
        for source in sources:
            for text in texts_of(source):
                count += 1
                yield text

    found = held([q for q in tasks if q not in short], counted())
    if not count:
        raise SourceError("no documents to look into", value=", ".join(map(str, sources)))
    touched = [c for c in cases if c["question"] in found]
    clean = [c for c in cases if c["question"] not in found]
    right = sum(c["correct"] for c in cases)
    by_task = {name: sum(tasks[q] == name for q in found) for name in dict.fromkeys(tasks.values())}
    return {
        "documents": count, "questions": len(tasks), "too_short": len(short), "touched": len(found) / len(tasks),
        "by_task": by_task, "found": sorted(found),
        "right_touched": sum(c["correct"] for c in touched) / right if right else 0.0,
        "accuracy": {
            name: accuracy(own).as_dict() for name, own in (("touched", touched), ("clean", clean)) if own
        },
    }  # fmt: skip


def held(questions: Sequence[str], texts: Iterable[str]) -> set[str]:
    """The questions of which a stretch stands in one of the texts; the rules are those of data.decontaminate."""
    left, found = list(dict.fromkeys(questions)), set[str]()
    index = Contamination({"": left})
    stream = iter(texts)
    while left and (batch := list(islice(stream, BATCH))):
        holding = [text for text, hit in zip(batch, index.find(batch), strict=True) if hit]
        for text in holding:
            found |= _in(text, [q for q in left if q not in found])
        if holding:
            left = [q for q in left if q not in found]
            index = Contamination({"": left})
    for _ in stream:
        pass  # documents are counted as they go by
    return found


def _in(text: str, questions: Sequence[str]) -> set[str]:
    """The index tells of one question of a text; which others there are is found by halves."""
    if not questions or Contamination({"": questions}).find([text]) == [None]:
        return set()
    if len(questions) == 1:
        return set(questions)
    middle = len(questions) // 2
    return _in(text, questions[:middle]) | _in(text, questions[middle:])


def texts_of(source: Path) -> Iterator[str]:
    """The texts of an artefact of kind documents, of a .txt, .md or .jsonl file, or of all such files in a folder."""
    if (source / artefact.MANIFEST).is_file():
        artefact.read(source, "documents")
        yield from (document["text"] for document in read_documents(source, "train"))
        return
    if source.is_dir():
        for file in sorted(f for f in source.rglob("*") if f.suffix in TEXTS and f.is_file()):
            yield from texts_of(file)
        return
    if source.suffix not in TEXTS:
        hint = f"an artefact of kind documents, a folder, or files {', '.join(TEXTS)}"
        raise SourceError("no documents to look into", value=source, hint=hint)
    try:
        text = source.read_text(encoding="utf-8", errors="replace")
    except OSError as e:
        raise SourceError("a file cannot be read", value=source, why=e.strerror or str(e)) from e
    if source.suffix == ".jsonl":
        yield from _records(text, source)
    else:
        yield text


def _records(text: str, source: Path) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield "\n".join(_strings(json.loads(line)))
            except ValueError as e:
                raise SourceError("a line is not JSON", value=f"{source}, line {number}", why=str(e)) from e


def _strings(value: Any) -> Iterator[str]:
    """All texts of a record: a document's, a conversation's messages."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
