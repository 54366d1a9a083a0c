"""The data stage: sources in, clean documents out, and every document that went away beside them with its reason.

One pass over the sources normalises, filters, decontaminates and drops exact duplicates, and writes what is left to a
spool; a second pass over the spool drops near-duplicates, protects privacy, holds a share out, and writes the
artefact. Memory holds signatures and hashes, never the texts.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firesteel.core.config import DataSettings
from firesteel.core.errors import SourceError
from firesteel.data.card import write_card
from firesteel.data.clean.normalise import TRADITIONAL, normalise
from firesteel.data.decontaminate import Contamination
from firesteel.data.dedup.duplicates import ExactIndex, NearIndex
from firesteel.data.document import Document, Dropped
from firesteel.data.filters.judge import judge
from firesteel.data.ngrams import key_text
from firesteel.data.privacy import protect
from firesteel.data.read.source import Item, Say, Source, rank, read_source, sources_of
from firesteel.data.store import HELDOUT, Parts, Spool, check_documents, read_documents, write_counts

__all__ = ["check_documents", "organise", "read_documents"]


@dataclass
class Stage:
    """What one step of the work saw, let pass, and took."""

    documents_in: int = 0
    documents_out: int = 0
    chars_in: int = 0
    seconds: float = 0.0


@dataclass
class Tally:
    """Everything that is counted on the way."""

    stages: dict[str, Stage] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    changed_documents: Counter[str] = field(default_factory=Counter)
    private: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    kept_bytes: int = 0
    heldout_bytes: int = 0

    @contextmanager
    def stage(self, name: str, text: str = "", documents: int = 1) -> Iterator[Stage]:
        """Count documents and characters into a stage, and the time spent in the block."""
        stage = self.stages.setdefault(name, Stage())
        stage.documents_in += documents
        stage.chars_in += len(text)
        start = time.perf_counter()
        try:
            yield stage
        finally:
            stage.seconds += time.perf_counter() - start


class FirstPass:
    """What is decided about a document by itself, or by what came before it: a table of steps."""

    def __init__(self, settings: DataSettings, contamination: Contamination, tally: Tally) -> None:
        self.settings, self.contamination, self.tally = settings, contamination, tally
        self.exact, self.near = ExactIndex(), NearIndex()
        self.key = ""
        self.steps: tuple[tuple[str, Callable[[Document], Dropped | None]], ...] = (
            ("normalise", self._normalise), ("filter", self._filter), ("decontaminate", self._decontaminate),
            ("exact duplicates", self._exact),
        )  # fmt: skip

    def run(self, item: Item) -> Document | Dropped:
        """The document, changed, or the verdict against it."""
        if isinstance(item, Dropped):
            return item
        for name, step in self.steps:
            with self.tally.stage(name, item.text) as stage:
                verdict = step(item)
                stage.documents_out += verdict is None
            if verdict:
                return verdict
        with self.tally.stage("signatures", item.text) as stage:
            self.near.add(self.key)
            stage.documents_out += 1
        return item

    def _normalise(self, document: Document) -> None:
        text, changes = normalise(document.text, str(document.meta.get("lang", "")), simplify=self.settings.simplify)
        if changes[TRADITIONAL]:
            document.meta["simplified_share"] = round(changes[TRADITIONAL] / max(1, len(text)), 4)
        self.tally.changes.update(changes)
        self.tally.changed_documents.update(changes.keys())
        document.text = text

    def _filter(self, document: Document) -> Dropped | None:
        given = str(document.meta.get("lang", ""))
        known = {"zh": "zh", "lzh": "zh", "en": "en"}.get(given.lower().split("-")[0].split("_")[0], "")
        language, verdict = judge(document.text, known, min_chars=self.settings.min_chars)
        if verdict:
            return Dropped(document, verdict.rule, verdict.value)
        document.meta.setdefault("lang", language)
        self.tally.languages[language] += 1
        return None

    def _decontaminate(self, document: Document) -> Dropped | None:
        self.key = key_text(document.text)
        shared = self.contamination.shared(self.key)
        return Dropped(document, "test question", shared) if shared else None

    def _exact(self, document: Document) -> Dropped | None:
        first = self.exact.first(self.key, document.id)
        return Dropped(document, "exact duplicate", first) if first else None


def organise(
    settings: DataSettings, folder: Path, *, seed: int, say: Say, decontaminate: Sequence[str] = ()
) -> dict[str, Any]:
    """Read, clean and deduplicate `settings.sources` into `folder`; returns the statistics.

    Writes `part-*.jsonl.zst` (training, in a seeded order, so that any beginning of it is a fair sample),
    `heldout.jsonl.zst`, `dropped/part-*.jsonl.zst`, `counts.json` and `data_card.md`. Documents that share a run of 20
    characters with a text of `decontaminate` are dropped. Raises SourceError for a source that is missing or holds
    nothing, and if nothing is left.
    """
    start, tally, sources = time.perf_counter(), Tally(), sources_of(settings)
    contamination = Contamination(decontaminate)
    if contamination.too_short:
        say(f"{contamination.too_short} of {len(decontaminate)} test questions are too short to look for")
    folder.mkdir(parents=True, exist_ok=True)
    with Spool(folder / ".spool") as spool, Parts(folder / "dropped") as dropped:
        out = _Dropper(dropped, tally, settings.redact, seed)
        first = FirstPass(settings, contamination, tally)
        total = _first_pass(first, sources, settings, seed, say, spool, out)
        kept = _near(first.near, spool, settings.near_duplicate, tally, out)
        held = _hold_out(kept, spool, settings.heldout, seed, tally.dropped)
        _write(kept, held, spool, folder, settings.redact, seed, tally)
    write_counts(folder, total, len(kept) - len(held), len(held), tally.dropped)
    stats = _stats(tally, sources, total, len(kept) - len(held), len(held), time.perf_counter() - start)
    write_card(folder, settings, stats)
    say(
        f"documents: {stats['kept']} kept, {stats['heldout']} held out, {tally.dropped.total()} dropped of {total}; "
        f"{stats['kept_mb']:.1f} MB in {stats['seconds']:.1f} s"
    )
    return stats


class _Dropper:
    """Writes dropped documents, with personal data replaced in them too: they are kept for people to look at."""

    def __init__(self, parts: Parts, tally: Tally, redact: bool, seed: int) -> None:
        self.parts, self.tally, self.redact, self.seed = parts, tally, redact, seed

    def __call__(self, verdict: Dropped) -> None:
        verdict.document.text = verdict.document.text.encode("utf-8", "replace").decode()
        record = verdict.record()
        if self.redact:
            protect(record, self.seed)
        self.parts.write(record)
        self.tally.dropped[verdict.rule] += 1


def _first_pass(
    first: FirstPass, sources: list[Source], settings: DataSettings, seed: int, say: Say, spool: Spool, drop: _Dropper
) -> int:
    total = 0
    for source in sources:
        items = iter(read_source(source, settings, seed=seed, say=say))
        while True:
            with first.tally.stage("read", documents=0) as reading:
                item = next(items, None)
            if item is None:
                break
            reading.documents_in += 1
            reading.documents_out += not isinstance(item, Dropped)
            reading.chars_in += 0 if isinstance(item, Dropped) else len(item.text)
            total += 1
            outcome = first.run(item)
            if isinstance(outcome, Dropped):
                drop(outcome)
            else:
                spool.append(outcome.record())
        unreadable = first.tally.dropped["unreadable"]
        say(
            f"{source.label}: {source.chosen} of {source.found} documents read"
            + (f", {unreadable} unreadable so far" if unreadable else "")
        )
    return total


def _near(near: NearIndex, spool: Spool, threshold: float, tally: Tally, drop: _Dropper) -> list[int]:
    """Drop near-duplicates; the numbers of the documents that stay, in reading order."""
    with tally.stage("near duplicates", documents=len(spool)) as stage:
        matches = near.duplicates(lambda i: str(spool[i]["text"]), threshold)
        for i, match in matches.items():
            value = f"{spool.ids[match.kept]} {match.similarity:.3f}"
            drop(Dropped(Document(**spool[i]), "near duplicate", value))
        stage.documents_out = len(spool) - len(matches)
    return [i for i in range(len(spool)) if i not in matches]


def _hold_out(kept: list[int], spool: Spool, share: float, seed: int, dropped: Counter[str]) -> set[int]:
    """Sort `kept` by the seeded hash of the id, in place, and hold the first of them out: at least one, never all."""
    if len(kept) < 2:
        rules = ", ".join(f"{rule} {n}" for rule, n in dropped.most_common(4))
        raise SourceError(
            "too few documents are left to train on", value=len(kept),
            why=f"dropped: {rules}" if rules else "the sources hold no more",
            hint="two are needed, one is held out; add some, or lower data.max_chars to split a long one",
        )  # fmt: skip
    kept.sort(key=lambda i: rank(spool.ids[i], seed))
    return set(kept[: min(len(kept) - 1, max(1, math.ceil(share * len(kept))))])


def _write(kept: list[int], held: set[int], spool: Spool, folder: Path, redact: bool, seed: int, tally: Tally) -> None:
    with Parts(folder) as train, Parts(folder, HELDOUT) as heldout:
        for i in kept:
            record = spool[i]
            if redact:
                with tally.stage("redact", record["text"]) as stage:
                    tally.private.update(protect(record, seed))
                    stage.documents_out += 1
            with tally.stage("write", record["text"]) as stage:
                (heldout if i in held else train).write(record)
                stage.documents_out += 1
            size = len(record["text"].encode())
            if i in held:
                tally.heldout_bytes += size
            else:
                tally.kept_bytes += size


def _stats(tally: Tally, sources: list[Source], total: int, kept: int, heldout: int, seconds: float) -> dict[str, Any]:
    return {
        "in": total, "kept": kept, "heldout": heldout, "dropped": dict(sorted(tally.dropped.items())),
        "kept_mb": round(tally.kept_bytes / 1e6, 3), "heldout_mb": round(tally.heldout_bytes / 1e6, 3),
        "languages": dict(tally.languages.most_common()), "personal_data": dict(tally.private.most_common()),
        "changes": {
            rule: {"documents": tally.changed_documents[rule], "places": n} for rule, n in tally.changes.most_common()
        },
        "sources": {
            s.label: {
                "licence": s.licence, "origin": s.origin, "found": s.found, "read": s.chosen,
                "skipped_files": dict(s.skipped),
            }
            for s in sources
        },
        "stages": {
            name: {
                "documents_in": s.documents_in, "documents_out": s.documents_out,
                "million_chars_in": round(s.chars_in / 1e6, 3), "seconds": round(s.seconds, 3),
            }
            for name, s in tally.stages.items()
        },
        "seconds": round(seconds, 3),
    }  # fmt: skip
