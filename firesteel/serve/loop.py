"""The engine's own thread, and the way between it and asyncio handlers.

Handlers put sequences in and read events from a queue; the thread steps while there is work and sleeps otherwise. If a step
raises, the loop is dead and says so: every waiting handler gets the failure, and `problem` tells health checks.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable

from firesteel.core.errors import FiresteelError
from firesteel.serve.engine import Engine
from firesteel.serve.sequence import Event, Sequence

Inbox = asyncio.Queue[Event | FiresteelError]
STALLED_AFTER = 120.0  # seconds in one step after which the loop counts as hung
RESERVED = 4  # one part in so many of the places is out of reach for any single owner of a key
LAST_STEP = 10.0  # seconds that a step may still take when the thread should end; a hung one is left behind

_log = logging.getLogger(__name__)


class QueueFull(Exception):
    """As many requests are in flight as may be."""


class EngineLoop:
    """Steps an engine in a background thread. All methods but the thread's own are for one asyncio loop."""

    def __init__(self, engine: Engine, *, max_in_flight: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine, self.max_in_flight = engine, max_in_flight
        self.draining = False  # set: what runs is finished, and nothing new is taken (openai/operation.py refuses it)
        self.admitted: Callable[[float], None] = lambda seconds: (
            None
        )  # told how long each sequence waited for its place
        self._clock = clock
        self._commands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._inboxes: dict[str, Inbox] = {}
        self._owners: dict[str, bytes] = {}  # of the same sequences: their salt, which is the key's owner
        self._queued: dict[str, tuple[Sequence, float]] = {}  # submitted and not begun; the thread's own
        self._error: BaseException | None = None
        self._step_began: float | None = None
        self._thread: threading.Thread | None = None
        self._asyncio: asyncio.AbstractEventLoop | None = None
        self.died = threading.Event()

    @property
    def in_flight(self) -> int:
        """Sequences accepted and not finished."""
        return len(self._inboxes)

    @property
    def problem(self) -> str | None:
        """Why no request can be served, or None when all is well."""
        if self._error is not None:
            return f"the engine stopped: {type(self._error).__name__}: {self._error}"
        if self._thread is None or not self._thread.is_alive():
            return "the engine is not running"
        began = self._step_began
        if began is not None and self._clock() - began > STALLED_AFTER:
            return f"the engine has been in one step for {self._clock() - began:.0f} s"
        return None

    def start(self) -> None:
        """Start the thread; call inside the asyncio loop that will submit."""
        assert self._thread is None
        self._asyncio = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="firesteel-engine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the current step; what is still in flight fails."""
        if self._thread is not None:
            self._commands.put(None)
            self._thread.join(LAST_STEP)
            self._fail_all(FiresteelError("the server is shutting down"))

    def submit(self, sequences: list[Sequence]) -> Inbox:
        """Queue sequences whose events all arrive in the returned inbox; the last of each has a finish_reason.

        Raises QueueFull, UserError (can never fit) or FiresteelError (the loop is dead).
        """
        if self.problem:
            raise FiresteelError(self.problem)
        if self.in_flight + len(sequences) > self.max_in_flight or self._too_many(sequences):
            raise QueueFull
        for sequence in sequences:
            self.engine.check(sequence)
        inbox: Inbox = asyncio.Queue()
        for sequence in sequences:
            self._inboxes[sequence.id], self._owners[sequence.id] = inbox, sequence.salt
            self._commands.put(functools.partial(self._take, sequence, self._clock()))
        return inbox

    def _too_many(self, sequences: list[Sequence]) -> bool:
        """Whether one key's owner would leave the others too few places; without keys all are one, and may have all."""
        own = sequences[0].salt if sequences else b""
        held = sum(owner == own for owner in self._owners.values()) if own else 0
        return bool(own) and held + len(sequences) > self.max_in_flight - max(1, self.max_in_flight // RESERVED)

    def abort(self, id: str) -> None:
        """Drop a sequence; nothing more arrives for it. Unknown ids are ignored."""
        self._owners.pop(id, None)
        if self._inboxes.pop(id, None) is not None:
            self._commands.put(functools.partial(self._drop, id))

    def cut(self) -> None:
        """Abort everything; who waits is told that the server is shutting down."""
        for id in self._inboxes:
            self._commands.put(functools.partial(self._drop, id))
        self._fail_all(FiresteelError("the server is shutting down"))

    def _take(self, sequence: Sequence, asked: float) -> None:
        self.engine.submit(sequence)
        self._queued[sequence.id] = (sequence, asked)

    def _drop(self, id: str) -> None:
        self._queued.pop(id, None)
        self.engine.abort(id)

    def _run(self) -> None:
        try:
            while self._obey():
                self._step_began = self._clock()
                events = self.engine.step()
                if self._queued:
                    self._note_begun(self._step_began)
                self._step_began = None
                if events:
                    self._call(self._deliver, events)
        except BaseException as e:
            self._error = e
            _log.exception("the engine loop died")
            self._call(self._fail_all, FiresteelError("the engine stopped", why=f"{type(e).__name__}: {e}"))
            self.died.set()

    def _note_begun(self, step_began: float) -> None:
        """Tell how long those have waited whose first tokens this step computed."""
        for id, (sequence, asked) in list(self._queued.items()):
            if sequence.cached or sequence.finish_reason:
                self.admitted(max(0.0, step_began - asked))
                del self._queued[id]

    def _obey(self) -> bool:
        """Carry out all commands; wait for one while there is no work. False = stop."""
        while True:
            try:
                command = self._commands.get(block=not self.engine.busy)
            except queue.Empty:
                return True
            if command is None:
                return False
            command()

    def _call(self, function: Callable[..., None], argument: object) -> None:
        assert self._asyncio is not None
        try:
            self._asyncio.call_soon_threadsafe(function, argument)
        except RuntimeError:  # the asyncio loop is closed: nobody is left to tell
            _log.debug("no event loop to deliver to")

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            inbox = self._inboxes.get(event.sequence)
            if inbox is not None:
                inbox.put_nowait(event)
                if event.finish_reason:
                    del self._inboxes[event.sequence], self._owners[event.sequence]

    def _fail_all(self, error: FiresteelError) -> None:
        for inbox in {id(inbox): inbox for inbox in self._inboxes.values()}.values():
            inbox.put_nowait(error)
        self._inboxes.clear()
        self._owners.clear()
