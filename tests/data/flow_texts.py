"""Sources for the tests of the stage as a whole, with everything planted, and its outcome as hashes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from firesteel.core.artefact import file_hash
from firesteel.core.config import DataSettings
from firesteel.core.work import Executor
from firesteel.data.organise import organise, read_documents
from tests.data.corpus import chinese, english, quiet, write_lines

KEY = b"a secret of the tests"
QUESTION = "甲乙两地相距三百六十千米，一列火车从甲地开往乙地，每小时行九十千米，几小时到达？"


def plant(folder: Path, documents: int = 240) -> tuple[str, ...]:
    """A folder and a file of records: distinct texts, copies, near copies, shared paragraphs, a footer, a question."""
    rng = random.Random(documents)
    docs = folder / "docs"
    docs.mkdir(parents=True)
    for i in range(documents // 2):
        kind = i % 10
        text = chinese(i, 8) + "\n\n" + chinese(5000 + i, 8)
        if kind == 7:
            text = chinese(i - 7, 8) + "\n\n" + chinese(5000 + i - 7, 8)  # a copy
        elif kind == 8:
            text = text.replace("\n\n", "\n\n" + chinese(4242, 6) + "\n\n")  # a paragraph that others have, too
        elif kind == 9:
            text += QUESTION
        (docs / f"{i:04d}.txt").write_text(
            f"{text}\n某某大学图书馆馆藏资料", encoding=rng.choice(["utf-8", "gb18030", "utf-16"])
        )
    (docs / "broken.txt").write_bytes(bytes(rng.randrange(256) for _ in range(3000)))
    records: list[dict[str, Any]] = [
        {"text": english(i, 30) + f" Call 1381234{i:04d} now."} for i in range(documents // 2 - 20)
    ]
    records += [{"text": english(i, 30).replace("river", "stream")} for i in range(10)] + [{"text": ""}, {"no": "text"}]
    return str(docs), str(write_lines(folder / "records.jsonl", records))


def settings_for(sources: tuple[str, ...], **more: Any) -> DataSettings:
    """All kinds of deduplication, and a tenth held out."""
    chosen: dict[str, Any] = {"heldout": 0.1, "duplicates": ("document", "near", "paragraph")} | more
    return DataSettings(sources=sources, **chosen)


def run(
    out: Path, sources: tuple[str, ...], executor: Executor | None = None, work: Path | None = None, **more: Any
) -> dict[str, Any]:
    """The stage on these sources."""
    return organise(
        settings_for(sources, **more), out, seed=3, say=quiet, key=KEY, decontaminate={"trains": [QUESTION]},
        executor=executor, work=work,
    )  # fmt: skip


def hashes(out: Path) -> dict[str, str]:
    """sha256 of the files that hold documents and counts (the card tells the time)."""
    files = sorted(file for file in out.rglob("*") if file.suffix == ".zst" or file.name == "counts.json")
    return {file.relative_to(out).as_posix(): file_hash(file) for file in files}


def lines(out: Path, split: str) -> list[str]:
    """The records of a split as text, in order."""
    return [json.dumps(record, sort_keys=True) for record in read_documents(out, split)]  # type: ignore[arg-type]
