"""Worker processes on this machine: as many as there are cores, or as memory allows.

A worker that dies (killed, out of memory, a fault in a parser written in C) takes its pool with it. The tasks that were
under way are then run again, each in a process of its own, so that the guilty one is found and the others are done.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from firesteel.compute import proc
from firesteel.core.work import Crash

WORKER_BYTES = 300 << 20  # resident memory of one worker at its fullest, measured
OWN_BYTES = 400 << 20  # of the process that gives out the work
AHEAD = 2  # tasks given to the pool for each worker


def count(wanted: int = 0) -> int:
    """How many workers: `wanted`, or (0) one a core, but no more than memory holds."""
    if wanted:
        return wanted
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    left, limit = proc.memory_available(), proc.memory_limit()  # what is left does not hold our own share any more
    rooms = [
        cores,
        *([left // WORKER_BYTES] if left else []),
        *([(limit - OWN_BYTES) // WORKER_BYTES] if limit else []),
    ]
    return max(1, min(rooms))


class Processes:
    """An Executor over fresh interpreters (no fork: the parent may hold threads and locks), kept from one run to the next."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = count(workers)
        self._pool: ProcessPoolExecutor | None = None

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See core.work.Executor."""
        waiting = list(range(len(tasks)))[::-1]
        while waiting:
            suspects: list[int] = []
            yield from self._together(function, tasks, waiting, suspects)
            for i in suspects:
                yield i, self._alone(function, tasks[i])

    def close(self) -> None:
        """Let the workers go; the next run starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _together(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], waiting: list[int], suspects: list[int]
    ) -> Iterator[tuple[int, Any]]:
        """Work `waiting` off until it is empty or the pool breaks; `suspects` were under way then."""
        self._pool = self._pool or _executor(self.workers)
        under_way: dict[Future[Any], int] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) < AHEAD * self.workers:
                    under_way[self._pool.submit(function, tasks[waiting[-1]])] = waiting[-1]
                    waiting.pop()
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    yield under_way.pop(future), result
        except BrokenProcessPool:
            suspects += sorted(under_way.values())
            self.close()
        finally:
            for future in under_way:
                future.cancel()

    def _alone(self, function: Callable[[Any], Any], task: Any) -> Any:
        with _executor(1) as pool:
            try:
                return pool.submit(function, task).result()
            except BrokenProcessPool:
                return Crash("its process died: killed, out of memory, or a fault in a reader")


def _executor(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_set_up, initargs=(os.getpid(),))


def _set_up(parent: int) -> None:
    """A worker uses one core (libraries are told before they load), and does not outlive whoever gave it work."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)  # the parent was killed: its pipes never say so to a worker that waits for the next task
