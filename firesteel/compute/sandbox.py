"""Running code that nobody has read: a caged child process without files, network, other processes, or time to waste.

    with Sandbox() as sandbox:
        sandbox.run("print(6 * 7)").stdout        # "42\\n"
        sandbox.run_many(programs)                 # on all workers, in order

A program is Python text. It sees its stdin, and what of the standard library has been loaded for it; nothing on any file
system, not even names and sizes. An allow-list of system calls stands around it (seccomp, sandbox_policy.py), behind that
Landlock (files, TCP, signals), and limits on what it may use. Where a wall cannot be built the sandbox refuses
(MachineError); it has no weaker way, and it tries its own walls when it starts. What it does not guard against: faults of
the kernel itself, and what a program can learn from the processor's clocks and caches.

Each worker is a keeper process (sandbox_child.py) that forks one child per program, so that a program costs milliseconds
and yet starts from a state that no other program has touched.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from firesteel.compute import sandbox_policy
from firesteel.compute.sandbox_keeper import Keeper, Limits, Program, Ran
from firesteel.core.errors import MachineError

__all__ = ["Limits", "Program", "Ran", "Sandbox", "run", "run_many", "shared"]
PROOF = """
import ctypes, os, socket
def denied(act):
    try: return act() == -1
    except OSError: return True
acts = (lambda: open("/etc/passwd"), lambda: os.stat("/"), lambda: os.listdir("/"), lambda: open("x", "w"), os.fork,
        socket.socketpair, lambda: ctypes.CDLL(None).syscall(%d, 0))
print(all([denied(act) for act in acts]), end="")
"""


class Sandbox:
    """Some keepers, started when they are first needed; `close()` (or the end of the process) ends them.

    `workers`: programs that run at a time. Safe to use from several threads. Raises MachineError, at once, where the
    machine cannot hold the cage.
    """

    def __init__(self, limits: Limits | None = None, *, workers: int = 1) -> None:
        if lack := sandbox_policy.missing():
            raise MachineError(
                "untrusted code cannot be run here", why=lack, hint="use a Linux machine, or another task"
            )
        assert workers >= 1
        self.limits = limits or Limits()
        self.workers = workers
        self._idle: queue.LifoQueue[Keeper | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._alive: dict[int, Keeper] = {}
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _end_all, self._alive, os.getpid())

    def run(self, source: str, stdin: bytes = b"", limits: Limits | None = None) -> Ran:
        """Run one program; waits for a free worker."""
        assert os.getpid() == self._owner, "a sandbox is its process's own: a fork makes another"
        keeper = self._idle.get()
        ran = None
        try:
            keeper = keeper or self._start()
            ran = keeper.run(Program(source, stdin), limits or self.limits)
            return ran or Ran("killed", "", "")
        finally:
            if ran is None and keeper is not None:  # dead, or interrupted with an answer of its own still to come
                self._bury(keeper)
                keeper = None
            self._idle.put(keeper)

    def run_many(self, programs: Iterable[Program], limits: Limits | None = None) -> list[Ran]:
        """Run all programs on all workers; what became of each, in order."""
        listed = list(programs)
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(lambda each: self.run(each.source, each.stdin, limits), listed))

    def close(self) -> None:
        """End the keepers, and with them what they run."""
        self._end()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> Keeper:
        assert self._end.alive, "the sandbox was closed"
        keeper = Keeper.start()
        with self._lock:
            self._alive[keeper.process.pid] = keeper
        proof = keeper.run(Program(PROOF % os.getpid()), Limits())
        if proof is None or proof.stdout != "True":
            self._bury(keeper)
            raise MachineError("the sandbox does not hold", why=proof.why if proof else "its keeper ended")
        return keeper

    def _bury(self, keeper: Keeper) -> None:
        with self._lock:
            self._alive.pop(keeper.process.pid, None)
        keeper.end()


def _end_all(alive: dict[int, Keeper], owner: int) -> None:
    if os.getpid() == owner:  # a fork of the owner has no business with its keepers
        while alive:
            alive.popitem()[1].end()


def shared() -> Sandbox:
    """This process's own sandbox, for those who are handed none. Raises MachineError as Sandbox does."""
    return _of_process(os.getpid())


@cache
def _of_process(pid: int) -> Sandbox:
    return Sandbox(workers=max(1, min(8, os.cpu_count() or 1)))


def run(source: str, stdin: bytes = b"", limits: Limits | None = None) -> Ran:
    """Run one program in this process's own sandbox."""
    return shared().run(source, stdin, limits)


def run_many(programs: Iterable[Program], limits: Limits | None = None, *, workers: int = 2) -> list[Ran]:
    """Run programs, `workers` at a time, in a sandbox of their own; what became of each, in order."""
    with Sandbox(limits, workers=workers) as sandbox:
        return sandbox.run_many(programs)
