"""Who computes next: admission, chunked prefill, decode, pre-emption. Policy only; there is no tensor here.

Requests are admitted first come, first served, while there are free rows and blocks. Every step decodes all sequences that
are ready and spends at most a budget of tokens on prompts, so a long prompt cannot starve those who already talk. When
blocks run out the youngest gives up its blocks, keeps its tokens and waits in front; the oldest always advances, and no
request is accepted that could not finish alone: nothing can deadlock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from firesteel.core.errors import UserError
from firesteel.serve.blocks import BlockPool
from firesteel.serve.sequence import Sequence


@dataclass(frozen=True)
class Chunk:
    """`count` tokens of a sequence's prompt, from `start`, to be computed in this step."""

    sequence: Sequence
    start: int
    count: int


@dataclass
class Plan:
    """One step: who left the batch, whose block table grew, who decodes, and the prompt chunks to compute."""

    preempted: list[Sequence] = field(default_factory=list)
    grown: list[Sequence] = field(default_factory=list)
    decode: list[Sequence] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)


class Scheduler:
    """Waiting and running sequences over one pool of blocks. `running` is in order of arrival: the youngest is last."""

    def __init__(self, pool: BlockPool, max_sequences: int) -> None:
        self.pool, self.max_sequences = pool, max_sequences
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.preemptions = 0

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
                why=f"the cache holds {room}", hint="shorten it, or raise serve.cache_tokens",
            )  # fmt: skip
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence that finished or was aborted; its blocks are free at once."""
        (self.running if sequence.blocks else self.waiting).remove(sequence)
        self._release(sequence)

    def schedule(self, prefill_tokens: int, patience: int = 1) -> Plan:
        """The next step, with at most `prefill_tokens` (padded) prompt tokens in it.

        Who waits is admitted once `patience` rows are free: 1 for people, more where only throughput counts.
        """
        plan = Plan()
        self._grow(plan)
        if not self.running or self.max_sequences - len(self.running) >= min(patience, len(self.waiting)):
            self._admit()
        prompts: list[Sequence] = []
        for sequence in self.running:
            (plan.decode if sequence.pending == 1 else prompts).append(sequence)
        plan.chunks = _chunks(prompts, prefill_tokens)
        return plan

    def _grow(self, plan: Plan) -> None:
        """A block for every next token that has none; the oldest first, at the youngest's expense."""
        size = self.pool.block_size
        for sequence in list(self.running):
            if sequence.cached < len(sequence.blocks) * size or not sequence.blocks:
                continue  # it has room, or was pre-empted just now
            while not self.pool.free and sequence.blocks:
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
        self.pool.give(sequence.blocks)
        sequence.blocks = []
        sequence.cached = 0

    def _admit(self) -> None:
        """First come, first served. A block per running sequence stays free, or the newcomer would soon be pre-empted."""
        while self.waiting and len(self.running) < self.max_sequences:
            need = self.pool.needed(self.waiting[0].pending)
            if need + len(self.running) > self.pool.free:
                return
            sequence = self.waiting.popleft()
            sequence.blocks = self.pool.take(need)
            self.running.append(sequence)


def _chunks(prompts: list[Sequence], budget: int) -> list[Chunk]:
    """Prompt chunks, oldest first; padded to the longest of them they stay within the budget."""
    chunks: list[Chunk] = []
    longest = 0
    for sequence in prompts:
        count = min(sequence.pending, budget)
        longest = max(longest, count)
        if chunks and longest * (len(chunks) + 1) > budget:
            break
        chunks.append(Chunk(sequence, sequence.cached, count))
    return chunks
