"""A simulated cache for the scheduler's tests, and all that must hold after each of its steps."""

from __future__ import annotations

import random
from collections import Counter

from firesteel.serve.blocks import BlockPool
from firesteel.serve.scheduler import Plan, Scheduler
from firesteel.serve.sequence import Sampling, Sequence


class Machine:
    """A scheduler and a simulated cache: a slot holds a hash of all that the model has read up to it, or None."""

    def __init__(
        self, blocks: int = 100, block_size: int = 4, rows: int = 8, prefix_cache: bool = True, seed: int = 0
    ) -> None:
        self.scheduler = Scheduler(BlockPool(blocks, block_size), rows, prefix_cache)
        self.pool, self.size = self.scheduler.pool, block_size
        self.slots: list[list[int | None]] = [[None] * block_size for _ in range(blocks + 1)]
        self.marks: dict[str, list[int]] = {}
        self.rng = random.Random(seed)
        self.hits: dict[str, int] = {}  # cached tokens of each sequence when it was first admitted
        self.read = 0  # tokens computed in chunks

    def add(self, *sequences: Sequence) -> None:
        for sequence in sequences:
            self.scheduler.add(sequence)

    def mark(self, s: Sequence, position: int) -> int:
        """What a slot holds after position was computed in the context of a sequence."""
        marks = self.marks.setdefault(s.id, [hash((s.adapter, s.salt))])
        for token in s.tokens(len(marks) - 1, position + 2 - len(marks)):
            marks.append(hash((marks[-1], token)))
        return marks[position + 1]

    def write(self, s: Sequence, position: int, mark: int) -> None:
        block = s.blocks[position // self.size]
        assert self.pool.writable(block), "written although others read it"
        self.slots[block][position % self.size] = mark

    def compute(self, plan: Plan, lookahead: int = 0) -> list[Sequence]:
        """What the runner does, without a model. Returns those that finished."""
        for s in plan.decode:
            drafts = min(lookahead, len(s.blocks) * self.size - s.cached - 1)
            for i in range(drafts + 1):  # everything is computed, then some drafts turn out wrong
                self.write(s, s.cached + i, -1)
            self._advance(s, 1 + self.rng.randint(0, drafts))
        for c in plan.chunks:
            self.read += c.count
            for position in range(c.start, c.start + c.count):
                self.write(c.sequence, position, self.mark(c.sequence, position))
            c.sequence.cached += c.count
            if c.sequence.pending == 0:
                self._append(c.sequence)
        touched = [*plan.decode, *(c.sequence for c in plan.chunks)]
        for s in touched:
            self.scheduler.record(s)
        return [s for s in touched if s.finish_reason]

    def _advance(self, s: Sequence, tokens: int) -> None:
        for _ in range(tokens):
            if not s.finish_reason:
                self.write(s, s.cached, self.mark(s, s.cached))
                s.cached += 1
                self._append(s)

    def _append(self, s: Sequence) -> None:
        if s.sampling.max_new_tokens:  # few different continuations, so that generated tokens are shared as well
            s.append(self.mark(s, s.cached - 1) % 2, 0.0)
        else:
            s.finish_reason = "length"

    def step(self, budget: int = 1000, lookahead: int = 0) -> Plan:
        plan = self.scheduler.schedule(budget, lookahead=lookahead)
        for s in self.compute(plan, lookahead):
            self.scheduler.remove(s)
        return plan

    def run(self, budget: int = 1000) -> int:
        steps = 0
        while self.scheduler.busy:
            self.step(budget)
            steps += 1
        return steps


def sequence(
    id: int | str, prompt: int | list[int], new: int, *, salt: bytes = b"", adapter: str = "", whole: bool = False
) -> Sequence:
    tokens = [5] * prompt if isinstance(prompt, int) else prompt
    return Sequence(str(id), list(tokens), Sampling(max_new_tokens=new), salt=salt, adapter=adapter, pooled=whole)


def excused(machine: Machine, w: Sequence) -> bool:
    """Whether somebody is reading a block that a waiting sequence could use, by comparing tokens."""
    for r in machine.scheduler.running:
        end = (r.cached // machine.size + 1) * machine.size
        alike = (r.adapter, r.salt, r.tokens(0, end)) == (w.adapter, w.salt, w.tokens(0, end))
        if alike and end <= min(r.cached + r.pending, w.pending - 1) and not w.whole:
            return machine.scheduler.prefix_cache
    return False


def check(machine: Machine, plan: Plan, queue: list[Sequence], before: list[Sequence], budget: int, ahead: int) -> None:
    """All that must hold after each schedule(): `queue` waited and `before` ran when it was called."""
    scheduler, pool, size = machine.scheduler, machine.pool, machine.size
    running, waiting = scheduler.running, list(scheduler.waiting)
    held = Counter(b for s in running for b in s.blocks)
    assert all(pool.holders(b) == held[b] for b in range(pool.count + 1)) and not held[0]
    assert pool.free == pool.count - len(held)
    for s in running:
        assert len(set(s.blocks)) == len(s.blocks)
        slots = [x for b in s.blocks for x in machine.slots[b]]
        assert slots[: s.cached] == [machine.mark(s, i) for i in range(s.cached)], "reads what is not its own"
    assert all(not s.blocks and s.cached == 0 for s in waiting)

    stayed = before[: len(before) - len(plan.preempted)]
    assert plan.preempted == before[len(stayed) :][::-1], "the youngest gives way"
    new = [s for s in running if s not in stayed]
    line = plan.preempted[::-1] + queue
    assert running[: len(stayed)] == stayed and waiting == [s for s in line if s not in new], "places are kept"
    assert new == [s for s in line if s in new], "first come, first served"
    for s in new:
        passed = [w for w in line[: line.index(s)] if w in waiting]
        assert all(excused(machine, w) for w in passed), "passed somebody who did not wait for others"
        assert s.cached % size == 0 and s.cached < len(s.prompt) + len(s.ids)
        assert not (s.cached and (s.whole or not scheduler.prefix_cache))
        assert s.prefix_hits == machine.hits.setdefault(s.id, s.cached), "what it finds again later is its own"
    assert len(running) <= scheduler.max_sequences
    assert not new or pool.free >= len(running) - 1, "a block per running sequence stays free"

    reading = [s for s in running if s not in plan.decode]
    assert all(s.pending == 1 and s.cached < len(s.blocks) * size for s in plan.decode)
    assert all(s.pending > 1 or s.whole or not s.sampling.max_new_tokens for s in reading), "all that are ready decode"
    assert [c.sequence for c in plan.chunks] == reading[: len(plan.chunks)], "the oldest first"
    assert all(c.count == c.sequence.pending for c in plan.chunks[:-1]), "only the last chunk is cut"
    rest = max(budget - len(plan.decode) * (1 + ahead), budget // 4, 1)
    assert sum(c.count for c in plan.chunks) == min(rest, sum(s.pending for s in reading))
    assert set(plan.grown) <= set(plan.decode) and len(plan.grown) == len(set(plan.grown))
    assert plan.decode or plan.chunks or not scheduler.busy, "a step with work must make progress"
