"""The choices of one request while they are computed: engine events in, text deltas out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Generic, Protocol, TypeVar

from firesteel.core.errors import FiresteelError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.loop import EngineLoop, Inbox, QueueFull
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.reply import Delta, Reply
from firesteel.serve.sequence import Event, Sequence

PING_AFTER = 15.0  # seconds of silence after which a stream sends a comment, for proxies
RETRY_AFTER = 0.25  # seconds until a request of which nothing is with the engine asks for room again


class Listener(Protocol):
    """What becomes of one sequence's events."""

    @property
    def finish_reason(self) -> str | None:
        """Why it is over, once it is; it may end before its sequence does."""
        ...

    def push(self, event: Event) -> Delta:
        """Take the next event; what it lets out."""
        ...


L = TypeVar("L", bound=Listener)


class Choices(Generic[L]):
    """The sequences of one request while they are computed. `close` gives everything back, whatever has happened.

    At most `window` of them are with the engine at a time, so that one large request leaves room for others; 0: all at
    once. `metrics`: where the times of their tokens are counted. Raises what `EngineLoop.submit` does.
    """

    def __init__(
        self, loop: EngineLoop, metrics: Metrics | None, sequences: list[Sequence], replies: list[L], window: int = 0
    ) -> None:
        self.replies, self._loop, self._metrics = replies, loop, metrics
        self._index = {s.id: i for i, s in enumerate(sequences)}
        self._window = window or len(sequences)
        first, self._waiting = sequences[: self._window], sequences[self._window :]
        for sequence in self._waiting:
            loop.engine.check(sequence)
        self._open = {s.id for s in first}
        self._last: dict[str, float] = {}
        self._began = time.perf_counter()
        self._inbox = loop.submit(first)
        self._couriers: set[asyncio.Task[None]] = set()

    async def deltas(self) -> AsyncIterator[tuple[int, Delta] | None]:
        """(choice, what it let out) until all are finished; None after some seconds of silence."""
        while self._open or self._waiting:
            self._feed()
            try:
                async with asyncio.timeout(PING_AFTER if self._open else RETRY_AFTER):
                    item = await self._inbox.get()
            except TimeoutError:
                yield None
                continue
            if isinstance(item, FiresteelError):
                raise ApiError(500, f"The answer could not be finished: {item.what}.", code="engine_error") from item
            if item.sequence not in self._open:  # computed before the engine heard that it was cut
                continue
            self._clock(item.sequence)
            index = self._index[item.sequence]
            delta = self.replies[index].push(item)
            if self.replies[index].finish_reason:
                self._open.discard(item.sequence)
                self._loop.abort(item.sequence)  # a stop string or the guard may have cut it
            yield index, delta

    def close(self) -> None:
        """Abort what is still running and count what was used."""
        for id in self._open:
            self._loop.abort(id)
        for courier in self._couriers:
            courier.cancel()
        self._open.clear()
        self._waiting.clear()

    def _feed(self) -> None:
        """Give the engine what waits, as far as the window and the queue have room."""
        while self._waiting and len(self._open) < self._window:
            sequence = self._waiting[0]
            try:
                inbox = self._loop.submit([sequence])
            except QueueFull:
                return
            except FiresteelError as e:
                raise ApiError(500, f"The answer could not be finished: {e.what}.", code="engine_error") from e
            self._waiting.pop(0)
            self._open.add(sequence.id)
            courier = asyncio.create_task(_carry(inbox, self._inbox))
            self._couriers.add(courier)
            courier.add_done_callback(self._couriers.discard)

    def _clock(self, id: str) -> None:
        if self._metrics is None:
            return
        now = time.perf_counter()
        if id in self._last:
            self._metrics.per_token.observe(now - self._last[id])
        else:
            self._metrics.first_token.observe(now - self._began)
        self._last[id] = now


class Generation(Choices[Reply]):
    """The choices of one chat request while they are computed."""


async def _carry(source: Inbox, target: Inbox) -> None:
    """Carry events on until the last."""
    while True:
        item = await source.get()
        target.put_nowait(item)
        if isinstance(item, FiresteelError) or item.finish_reason:
            return


@contextlib.contextmanager
def submitting(loop: EngineLoop) -> Iterator[None]:
    """Turn what `EngineLoop.submit` raises into ApiError: 429 no room, 400 can never run, 503 dead."""
    try:
        yield
    except QueueFull as e:
        message = f"The server is busy with {loop.in_flight} requests; try again."
        raise ApiError(429, message, code="queue_full", headers={"Retry-After": "1"}) from e
    except UserError as e:
        said = e.what if e.value is None else f"{e.what}: {e.value}"
        raise ApiError(400, f"{said}. {e.why}", code="invalid_value") from e
    except FiresteelError as e:
        message = f"The server cannot answer: {e.what}."
        raise ApiError(503, message, code="engine_dead", headers={"Retry-After": "30"}) from e


def fair_window(loop: EngineLoop) -> int:
    """How many sequences of one request with many prompts may be with the engine: half of what it takes."""
    return max(1, loop.max_in_flight // 2)


class Refusal:
    """What a generation looks like when the guard refused the request: nothing is computed."""

    def __init__(self, tokenizer: Tokenizer, choices: int, text: str) -> None:
        self.replies, self._text = [Reply(tokenizer) for _ in range(choices)], text

    async def deltas(self) -> AsyncIterator[tuple[int, Delta] | None]:
        """The refusal, once a choice."""
        for i, reply in enumerate(self.replies):
            reply.finish_reason = "content_filter"
            yield i, Delta(answer=self._text)

    def close(self) -> None:
        """Nothing was taken."""
