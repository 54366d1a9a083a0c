"""Phase 2, a block at a time: what is decided about a document by itself, and what others will be compared with.

Boilerplate lines go, the rules judge, test questions and personal data go; then keys for exact and near duplicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firesteel.core.config import DataSettings
from firesteel.data.decontaminate import Contamination
from firesteel.data.dedup import boilerplate
from firesteel.data.dedup.exact import units_of
from firesteel.data.dedup.keys import whole_hashes
from firesteel.data.dedup.near import bands_of
from firesteel.data.filters.judge import Judge
from firesteel.data.filters.quality import QualityModel
from firesteel.data.flow.blocks import BAND, SHIFT, UNIT, WHOLE, write_block
from firesteel.data.flow.folder import building, load, read_records, save, write_facts, write_records
from firesteel.data.flow.tally import Tally
from firesteel.data.privacy import protect


@dataclass(frozen=True)
class JudgeTask:
    """One block of a unit to judge into `out`, as block `number` of the run."""

    unit: Path
    name: str  # of the block in its unit
    number: int
    settings: DataSettings
    highest: int  # rank; documents above it are not among the chosen ones of their source
    lines: Path | None  # .npy of the source's boilerplate
    quality: Path | None
    contamination: Contamination
    key: bytes  # of the placeholders
    seen: bool  # of an earlier artefact: nothing is judged
    out: Path


Record = dict[str, Any]
Verdict = tuple[str, float | str]
TOGETHER = 512  # documents that the rules see at a time


class _Judging:
    """The steps for the documents of a block, in order; each gives the verdict against every document, or None."""

    def __init__(self, task: JudgeTask, tally: Tally) -> None:
        self.task, self.tally, self.settings = task, tally, task.settings
        self.rules = Judge.of(task.settings)
        self.lines = _line_set(task.lines)
        self.quality = QualityModel.load(task.quality) if task.quality else None
        steps: tuple[tuple[str, bool, Callable[[list[Record]], list[Verdict | None]]], ...] = (
            ("boilerplate", bool(self.lines), self._boilerplate), ("filter", True, self._filter),
            ("quality", self.quality is not None, self._quality),
            ("decontaminate", bool(task.contamination.questions), self._decontaminate),
        )  # fmt: skip
        self.steps = [(name, step) for name, wanted, step in steps if wanted]

    def __call__(self, records: list[Record]) -> list[Verdict | None]:
        verdicts: list[Verdict | None] = [None] * len(records)
        alive = list(range(len(records)))
        for name, step in self.steps:
            chars = sum(len(records[i]["text"]) for i in alive)
            with self.tally.step(name, len(alive), chars) as counted:
                for i, verdict in zip(alive, step([records[i] for i in alive]), strict=True):
                    verdicts[i] = verdict
                alive = [i for i in alive if verdicts[i] is None]
                counted.documents_out += len(alive)
        return verdicts

    def _changed(self, changes: Counter[str]) -> None:
        self.tally["changes"].update(changes)
        self.tally["changed documents"].update(changes.keys())

    def _boilerplate(self, records: list[Record]) -> list[Verdict | None]:
        for record in records:
            record["text"], n = boilerplate.without(record["text"], self.lines)
            if n:
                self._changed(Counter({"boilerplate lines dropped": n}))
        return [None] * len(records)

    def _filter(self, records: list[Record]) -> list[Verdict | None]:
        out: list[Verdict | None] = []
        for start in range(0, len(records), TOGETHER):
            some = records[start : start + TOGETHER]
            languages = [str(record["meta"].get("lang", "")) for record in some]
            for record, judged in zip(some, self.rules.judge_many([r["text"] for r in some], languages), strict=True):
                record["language"] = judged.language
                if not judged.rule:
                    record["text"] = judged.text
                    record["meta"].setdefault("lang", judged.language)
                    self._changed(judged.lines)
                out.append((judged.rule, judged.value) if judged.rule else None)
        return out

    def _quality(self, records: list[Record]) -> list[Verdict | None]:
        assert self.quality is not None
        for record in records:
            record["meta"]["quality"] = round(self.quality.score(record["text"]), 4)
        scores = [record["meta"]["quality"] for record in records]
        return [("quality", score) if score < self.settings.quality_min else None for score in scores]

    def _decontaminate(self, records: list[Record]) -> list[Verdict | None]:
        out: list[Verdict | None] = []
        for start in range(0, len(records), TOGETHER):
            some = [record["text"] for record in records[start : start + TOGETHER]]
            for found in self.task.contamination.find(some):
                if found:
                    self.tally["contamination"][found[0]] += 1
                out.append(("test question", f"{found[0]}: {found[1]}") if found else None)
        return out


def _line_set(file: Path | None) -> frozenset[int]:
    return frozenset(load(file.parent, file.stem).tolist()) if file else frozenset()


def judge(task: JudgeTask) -> None:
    """Make a block's folder."""
    tally = Tally()
    records = read_records(task.unit / f"{task.name}.jsonl.zst")
    ranks = load(task.unit, f"{task.name}.ranks")
    chosen = np.flatnonzero(ranks <= np.uint64(task.highest)).tolist()
    tally["documents"]["in"] += len(chosen)
    read = [] if task.seen else [i for i in chosen if "rule" not in records[i]]
    verdicts = dict(zip(read, _Judging(task, tally)([records[i] for i in read]), strict=True)) if read else {}
    kept: list[int] = []
    dropped: list[Record] = []
    for i in chosen:
        record = records[i]
        verdict = verdicts.get(i)
        if verdict:
            record |= {"rule": verdict[0], "value": verdict[1]}
        if "rule" in record and not task.seen:
            dropped.append(record)
            tally["dropped"][record["rule"]] += 1
        else:
            kept.append(i)
    _redact(task, [records[i] for i in kept], dropped, tally)
    for record in dropped:
        record.pop("language", None)
        tally.sample(f"dropped: {record['rule']}", int(record["id"], 16), record)
    with building(task.out) as folder:
        write_records(folder / "dropped.jsonl.zst", dropped)
        _write(folder, task, [records[i] for i in kept], ranks[kept], np.array(kept, dtype=np.int64), tally)
        write_facts(folder, tally.facts())


def _redact(task: JudgeTask, kept: list[Record], dropped: list[Record], tally: Tally) -> None:
    """Dropped documents, too: they are kept for people to look at."""
    if not task.settings.redact or task.seen:
        return
    for records, counter in ((kept, tally["personal data"]), (dropped, tally["personal data, dropped"])):
        for record in records:
            with tally.step("redact", 1, len(record["text"])) as step:
                counter.update(protect(record, task.key, names=task.settings.redact_names))
                step.documents_out += 1


def _write(
    folder: Path, task: JudgeTask, records: list[Record], ranks: np.ndarray, places: np.ndarray, tally: Tally
) -> None:
    texts = [record["text"] for record in records]
    languages = [record.pop("language", "") or str(record["meta"].get("lang", "")) for record in records]
    chars = sum(map(len, texts))
    full = (np.uint64(task.number) << np.uint64(SHIFT)) | places.astype(np.uint64)
    wanted = task.settings.duplicates
    with tally.step("signatures", len(texts), chars) as step:
        wholes = np.empty(len(texts), dtype=WHOLE)
        hashes = whole_hashes(texts)
        wholes["key"], wholes["rest"], wholes["place"] = hashes[:, 0], hashes[:, 1], full
        keys, owners = bands_of(texts, task.settings.near_duplicate) if "near" in wanted else _none()
        bands = np.empty(len(keys), dtype=BAND)
        bands["key"], bands["place"] = keys, full[owners]
        step.documents_out += len(texts)
    found = [
        (unit.key, int(full[i]), unit.number, unit.start, unit.chars)
        for i, text in enumerate(texts)
        for unit in units_of(text, "paragraph" in wanted, "line" in wanted)
    ]
    save(
        folder, wholes=np.sort(wholes, order=("key", "rest", "place")), bands=np.sort(bands, order=("key", "place")),
        units=np.sort(np.array(found, dtype=UNIT), order=("key", "place", "number")),
    )  # fmt: skip
    tally["entries"].update(documents=len(texts), bands=len(bands), units=len(found))
    for record, language in zip(records, languages, strict=True):
        record["meta"].setdefault("lang", language)
    write_block(folder, records, ranks, places)


def _none() -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
