"""Blocks and scheduling: nothing is owned twice, nothing leaks, nobody waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.errors import UserError
from firesteel.serve.blocks import BlockPool
from firesteel.serve.scheduler import Plan, Scheduler
from firesteel.serve.sequence import Sampling, Sequence


def sequence(id: int, prompt: int, new: int) -> Sequence:
    return Sequence(str(id), [5] * prompt, Sampling(max_new_tokens=new))


def compute(plan: Plan) -> list[Sequence]:
    """What the runner does to sequences, without a model. Returns those that finished."""
    touched = plan.decode + [c.sequence for c in plan.chunks if c.count == c.sequence.pending]
    for s in plan.decode:
        s.cached += 1
    for c in plan.chunks:
        c.sequence.cached += c.count
    for s in touched:
        s.append(7, 0.0)
    return [s for s in touched if s.finish_reason]


def check(scheduler: Scheduler, plan: Plan, budget: int) -> None:
    pool = scheduler.pool
    owned = [b for s in scheduler.running for b in s.blocks]
    assert len(owned) == len(set(owned)) == pool.count - pool.free
    assert all(1 <= b <= pool.count for b in owned)
    assert len(scheduler.running) <= scheduler.max_sequences
    assert all(not s.blocks and s.cached == 0 for s in scheduler.waiting)
    for s in plan.decode:  # the token to compute has a place in the cache
        assert s.cached < len(s.blocks) * pool.block_size
    for c in plan.chunks:
        assert c.start + c.count <= len(c.sequence.blocks) * pool.block_size
    if plan.chunks:
        assert max(c.count for c in plan.chunks) * len(plan.chunks) <= budget
    order = [int(s.id) for s in [*scheduler.running, *scheduler.waiting]]
    assert order == sorted(order), "first come, first served"


requests = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 30), st.integers(0, 12)), min_size=1, max_size=25)


@settings(max_examples=120, deadline=None)
@given(
    requests, st.integers(1, 24), st.integers(1, 6), st.integers(1, 5), st.integers(1, 32), st.integers(1, 5), st.data()
)
def test_every_request_finishes_and_no_block_is_lost_or_shared(
    asked: list[tuple[int, int, int]], blocks: int, block_size: int, rows: int, budget: int, patience: int,
    data: st.DataObject,
) -> None:  # fmt: skip
    scheduler = Scheduler(BlockPool(blocks, block_size), rows)
    arrivals = sorted(asked, key=lambda a: a[2])
    room = blocks * block_size
    todo, step, finished, accepted, aborted = list(enumerate(arrivals)), 0, 0, 0, 0
    limit = sum(p + n for p, n, _ in asked) * 40 + 100
    while todo or scheduler.busy:
        while todo and todo[0][1][2] <= step:
            i, (prompt, new, _) = todo.pop(0)
            s = sequence(i, prompt, new)
            if s.most_cached > room:
                with pytest.raises(UserError):
                    scheduler.add(s)
                continue
            scheduler.add(s)
            accepted += 1
        if scheduler.busy and data.draw(st.integers(0, 30)) == 0:
            victim = data.draw(st.sampled_from([*scheduler.running, *scheduler.waiting]))
            scheduler.remove(victim)
            aborted += 1
        plan = scheduler.schedule(budget, patience)
        check(scheduler, plan, budget)
        assert plan.decode or plan.chunks or not scheduler.busy, "a step with work must make progress"
        for s in compute(plan):
            assert len(s.ids) == s.sampling.max_new_tokens
            scheduler.remove(s)
            finished += 1
        step += 1
        assert step < limit, "starved"
    assert finished + aborted == accepted
    assert scheduler.pool.free == blocks


def test_the_youngest_gives_way_and_keeps_its_tokens() -> None:
    scheduler = Scheduler(BlockPool(5, 2), 2)
    old, young = sequence(0, 2, 6), sequence(1, 2, 6)
    scheduler.add(old)
    scheduler.add(young)
    preempted: list[Sequence] = []
    for _ in range(30):
        plan = scheduler.schedule(100)
        preempted += plan.preempted
        if plan.preempted:
            assert plan.preempted == [young] and scheduler.waiting[0] is young
            assert young.ids and not young.blocks and young.cached == 0
        for s in compute(plan):
            scheduler.remove(s)
    assert preempted and scheduler.preemptions == len(preempted)
    assert len(old.ids) == len(young.ids) == 6 and scheduler.pool.free == 5


def test_a_long_prompt_does_not_starve_those_who_decode() -> None:
    scheduler = Scheduler(BlockPool(100, 4), 4)
    talker, reader = sequence(0, 1, 50), sequence(1, 100, 5)
    scheduler.add(talker)
    compute(scheduler.schedule(8))
    scheduler.add(reader)
    for _ in range(12):
        before = len(talker.ids)
        plan = scheduler.schedule(8)
        assert [c.count for c in plan.chunks] == [8]
        compute(plan)
        assert len(talker.ids) == before + 1
    assert reader.cached == 96


def test_a_request_that_can_never_fit_is_refused_with_the_numbers() -> None:
    scheduler = Scheduler(BlockPool(4, 16), 2)
    with pytest.raises(UserError, match="65 tokens") as e:
        scheduler.add(sequence(0, 60, 6))
    assert "64" in e.value.why
    scheduler.add(sequence(1, 60, 5))


def test_the_pool_refuses_to_give_twice_or_take_back_twice() -> None:
    pool = BlockPool(3, 16)
    blocks = pool.take(3)
    assert sorted(blocks) == [1, 2, 3] and pool.free == 0
    with pytest.raises(AssertionError):
        pool.take(1)
    pool.give(blocks[:1])
    with pytest.raises(AssertionError):
        pool.give(blocks[:1])
    assert [pool.needed(n) for n in (0, 1, 16, 17)] == [0, 1, 1, 2]
