"""Metrics of a run: `metrics.jsonl`, TensorBoard event files, and progress on the console."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from firesteel.core.artefact import disk_error, write_text


class RunLog:
    """Appends one JSON line a record to `DIR/metrics.jsonl`: {"stage", "step", "time", metric: value, ...}.

    Steps grow within a stage. `rewind` forgets the records after a checkpoint, so that a resumed stage continues the
    curve instead of doubling it.
    """

    def __init__(self, directory: Path, console: Console | None = None) -> None:
        self.directory, self.console = directory, console or Console(quiet=True)
        self.file = directory / "metrics.jsonl"
        directory.mkdir(parents=True, exist_ok=True)
        self._board: Any = None

    def say(self, text: str) -> None:
        """One line on the console (rich markup)."""
        self.console.print(text, highlight=False)

    def metrics(self, stage: str, step: int, show: str = "", **values: float | int | str | list[float]) -> None:
        """Record values of one step; `show` is the console line for it, if any."""
        record = {"stage": stage, "step": step, "time": round(time.time(), 3)} | values
        try:
            with self.file.open("a", encoding="utf-8") as f:
                f.write(json.dumps(record, ensure_ascii=False) + "\n")
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    self._writer().add_scalar(f"{stage}/{name}", value, step)
        except OSError as e:
            raise disk_error(e, self.file) from e
        if show:
            self.say(show)

    def rewind(self, stage: str, step: int) -> None:
        """Forget what `stage` recorded after `step`, and any half-written last line."""
        kept = [r for r in self.records() if r["stage"] != stage or r["step"] <= step]
        write_text(self.file, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))

    def records(self, stage: str | None = None) -> Iterator[dict[str, Any]]:
        """The records so far, of one stage or of all."""
        yield from read_metrics(self.file, stage)

    def close(self) -> None:
        """Flush the TensorBoard file."""
        if self._board is not None:
            self._board.close()
            self._board = None

    def _writer(self) -> Any:
        if self._board is None:
            from tensorboardX import SummaryWriter  # slow to import; only runs that log need it

            self._board = SummaryWriter(str(self.directory / "tensorboard"), flush_secs=30)
        return self._board


def read_metrics(file: Path, stage: str | None = None) -> Iterator[dict[str, Any]]:
    """Records of a metrics file; a half-written last line is left out."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as f:
        for line in f:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if stage is None or record.get("stage") == stage:
                yield record
