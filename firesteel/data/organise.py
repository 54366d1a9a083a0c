"""The data stage: sources in, clean documents out, and every document that went away beside them with its reason.

Phases of many small tasks, each of which writes one folder that appears whole or not at all: so a run that was killed goes
on where it was, all cores (or a cluster) work, and memory holds one block of a worker whatever the corpus is.

    read     a unit of files        -> blocks of normalised documents           (flow/reading.py)
    judge    a block                -> rules, test questions, privacy, keys     (flow/judging.py)
    same     a range of keys        -> exact and near duplicates, paragraphs    (flow/same.py, flow/verdicts.py)
    write    a range of ranks       -> the artefact's files                     (flow/writing.py)
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firesteel.core.config import DataSettings
from firesteel.core.errors import SourceError
from firesteel.core.work import Executor, Serial
from firesteel.data.card import write_card
from firesteel.data.datasheet import write_datasheet
from firesteel.data.decontaminate import Contamination
from firesteel.data.flow import writing
from firesteel.data.flow.blocks import Block
from firesteel.data.flow.duplicates import deduplicate, own
from firesteel.data.flow.folder import load, read_facts
from firesteel.data.flow.intake import judge_all, read_all
from firesteel.data.flow.phase import Phases
from firesteel.data.flow.tally import Tally
from firesteel.data.flow.verdicts import RULES
from firesteel.data.read.source import Say, find, sources_of
from firesteel.data.statistics import statistics
from firesteel.data.store import HELDOUT, check_documents, read_documents, write_counts

__all__ = ["check_documents", "organise", "read_documents"]

BLOCKS_AT_ONCE = 8  # whose dropped documents make one file


def organise(
    settings: DataSettings, folder: Path, *, seed: int, say: Say, key: bytes,
    decontaminate: Mapping[str, Sequence[str]] | None = None, executor: Executor | None = None, work: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Read, clean and deduplicate `settings.sources` into `folder`; returns the statistics.

    Writes `part-*.jsonl.zst` (training, in a seeded order, so that any beginning of it is a fair sample),
    `heldout.jsonl.zst`, `dropped/part-*.jsonl.zst`, `counts.json`, `data_card.md` and `datasheet.html`. Documents that hold
    a stretch of a question of `decontaminate` (task -> questions) are dropped. `key` is the secret of the placeholders.
    What is done is kept in `work` until the caller removes it; the same call with the same `work` goes on from there. Raises
    SourceError for a source that is missing or holds nothing, and if too little is left.
    """
    start, temporary = time.perf_counter(), work is None
    work = work or folder.with_name(f".{folder.name}.work")
    phases = Phases(work, executor or Serial(), say)
    contamination = Contamination(decontaminate or {})
    found = [find(source, say) for source in sources_of(settings)]
    read = read_all(phases, settings, found, seed)
    blocks, tally = judge_all(phases, settings, read, contamination, key)
    verdicts, cuts = deduplicate(phases, settings, blocks, tally)
    plan = writing.plan(own(blocks), load(verdicts, "verdicts"), settings.heldout)
    if plan.documents < 2:
        raise _too_few(plan.documents, tally, load(verdicts, "verdicts"))
    _write(phases, blocks, verdicts, cuts, plan, folder, tally)
    documents = tally["documents"]
    assert documents["in"] == documents["train"] + documents["heldout"] + tally["dropped"].total(), documents
    write_counts(folder, documents["in"], documents["train"], documents["heldout"], tally["dropped"])
    stats = statistics(tally, found, read, contamination, time.perf_counter() - start)
    if read.quality:
        shutil.copyfile(read.quality, folder / "quality.npz")
    write_card(folder, settings, stats)
    write_datasheet(folder, settings, stats, tally)
    if temporary:
        shutil.rmtree(work, ignore_errors=True)
    say(
        f"documents: {stats['kept']} kept, {stats['heldout']} held out, {tally['dropped'].total()} dropped of {stats['in']}; "
        f"{stats['kept_mb']:.1f} MB in {stats['seconds']:.1f} s"
    )
    return stats


def _write(
    phases: Phases,
    blocks: tuple[Block, ...],
    verdicts: Path,
    cuts: Path,
    plan: writing.Plan,
    folder: Path,
    tally: Tally,
) -> None:
    mine = own(blocks)
    spans = [("heldout", -1, plan.heldout), *(("train", low, high) for low, high in plan.parts)]
    kept = phases.run("write", writing.write, [
        writing.WriteTask(mine, verdicts, cuts, low, high, name, phases.place("part", i))
        for i, (name, low, high) in enumerate(spans)
    ])  # fmt: skip
    dropped = phases.run("write dropped", writing.write_dropped, [
        writing.DropTask(blocks, mine[i : i + BLOCKS_AT_ONCE], verdicts, phases.place("dropped", i))
        for i in range(0, len(mine), BLOCKS_AT_ONCE)
    ])  # fmt: skip
    names = [HELDOUT, *(f"part-{i:05d}.jsonl.zst" for i in range(len(plan.parts)))]
    names += [f"dropped/part-{i:05d}.jsonl.zst" for i in range(len(dropped))]
    (folder / "dropped").mkdir(parents=True, exist_ok=True)
    for name, made in zip(names, [*kept, *dropped], strict=True):
        _link(made / writing.FILE, folder / name)
        tally.add(read_facts(made))


def _link(source: Path, target: Path) -> None:
    """The same file under another name where the disk can; a copy where it cannot."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _too_few(left: int, tally: Tally, verdicts: np.ndarray) -> SourceError:
    tally["dropped"].update(RULES[kind] for kind in verdicts["kind"].tolist())
    rules = ", ".join(f"{rule} {n}" for rule, n in tally["dropped"].most_common(4))
    return SourceError(
        "too few documents are left to train on", value=left,
        why=f"dropped: {rules}" if rules else "the sources hold no more",
        hint="two are needed, one is held out; add some, or lower data.max_chars to split a long one",
    )  # fmt: skip
