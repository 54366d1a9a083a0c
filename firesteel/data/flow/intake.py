"""Phases 1 and 2 over all sources: from what was found to judged blocks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from firesteel.core.config import DataSettings
from firesteel.core.errors import SourceError
from firesteel.core.work import Crash
from firesteel.data.clean.normalise import normalise
from firesteel.data.decontaminate import Contamination
from firesteel.data.dedup.boilerplate import repeated
from firesteel.data.filters.quality import train_quality
from firesteel.data.flow import judging, reading
from firesteel.data.flow.blocks import Block
from firesteel.data.flow.folder import MAX_KEY, building, load, ranges, read_facts, save
from firesteel.data.flow.phase import Phases
from firesteel.data.flow.reading import ReadTask
from firesteel.data.flow.same import RangeTask, lines_of
from firesteel.data.flow.tally import Tally
from firesteel.data.read.files import find_files
from firesteel.data.read.formats import format_of, read_file
from firesteel.data.read.source import Found, Part, Unit
from firesteel.data.store import PARTS

LINES_AT_ONCE = 16 << 20  # line keys that one task sorts
SEEN_BYTES = 64 << 20  # compressed size of the earlier files that one task reads
JUDGED = "judged.json"


@dataclass(frozen=True)
class Read:
    """The read units of each source (the earlier artefacts first, as source -1), and the quality classifier."""

    units: tuple[tuple[int, Path], ...]
    highest: tuple[int, ...]  # of each source: the rank up to which documents are chosen
    chosen: tuple[int, ...]
    found: tuple[int, ...]
    lines: tuple[Path | None, ...]
    quality: Path | None
    quality_facts: dict[str, Any]


def read_all(phases: Phases, settings: DataSettings, found: Sequence[Found], seed: int) -> Read:
    """Read every unit; choose documents where there are too many; find each source's boilerplate."""
    tasks = [(-1, ReadTask(None, files, settings, seed, Path())) for files in _seen(settings)]
    tasks += [(i, ReadTask(unit, (), settings, seed, Path())) for i, one in enumerate(found) for unit in one.units]
    placed = [(source, replace(task, out=phases.place("read", n))) for n, (source, task) in enumerate(tasks)]
    quality, facts = _quality(phases, settings, seed)
    if not (phases.work / JUDGED).is_file():
        phases.run("read", reading.read, [task for _, task in placed], lambda task, crash: _mend(phases, task, crash))
        _choose(phases, settings, placed, len(found))
    chosen = json.loads((phases.work / "chosen.json").read_text(encoding="utf-8"))
    lines = tuple(
        phases.place("boilerplate", i) / "lines.npy" if settings.boilerplate else None for i in range(len(found))
    )
    if not (phases.work / JUDGED).is_file() and settings.boilerplate:
        for i in range(len(found)):
            _boilerplate(phases, settings, i, [task.out for source, task in placed if source == i], chosen["found"][i])
    return Read(
        tuple((source, task.out) for source, task in placed), tuple(chosen["highest"]), tuple(chosen["chosen"]),
        tuple(chosen["found"]), lines, quality, facts,
    )  # fmt: skip


def _seen(settings: DataSettings) -> list[tuple[str, ...]]:
    """The files of earlier artefacts, some together."""
    from firesteel.core import artefact

    groups: list[tuple[str, ...]] = []
    for folder in settings.against:
        artefact.read(folder, "documents")
        size = SEEN_BYTES
        for file in sorted(f for split in ("train", "heldout") for f in Path(folder).glob(PARTS[split])):
            if size + file.stat().st_size > SEEN_BYTES:
                groups.append(())
                size = 0
            groups[-1] += (str(file),)
            size += file.stat().st_size
    return groups


def _mend(phases: Phases, task: ReadTask, crash: Crash) -> None:
    """Find the files that kill their reader, each tried alone, and read the unit without them."""
    if task.unit is None or not task.unit.parts:
        raise SourceError("a source cannot be read", value=task.out.name, why=crash.reason)
    alone = [replace(task, unit=Unit(task.unit.source, (part,))) for part in task.unit.parts]
    outcomes = dict(phases.executor.run(reading.try_file, alone))
    bad = frozenset(_name(alone[i]) for i, outcome in outcomes.items() if isinstance(outcome, Crash))
    phases.say(f"  {len(bad)} files kill their reader and are left out: {', '.join(sorted(bad)[:4])}")
    for _, outcome in phases.executor.run(reading.read, [replace(task, broken=bad)]):
        if isinstance(outcome, Crash):
            raise SourceError("a source cannot be read", value=task.unit.source.label, why=outcome.reason)


def _name(task: ReadTask) -> str:
    assert task.unit is not None
    part: Part = task.unit.parts[0]
    return part.file.name


def _choose(phases: Phases, settings: DataSettings, placed: Sequence[tuple[int, ReadTask]], sources: int) -> None:
    """Of each source, the rank up to which its documents are chosen: all, or the `max_documents` lowest."""
    said: dict[str, list[int]] = {"highest": [], "chosen": [], "found": []}
    for i in range(sources):
        units = [task.out for source, task in placed if source == i]
        counts = [block["documents"] for unit in units for block in read_facts(unit)["blocks"]]
        found, limit, highest = sum(counts), settings.max_documents, MAX_KEY
        if limit and found > limit:
            ranks = np.concatenate(
                [load(file.parent, file.stem) for unit in units for file in sorted(unit.glob("*.ranks.npy"))]
            )
            highest = int(np.partition(ranks, limit - 1)[limit - 1])
        for name, value in (("highest", highest), ("chosen", min(found, limit or found)), ("found", found)):
            said[name].append(value)
    (phases.work / "chosen.json").write_text(json.dumps(said), encoding="utf-8")


def _boilerplate(phases: Phases, settings: DataSettings, source: int, units: list[Path], documents: int) -> None:
    out = phases.place("boilerplate", source)
    if out.is_dir():
        return
    files = tuple(file for unit in units for file in sorted(unit.glob("*.lines.npy")))
    total = sum(block["lines"] for unit in units for block in read_facts(unit)["blocks"])
    with building(out) as folder:
        found = [
            repeated(lines_of(RangeTask((), low, high, out, files)), documents, settings.boilerplate)
            for low, high in ranges(total, LINES_AT_ONCE)
        ]
        save(folder, lines=np.concatenate(found))


def _quality(phases: Phases, settings: DataSettings, seed: int) -> tuple[Path | None, dict[str, Any]]:
    """The classifier trained from the user's examples, if there are any."""
    if not settings.quality_good and not settings.quality_bad:
        return None, {}
    out = phases.place("quality", 0)
    if not out.is_dir():
        model, facts = train_quality(
            _examples(settings.quality_good, settings),
            _examples(settings.quality_bad, settings),
            seed=seed,
            threshold=settings.quality_min,
        )
        with building(out) as folder:
            model.save(folder / "model.npz")
            (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return out / "model.npz", read_facts(out)


def _examples(sources: Sequence[str], settings: DataSettings) -> list[str]:
    texts = []
    for source in sources:
        for file in find_files(source):
            if format_of(file.name):
                pieces = read_file(file.name, file.open, settings.max_chars)
                texts += [normalise(piece.text)[0] for piece in pieces if not piece.error and piece.text.strip()]
    return texts


def judge_all(
    phases: Phases, settings: DataSettings, read: Read, contamination: Contamination, key: bytes
) -> tuple[tuple[Block, ...], Tally]:
    """Judge every block; the blocks, seen ones first, and what was counted so far."""
    file, tally = phases.work / JUDGED, Tally()
    if not file.is_file():
        tasks = _judge_tasks(phases, settings, read, contamination, key)
        done = phases.run("judge", judging.judge, tasks)
        for folder in [*(unit for source, unit in read.units if source >= 0), *done]:
            if folder.parent.name == "read" or not tasks[int(folder.name)].seen:
                facts = read_facts(folder)
                tally.add(facts)
            else:
                tally["entries"].update(read_facts(folder)["counts"]["entries"])
        said = {"seen": [task.seen for task in tasks], "tally": tally.facts()}
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
        partial.rename(file)
        shutil.rmtree(phases.work / "read", ignore_errors=True)  # no longer needed, and as large as the sources
    said = json.loads(file.read_text(encoding="utf-8"))
    tally = Tally()
    tally.add(said["tally"])
    return tuple(Block(i, phases.place("judged", i), seen) for i, seen in enumerate(said["seen"])), tally


def _judge_tasks(
    phases: Phases, settings: DataSettings, read: Read, contamination: Contamination, key: bytes
) -> list[judging.JudgeTask]:
    tasks: list[judging.JudgeTask] = []
    for source, unit in read.units:
        for i in range(len(read_facts(unit)["blocks"])):
            number = len(tasks)
            tasks.append(judging.JudgeTask(
                unit, f"{i:03d}", number, settings, MAX_KEY if source < 0 else read.highest[source],
                None if source < 0 else read.lines[source], read.quality, contamination, key, source < 0,
                phases.place("judged", number),
            ))  # fmt: skip
    return tasks
