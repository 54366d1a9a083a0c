"""Who computes next: admission, chunked prefill, decode, pre-emption. Policy only; there is no tensor here.

Requests are admitted first come, first served, while there are free rows and blocks. Every step decodes all sequences that
are ready and spends the rest of a budget of tokens on prompts, so a long prompt cannot starve those who already talk. When
blocks run out the youngest gives up its blocks, keeps its tokens and waits in front; the oldest always advances, and no
request is accepted that could not finish alone: nothing can deadlock.

What was computed before is not computed again: a newcomer starts behind the longest beginning that the pool still has. If
somebody is reading the rest of that beginning just now, the newcomer keeps its place, its row and its blocks in reserve,
and waits for it; chunks go to the oldest first, so it could hardly have been faster alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from firesteel.core.errors import UserError
from firesteel.serve.blocks import BlockPool, extend_keys
from firesteel.serve.sequence import Sequence


@dataclass(frozen=True)
class Chunk:
    """`count` tokens of a sequence, from `start`, to be computed in this step; mostly of its prompt."""

    sequence: Sequence
    start: int
    count: int


@dataclass
class Plan:
    """One step: who left the batch, whose block table grew, who decodes, and the chunks to compute.

    Who has one token pending decodes, also at its very first step, if the prefix cache had all the rest of its prompt (or
    the prompt is one token long). Not so where every position of the prompt matters (`whole`) or nothing is generated:
    these read their last prompt token as a chunk.
    A table may also lose blocks at its end that were reserved for drafts; `sequence.blocks` says what may be written to.
    """

    preempted: list[Sequence] = field(default_factory=list)
    grown: list[Sequence] = field(default_factory=list)  # all of them in `decode`
    decode: list[Sequence] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)


class _Wait(NamedTuple):
    """Why a sequence is held back: `reader` is going to compute blocks of its prompt, the last of them named `key`."""

    reader: Sequence
    key: bytes
    found: int  # blocks that were known when it began to wait
    need: int  # blocks that it will take then


class Scheduler:
    """Waiting and running sequences over one pool of blocks. `running` is in order of admission: the youngest is last."""

    def __init__(self, pool: BlockPool, max_sequences: int, prefix_cache: bool = True) -> None:
        self.pool, self.max_sequences, self.prefix_cache = pool, max_sequences, prefix_cache
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.preemptions = 0
        self._named: dict[Sequence, int] = {}  # who was admitted before -> blocks of its table that record() has seen
        self._reading: dict[bytes, tuple[Sequence, int]] = {}  # key -> who computes that block, and `cached` at its end
        self._held: dict[Sequence, _Wait] = {}
        self._drafting = False  # whether blocks were reserved for drafts

    @property
    def busy(self) -> bool:
        """Whether there is anything left to compute."""
        return bool(self.running or self.waiting)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence. Raises UserError if it could not finish even alone."""
        assert sequence.prompt and not sequence.blocks, "a sequence needs a prompt, and starts without blocks"
        room = self.pool.count * self.pool.block_size
        if sequence.most_cached > room:
            raise UserError(
                "the request does not fit into the cache", value=f"{sequence.most_cached} tokens",
                why=f"the cache holds {room}", hint="shorten it, or raise serve.cache_gb",
            )  # fmt: skip
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence that finished or was aborted; its blocks are free at once."""
        (self.running if sequence.blocks else self.waiting).remove(sequence)
        self._release(sequence)
        self._named.pop(sequence, None)
        self._held.pop(sequence, None)

    def record(self, sequence: Sequence) -> None:
        """Name the blocks that are full now. Call it for a running sequence, after `cached` advanced, before `remove`."""
        if not self.prefix_cache:
            return
        full, named = sequence.cached // self.pool.block_size, self._named[sequence]
        if full == named:
            return
        extend_keys(sequence, self.pool.block_size, full)
        for i in range(named, full):
            self.pool.name(sequence.blocks[i], sequence.keys[i])
        self._named[sequence] = full

    def schedule(self, step_tokens: int, patience: int = 1, lookahead: int = 0) -> Plan:
        """The next step, of `step_tokens` tokens; more only by decoding rows, which leave a quarter for prompts.

        Who waits is admitted once `patience` rows are free: 1 for people, more where only throughput counts. `lookahead`
        slots past the next token are reserved for drafts where blocks are free anyway; a decoding row counts as
        1 + lookahead tokens. O(rows) per step, and O(blocks of the prompt) for each sequence that may be admitted.
        """
        plan = Plan()
        self._grow(plan)
        short = False
        if not self.running or self.max_sequences - len(self.running) >= min(patience, len(self.waiting)):
            short = self._admit()
        readers: list[Sequence] = []
        for sequence in self.running:
            decodes = sequence.pending == 1 and (sequence.ids or _decodes_at_once(sequence))
            (plan.decode if decodes else readers).append(sequence)
        if lookahead and not short:
            self._look_ahead(plan, lookahead)
        rest = step_tokens - len(plan.decode) * (1 + lookahead)
        plan.chunks = _chunks(readers, max(rest, step_tokens // 4, 1))
        assert self._writes_alone(plan), "a step would write to a block that others read"
        return plan

    def _grow(self, plan: Plan) -> None:
        """A block for every next token that has none; the oldest first, at the youngest's expense."""
        size = self.pool.block_size
        for sequence in list(self.running):
            if sequence.cached < len(sequence.blocks) * size or not sequence.blocks:
                continue  # it has room, or was pre-empted just now
            while not self.pool.free and sequence.blocks:
                if not self._reclaim():
                    plan.preempted.append(self._preempt())
            if sequence.blocks:
                sequence.blocks += self.pool.take(1)
                plan.grown.append(sequence)

    def _preempt(self) -> Sequence:
        sequence = self.running.pop()
        self._release(sequence)
        self.waiting.appendleft(sequence)
        self.preemptions += 1
        return sequence

    def _release(self, sequence: Sequence) -> None:
        """Give up its blocks; named ones can still be found, by itself if it was pre-empted."""
        if sequence.blocks:
            for key in sequence.keys:
                if self._reading.get(key, (None, 0))[0] is sequence:
                    del self._reading[key]
        if sequence in self._named:
            self._named[sequence] = 0
        self.pool.give(sequence.blocks)
        sequence.blocks = []
        sequence.cached = 0

    def _admit(self) -> bool:
        """First come, first served; returns whether the first in the queue lacks blocks.

        A block per running sequence stays free, or the newcomer would soon be pre-empted. Who is held back counts as if it
        ran already, so those who pass it cost it nothing.
        """
        held: list[Sequence] = []
        short, reserved = False, 0
        while self.waiting and len(self.running) + len(held) < self.max_sequences:
            sequence = self.waiting[0]
            found = self._find(sequence)
            if found is None:
                held.append(self.waiting.popleft())
                reserved += self._held[sequence].need + 1
            elif self._need(sequence, found) + len(self.running) + reserved <= self.pool.free:
                self._start(self.waiting.popleft(), found)
            elif not self._reclaim():
                short = True
                break
        self.waiting.extendleft(reversed(held))
        return short

    def _find(self, sequence: Sequence) -> list[int] | None:
        """Known blocks of a waiting sequence's beginning; None if somebody is computing the next, so that it should wait.

        At least one token is left to compute, or there would be no logits. A sequence waits again only if the last time
        has brought it forward; so nobody waits for ever, even where blocks are lost again before they can be used.
        """
        if not self.prefix_cache:
            return []
        wait = self._held.get(sequence)
        if wait is not None and self._reader(wait.key) is wait.reader:
            return None
        size, known = self.pool.block_size, sequence.pending
        extend_keys(sequence, size, known // size)
        if sequence.whole:
            return []
        keys, most = sequence.keys, (known - 1) // size
        found = self.pool.match(keys[:most])
        last = len(found)
        while last < most and (reader := self._reader(keys[last])) is not None:
            last, wait_for = last + 1, reader
        if last == len(found) or (wait is not None and wait.found >= len(found)):
            return found
        need = self._need(sequence, found) - (last - len(found))
        self._held[sequence] = _Wait(wait_for, keys[last - 1], len(found), need)
        return None

    def _need(self, sequence: Sequence, found: list[int]) -> int:
        """Blocks that are free now and would not be if a sequence started behind what was found of it."""
        missing = self.pool.needed(sequence.pending) - len(found)
        return missing + sum(not self.pool.holders(block) for block in found)

    def _reader(self, key: bytes) -> Sequence | None:
        """Who is going to compute a block."""
        reader, end = self._reading.get(key, (None, 0))
        return reader if reader is not None and reader.cached < end else None

    def _start(self, sequence: Sequence, found: list[int]) -> None:
        """Run a sequence behind what was found of it."""
        size = self.pool.block_size
        self.pool.hold(found)
        sequence.blocks = found + self.pool.take(self.pool.needed(sequence.pending) - len(found))
        sequence.cached = len(found) * size
        self.running.append(sequence)
        if not self.prefix_cache:
            return
        self._held.pop(sequence, None)
        if sequence not in self._named:  # what it finds again after pre-emption is its own
            sequence.prefix_hits = sequence.cached
        self._named[sequence] = len(found)
        for i, key in enumerate(sequence.keys[len(found) :], len(found) + 1):
            if self._reader(key) is None:
                self._reading[key] = sequence, i * size

    def _look_ahead(self, plan: Plan, lookahead: int) -> None:
        """Blocks for drafts, as far as a block per running sequence stays free; none past what a sequence can cache."""
        pool, size, rows = self.pool, self.pool.block_size, len(self.running)
        grown = set(plan.grown)
        for sequence in plan.decode:
            if sequence.cached + lookahead < len(sequence.blocks) * size:
                continue
            last = min(sequence.cached + 1 + lookahead, sequence.most_cached)
            more = min(-(-last // size) - len(sequence.blocks), pool.free - rows)
            if more > 0:
                sequence.blocks += pool.take(more)
                self._drafting = True
                if sequence not in grown:
                    plan.grown.append(sequence)

    def _reclaim(self) -> bool:
        """Take back what was reserved for drafts, before anybody suffers from it; whether there was anything."""
        if not self._drafting:
            return False
        self._drafting, free = False, self.pool.free
        for sequence in self.running:
            keep = self.pool.needed(sequence.cached + sequence.pending)
            spare, sequence.blocks = sequence.blocks[keep:], sequence.blocks[:keep]
            self.pool.give(spare)
        return self.pool.free > free

    def _writes_alone(self, plan: Plan) -> bool:
        """Whether nobody else holds, or could come to hold, a block that this step writes to."""
        size, writable = self.pool.block_size, self.pool.writable
        for s in plan.decode:
            if not writable(s.blocks[s.cached // size]):
                return False
        return all(
            writable(block)
            for c in plan.chunks
            for block in c.sequence.blocks[c.start // size : self.pool.needed(c.start + c.count)]
        )


def _decodes_at_once(sequence: Sequence) -> bool:
    """Whether the last prompt token may be computed as a decoding row."""
    return sequence.sampling.max_new_tokens > 0 and not sequence.whole


def _chunks(readers: list[Sequence], budget: int) -> list[Chunk]:
    """Chunks of together `budget` tokens, the oldest first; the last may be cut."""
    chunks: list[Chunk] = []
    for sequence in readers:
        if budget == 0:
            break
        count = min(sequence.pending, budget)
        chunks.append(Chunk(sequence, sequence.cached, count))
        budget -= count
    return chunks
