"""The choices of one request while they are computed: engine events in, text deltas out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from firesteel.core.errors import FiresteelError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.loop import EngineLoop
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.reply import Delta, Reply
from firesteel.serve.sequence import Sequence

PING_AFTER = 15.0  # seconds of silence after which a stream sends a comment, for proxies


class Generation:
    """The choices of one request while they are computed. `close` gives everything back, whatever has happened."""

    def __init__(self, loop: EngineLoop, metrics: Metrics, sequences: list[Sequence], replies: list[Reply]) -> None:
        self.replies, self._loop, self._metrics = replies, loop, metrics
        self._index = {s.id: i for i, s in enumerate(sequences)}
        self._open = set(self._index)
        self._last: dict[str, float] = {}
        self._began = time.perf_counter()
        self._inbox = loop.submit(sequences)

    async def deltas(self) -> AsyncIterator[tuple[int, Delta] | None]:
        """(choice, what it let out) until all are finished; None after PING_AFTER seconds of silence."""
        while self._open:
            try:
                async with asyncio.timeout(PING_AFTER):
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
        self._open.clear()

    def _clock(self, id: str) -> None:
        now = time.perf_counter()
        if id in self._last:
            self._metrics.per_token.observe(now - self._last[id])
        else:
            self._metrics.first_token.observe(now - self._began)
        self._last[id] = now


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
