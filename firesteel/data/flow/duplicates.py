"""Phase 3 in order: exact duplicates, near-duplicates in rounds, and paragraphs of what is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from firesteel.core.config import DataSettings
from firesteel.data.flow import same
from firesteel.data.flow.blocks import SHIFT, Block
from firesteel.data.flow.folder import building, load, ranges, save
from firesteel.data.flow.phase import Phases
from firesteel.data.flow.tally import Tally
from firesteel.data.flow.verdicts import cuts_by_block, resolve

KEYS_AT_ONCE = 1 << 19  # sorted entries that one task holds; near-copies make five pairs of each
BLOCKS_AT_ONCE = 1  # whose candidates one task verifies
ROUNDS = 4  # of near-duplicates: each compares what the last one left, in buckets that are emptier


def own(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks of this run."""
    return tuple(block for block in blocks if not block.seen)


def deduplicate(phases: Phases, settings: DataSettings, blocks: tuple[Block, ...], tally: Tally) -> tuple[Path, Path]:
    """Folders of the verdicts on documents and of the cuts in them."""
    exact: list[Path] = []
    if "document" in settings.duplicates:
        exact = phases.run("exact duplicates", same.exact, [
            same.RangeTask(blocks, low, high, phases.place("exact", i))
            for i, (low, high) in enumerate(ranges(tally["entries"]["documents"], KEYS_AT_ONCE))
        ])  # fmt: skip
    verdicts = phases.place("verdicts", 0)
    if not verdicts.is_dir():
        with building(verdicts) as folder:
            save(folder, verdicts=resolve((load(f, "pairs") for f in exact), ()))
    if "near" in settings.duplicates:
        verdicts = _near(phases, settings, blocks, tally, verdicts)
    if {"paragraph", "line"} & set(settings.duplicates):
        return _paragraphs(phases, settings, blocks, tally, verdicts)
    return verdicts, phases.place("cuts", 0)


def _near(phases: Phases, settings: DataSettings, blocks: tuple[Block, ...], tally: Tally, verdicts: Path) -> Path:
    for n in range(ROUNDS):
        pairs = phases.run("candidates", same.candidates, [
            same.RangeTask(blocks, low, high, phases.place(f"candidates-{n}", i), (verdicts,))
            for i, (low, high) in enumerate(ranges(tally["entries"]["bands"], KEYS_AT_ONCE))
        ])  # fmt: skip
        similar = phases.run("near duplicates", same.verify, [
            same.RangeTask(
                blocks, i << SHIFT, (i + BLOCKS_AT_ONCE) << SHIFT, phases.place(f"similar-{n}", i), tuple(pairs),
                settings.near_duplicate,
            )
            for i in range(len(blocks) - len(own(blocks)), len(blocks), BLOCKS_AT_ONCE)
        ])  # fmt: skip
        found = resolve((), (load(f, "similar") for f in similar))
        verdicts = _with(phases.place("verdicts", n + 1), verdicts, found)
        if len(found) == 0:
            break
    return verdicts


def _with(place: Path, verdicts: Path, more: np.ndarray) -> Path:
    """A folder of the verdicts in another one and some more."""
    if not place.is_dir():
        with building(place) as folder:
            save(folder, verdicts=np.sort(np.concatenate([load(verdicts, "verdicts"), more]), order="place"))
    return place


def _paragraphs(
    phases: Phases, settings: DataSettings, blocks: tuple[Block, ...], tally: Tally, verdicts: Path
) -> tuple[Path, Path]:
    """Twice if documents go because little is left of them: what they shared then belongs to the next that has it."""
    for n in (0, 1):
        units = phases.run("paragraphs", same.repeated_units, [
            same.RangeTask(blocks, low, high, phases.place(f"units-{n}", i), (verdicts,))
            for i, (low, high) in enumerate(ranges(tally["entries"]["units"], KEYS_AT_ONCE))
        ])  # fmt: skip
        cuts = phases.place("cuts", n)
        final = phases.place("verdicts", 100 + n)
        if not final.is_dir():
            emptied = cuts_by_block(own(blocks), units, cuts, settings.min_chars)
            _with(final, verdicts, emptied)
        if len(load(final, "verdicts")) == len(load(verdicts, "verdicts")):
            break
        verdicts = final
    return final, cuts
