"""The stage's phases: the same bytes whoever does the work, however it is cut, and however often it is killed."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from firesteel.compute.workers import Processes
from firesteel.core.work import Crash, Serial
from firesteel.data.flow.reading import ReadTask
from firesteel.data.organise import check_documents, read_documents
from tests.data.corpus import chinese, write, write_lines
from tests.data.flow_texts import hashes, lines, plant, run


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Sources with everything planted."""
    return plant(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, sources: tuple[str, ...]) -> Path:
    """The artefact as one process makes it, uninterrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(out, sources)
    return out


def test_everything_planted_is_found(whole: Path) -> None:
    counts = check_documents(whole)
    assert counts["dropped"]["exact duplicate"] == 12 and counts["dropped"]["test question"] == 12
    assert counts["dropped"]["near duplicate"] == 10 and counts["dropped"]["unreadable"] == 2
    texts = [record["text"] for split in ("train", "heldout") for record in read_documents(whole, split)]  # type: ignore[arg-type]
    assert not any("馆藏资料" in text or "1381234" in text for text in texts)
    assert sum(chinese(4242, 6) in text for text in texts) == 1  # the shared paragraph stays once


def test_processes_make_the_same_bytes(tmp_path: Path, sources: tuple[str, ...], whole: Path) -> None:
    with contextlib.closing(Processes(2)) as workers:
        run(tmp_path / "out", sources, workers)
    assert hashes(tmp_path / "out") == hashes(whole)


def test_how_the_work_is_cut_does_not_matter(
    tmp_path: Path, sources: tuple[str, ...], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firesteel.data.flow.reading.BLOCK_CHARS", 9000)
    monkeypatch.setattr("firesteel.data.read.source.UNIT_BYTES", 30_000)  # cuts the file of records, too
    monkeypatch.setattr("firesteel.data.flow.duplicates.KEYS_AT_ONCE", 50)
    monkeypatch.setattr("firesteel.data.organise.BLOCKS_AT_ONCE", 2)
    monkeypatch.setattr("firesteel.data.flow.duplicates.BLOCKS_AT_ONCE", 2)
    monkeypatch.setattr("firesteel.data.flow.intake.LINES_AT_ONCE", 30)
    monkeypatch.setattr("firesteel.data.flow.writing.PART_BYTES", 20_000)
    run(tmp_path / "out", sources)
    assert len(list((tmp_path / "out").glob("part-*"))) > 3
    for split in ("train", "heldout"):
        assert lines(tmp_path / "out", split) == lines(whole, split)
    assert sorted(lines(tmp_path / "out", "dropped")) == sorted(lines(whole, "dropped"))


class Dying(Serial):
    """Does so many tasks and then raises, as a machine that is switched off would."""

    def __init__(self, tasks: int) -> None:
        self.left = tasks

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See Executor."""
        for one in super().run(function, tasks):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield one


def test_stopped_after_any_task_it_goes_on_and_makes_the_same(
    tmp_path: Path, sources: tuple[str, ...], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firesteel.data.flow.reading.BLOCK_CHARS", 40_000)
    stops = 0
    for patience in range(1, 200):
        try:
            run(tmp_path / "out", sources, Dying(0), tmp_path / "work")
            break
        except KeyboardInterrupt:
            stops = patience
    assert stops > 5
    assert lines(tmp_path / "out", "train") == lines(whole, "train")
    assert check_documents(tmp_path / "out") == check_documents(whole)


def test_killed_at_random_moments_it_goes_on_and_makes_the_same(
    tmp_path: Path, sources: tuple[str, ...], whole: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.data.flow_texts import run; "
        "from firesteel.compute.workers import Processes; "
        f"run(Path({str(tmp_path / 'out')!r}), {sources!r}, Processes(2), Path({str(tmp_path / 'work')!r}))"
    )
    environment, rng = os.environ | {"PYTHONPATH": os.getcwd()}, random.Random(0)
    for delay in (rng.uniform(0.5, 1.5), rng.uniform(1.5, 3), rng.uniform(3, 4.5), 120.0):
        process = subprocess.Popen([sys.executable, "-c", code], env=environment)
        try:
            process.wait(delay)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            time.sleep(0.7)  # its workers notice within half a second
    assert process.returncode == 0
    assert hashes(tmp_path / "out") == hashes(whole)


class Fragile(Serial):
    """Its worker dies of any task that holds a certain file."""

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See Executor."""
        for i, task in enumerate(tasks):
            parts = task.unit.parts if isinstance(task, ReadTask) and task.unit else ()
            deadly = any(part.file.name not in task.broken and part.file.name == "deadly.md" for part in parts)
            yield i, Crash("its process died") if deadly else function(task)


def test_a_file_that_kills_its_reader_costs_itself_only(tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", {f"{i}.txt": chinese(i) for i in range(6)} | {"deadly.md": chinese(7)})
    stats = run(tmp_path / "out", (str(folder),), Fragile())
    assert stats["kept"] + stats["heldout"] == 6
    (record,) = read_documents(tmp_path / "out", "dropped")
    assert record["rule"] == "unreadable" and record["source"] == "docs/deadly.md" and "died" in record["value"]


def test_a_new_delivery_is_compared_with_what_was_kept_before(tmp_path: Path) -> None:
    from firesteel.core import artefact

    old = write(tmp_path / "old", {f"{i}.txt": chinese(i, 20) for i in range(20)})
    with artefact.writing(tmp_path / "first", "documents") as draft:
        run(draft.path, (str(old),))
    near = chinese(4, 20).replace("今天", "昨天", 1)
    new = write(
        tmp_path / "new",
        {"a-copy.txt": chinese(3, 20), "b-near.txt": near} | {f"{i}.txt": chinese(100 + i, 20) for i in range(9)},
    )
    stats = run(tmp_path / "second", (str(new),), against=(str(tmp_path / "first"),))
    assert stats["in"] == 11 and stats["kept"] + stats["heldout"] == 9
    dropped = {record["source"]: record for record in read_documents(tmp_path / "second", "dropped")}
    before = {r["id"]: r["source"] for s in ("train", "heldout") for r in read_documents(tmp_path / "first", s)}  # type: ignore[arg-type]
    assert before[dropped["new/a-copy.txt"]["value"]] == "old/3.txt"
    assert before[dropped["new/b-near.txt"]["value"].split()[0]] == "old/4.txt"
    check_documents(tmp_path / "second")


def test_a_seeded_choice_of_a_source(tmp_path: Path) -> None:
    records = [{"text": chinese(i)} for i in range(50)] + [{"none": 1}]
    file = write_lines(tmp_path / "many.jsonl", records)
    stats = run(tmp_path / "out", (str(file),), max_documents=20)
    assert stats["in"] == 20 and stats["sources"]["many.jsonl"] == stats["sources"]["many.jsonl"] | {
        "found": 51,
        "read": 20,
    }


def kept_texts(out: Path) -> list[str]:
    """All texts that are kept."""
    return [record["text"] for split in ("train", "heldout") for record in read_documents(out, split)]  # type: ignore[arg-type]


def test_a_line_within_a_paragraph_is_not_counted_twice(tmp_path: Path) -> None:
    shared = "\n".join(chinese(i, 1) for i in range(12))
    own = [chinese(500 + i, 2) for i in range(8)]
    write(tmp_path / "docs", {"a.txt": shared, "b.txt": shared + "\n" + "\n".join(own), "c.txt": chinese(9, 9)})
    chosen = {"duplicates": ("paragraph", "line"), "min_chars": 100, "boilerplate": 0.0, "rules": ()}
    run(tmp_path / "out", (str(tmp_path / "docs"),), **chosen)
    assert "\n".join(own) in kept_texts(tmp_path / "out")


def test_nothing_is_kept_of_which_only_a_heading_is_left(tmp_path: Path) -> None:
    shared = [chinese(i, 3) for i in range(10)]
    texts = {"a.txt": "\n\n".join(shared), "b.txt": "\n\n".join(["通知", *shared[::-1]]), "c.txt": chinese(99, 9)}
    write(tmp_path / "docs", texts)
    run(tmp_path / "out", (str(tmp_path / "docs"),), duplicates=("paragraph",), boilerplate=0.0)
    assert min(map(len, kept_texts(tmp_path / "out"))) > 10 and len(kept_texts(tmp_path / "out")) == 2
    (record,) = read_documents(tmp_path / "out", "dropped")
    assert record["rule"] == "duplicate paragraphs" and record["value"] > 0.9


def test_what_a_document_shared_is_not_lost_when_the_document_goes(tmp_path: Path) -> None:
    first, shared, rest = chinese(1, 12), chinese(2, 5)[:190], chinese(3, 30)
    question = chinese(4, 6)
    texts = {"0.txt": f"{first}\n{question}", "a.txt": f"{shared}\n{question}", "b.txt": f"{shared}\n{rest}"}
    write(tmp_path / "docs", texts)
    run(tmp_path / "out", (str(tmp_path / "docs"),), min_chars=200, duplicates=("paragraph",), boilerplate=0.0)
    assert sum(shared in text for text in kept_texts(tmp_path / "out")) == 1


def test_no_survivor_is_similar_to_another_even_in_a_wide_cluster(tmp_path: Path) -> None:
    from firesteel.data.dedup.keys import shingles
    from firesteel.data.dedup.near import jaccard
    from tests.data.test_dedup import edited

    base = chinese(1, 40)
    texts = {f"{i:02}.txt": edited(base, 0.012 * (i % 4), i) for i in range(60)}
    write(tmp_path / "docs", texts | {"z.txt": chinese(2, 40)})
    run(tmp_path / "out", (str(tmp_path / "docs"),), duplicates=("document", "near"), rules=(), boilerplate=0.0)
    import numpy as np

    sets = [np.unique(shingles([text])[0]) for text in kept_texts(tmp_path / "out")]
    assert 2 <= len(sets) < 40
    assert all(jaccard(a, b) < 0.8 for i, a in enumerate(sets) for b in sets[:i])
