"""TensorBoard event files of one stage, written by tensorboardX; TensorBoard itself is not needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LISTS = 16  # steps between two histograms of a list: their checksum, in Python, costs more than all scalars together
WAITING = 1000  # events that may wait for the writing thread; a step never waits for it


class Board:
    """Scalars and distributions by step under `STAGE/METRIC`; the file appears with the first record.

    All values of a step go into one event: a call of `add_scalar` for each took ten times as long.
    """

    def __init__(self, directory: Path, stage: str) -> None:
        self.directory, self.stage = directory, stage
        self._writer: Any = None
        self._purge: int | None = None

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """Numbers become scalars, {name: number} a scalar each, lists now and then a histogram; texts stay out."""
        from tensorboardX.proto.summary_pb2 import Summary  # slow to import; only runs that log need it

        self.open().file_writer.add_summary(Summary(value=list(self._events(Summary, step, values))), step)

    def rewind(self, step: int) -> None:
        """Have TensorBoard forget what this stage recorded after `step`, if an earlier process did."""
        self.close()
        self._purge = step + 1 if self.directory.is_dir() else None

    def flush(self) -> None:
        """Write what is waiting."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Flush and close the file; a later record opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def open(self) -> Any:
        """The writer; made at the first call."""
        if self._writer is None:
            from tensorboardX import SummaryWriter

            earlier = len(
                list(self.directory.glob("events*"))
            )  # in the name: a second alone may be that of an earlier file
            self._writer = SummaryWriter(
                str(self.directory),
                flush_secs=30,
                max_queue=WAITING,
                purge_step=self._purge,
                filename_suffix=f".{earlier}",
            )
            self._purge = None
        return self._writer

    def _events(self, summary: Any, step: int, values: Mapping[str, Any]) -> Iterator[Any]:
        for name, value in values.items():
            tag = f"{self.stage}/{name}"
            if isinstance(value, int | float):
                yield summary.Value(tag=tag, simple_value=value)
            elif isinstance(value, Mapping):
                yield from (
                    summary.Value(tag=f"{tag}/{key}", simple_value=v) for key, v in value.items() if v is not None
                )
            elif isinstance(value, list) and step % LISTS == 1 and value and None not in value:
                yield summary.Value(tag=tag, histo=_bars(value))


def _bars(values: list[float]) -> Any:
    """A histogram whose bar i is item i: the load of expert i, and no search for bins."""
    from tensorboardX.proto.summary_pb2 import HistogramProto

    edges = [i + 0.5 for i in range(len(values))]
    return HistogramProto(
        min=-0.5, max=edges[-1], num=sum(values), sum=0.0, sum_squares=0.0, bucket_limit=edges, bucket=values
    )
