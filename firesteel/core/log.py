"""Metrics of a run: `metrics.jsonl`, TensorBoard event files, alarms, and progress on the console.

In several processes each has a RunLog, and only the first one's writes and speaks.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.markup import escape

from firesteel.core import live
from firesteel.core.artefact import disk_error, write_text
from firesteel.core.board import Board

Metric = float | int | str | list[float] | Mapping[str, float] | None


class RunLog:
    """Appends one JSON line a record to `DIR/metrics.jsonl`: {"stage", "step", "time", metric: value, ...}.

    A value is a number (null if it is not finite), a text, a list of numbers, or {name: number}; an alarm is a record
    with "alarm" and "text" in place of metrics. Steps grow within a stage. `rewind` forgets the metrics after a
    checkpoint, so that a resumed stage continues the curve instead of doubling it. Threads may share it.
    """

    def __init__(self, directory: Path, console: Console | None = None, *, first: bool = True) -> None:
        self.directory, self.first = directory, first
        self.console = console if console is not None and first else Console(quiet=True)
        self.file = directory / "metrics.jsonl"
        if first:
            directory.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()  # the stall watch speaks from a thread of its own
        self._lines: IO[str] | None = None
        self._boards: dict[str, Board] = {}  # by stage, as steps of different stages say nothing about each other
        self._bar: live.Lines | None = None
        self._alarms: set[tuple[Any, ...]] = set()  # recorded ones

    def say(self, text: str) -> None:
        """One line on the console (rich markup)."""
        self.console.print(text, highlight=False)

    def metrics(self, stage: str, step: int, show: str = "", **values: Metric) -> None:
        """Record values of one step; `show` is the console line for it, if any. Raises MachineError for a full disk."""
        if self.first:
            facts = {name: _plain(value) for name, value in values.items()}
            self._append({"stage": stage, "step": step, "time": round(time.time(), 3)} | facts)
            self._board(stage).add(step, facts)
        if show:
            self.say(show)

    def alarm(self, stage: str, step: int, kind: str, text: str) -> None:
        """Say aloud that something is wrong at a step, and record it. `kind`: nan, spike, stall, replicas, ..."""
        if not self.first:
            return
        record = {"stage": stage, "step": step, "time": round(time.time(), 3), "alarm": kind, "text": text}
        if _what(record) not in self._alarms:  # a step done again after a crash raises the same one again
            self._alarms.add(_what(record))
            self._append(record)
        self.say(f"  [bold yellow]! {escape(stage)}, step {step}:[/bold yellow] {escape(text)}")
        if self._bar is not None:
            self._bar.alarm(f"step {step}: {text}")

    @contextlib.contextmanager
    def progress(self, stage: str, start: int, total: int) -> Iterator[live.Lines]:
        """A stage on the console while it goes from step `start` to `total`: call `update(done, metrics)` after each step.

        A live area on a terminal; elsewhere about ten lines a stage. Both end when the block does, however it ends.
        """
        if self.first:
            self._board(stage).open()  # loading its library takes seconds, which are no part of a step
        with live.progress(self.console, stage, start, total) as bar:
            self._bar = bar
            try:
                yield bar
            finally:
                self._bar = None

    def rewind(self, stage: str, step: int) -> None:
        """Forget what `stage` measured after `step`, and any half-written last line.

        Alarms stay, unless the stage starts over: one of them may be why it goes back.
        """
        if not self.first:
            return
        with self._lock:
            self._close_lines()  # the file is replaced
            kept = [r for r in self.records() if r["stage"] != stage or r["step"] <= step or ("alarm" in r and step)]
            self._alarms = {_what(r) for r in kept if "alarm" in r}
            write_text(self.file, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))
            self._board(stage).rewind(step)

    def records(self, stage: str | None = None) -> Iterator[dict[str, Any]]:
        """The records so far, of one stage or of all."""
        yield from read_metrics(self.file, stage)

    def flush(self) -> None:
        """Bring TensorBoard's events to the disk, too; before a checkpoint, for a kill must lose no step before it."""
        with self._lock:
            for board in self._boards.values():
                board.flush()

    def close(self) -> None:
        """Flush and close the files; a later record opens them again."""
        with self._lock:
            self._close_lines()
            for board in self._boards.values():
                board.close()

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False) + "\n"
        try:
            with self._lock:
                if self._lines is None:
                    self._lines = _open_lines(self.file)
                self._lines.write(line)
                self._lines.flush()  # what is flushed outlives this process, even kill -9
        except OSError as e:
            raise disk_error(e, self.file) from e

    def _close_lines(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _board(self, stage: str) -> Board:
        if stage not in self._boards:
            self._boards[stage] = Board(self.directory / "tensorboard" / stage, stage)
        return self._boards[stage]


def _what(alarm: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two alarms the same; not when they were raised."""
    return tuple(alarm.get(key) for key in ("stage", "step", "alarm", "text"))


def _open_lines(file: Path) -> IO[str]:
    """The metrics file at its end; a half line that a killed process left gets an end, so that the next stays whole."""
    whole = True
    if file.is_file() and file.stat().st_size:
        with file.open("rb") as f:
            f.seek(-1, 2)
            whole = f.read(1) == b"\n"
    lines = file.open("a", encoding="utf-8")
    if not whole:
        lines.write("\n")
    return lines


def _plain(value: Metric) -> Any:
    """A value as JSON knows it: NaN and infinity, which JSON has no words for, become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def read_metrics(file: Path, stage: str | None = None) -> Iterator[dict[str, Any]]:
    """Records of a metrics file; a half-written line is left out."""
    for record in read_lines(file):
        if "stage" in record and "step" in record and stage in (None, record["stage"]):
            yield record


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The objects in a file of JSON lines; what a killed process left half-written is left out, no file is none."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8", errors="replace") as f:
        for line in f:
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield record
