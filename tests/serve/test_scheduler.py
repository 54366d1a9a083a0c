"""Scheduling: nothing leaks, everybody reads what is theirs, nobody waits for ever, nothing is computed twice in vain."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.errors import UserError
from firesteel.serve.blocks import BlockPool
from firesteel.serve.scheduler import Scheduler
from tests.serve.machine import Machine, check, sequence

request = st.tuples(
    st.integers(0, 3),  # which shared beginning
    st.integers(0, 20),  # how much of it
    st.lists(st.integers(0, 1), max_size=8),  # its own tokens
    st.integers(0, 25),  # new tokens
    st.integers(1, 4),  # siblings
    st.sampled_from([b"", b"", b"", b"s"]),
    st.sampled_from(["", "", "", "a"]),
    st.sampled_from([False, False, False, True]),  # whole
    st.integers(0, 10),  # arrives at this step
)
BEGINNINGS = [[0] * 20, [0] * 10 + [1] * 10, [3, 1, 4, 1, 5, 9, 2, 6, 5, 3] * 2, [7] * 20]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(request, min_size=1, max_size=12), st.integers(1, 24), st.integers(1, 6), st.integers(1, 6),
    st.integers(1, 32), st.integers(1, 5), st.integers(0, 3), st.booleans(), st.integers(0, 2**32),
)  # fmt: skip
def test_traffic_of_all_kinds(
    asked: list[tuple[int, int, list[int], int, int, bytes, str, bool, int]], blocks: int, block_size: int, rows: int,
    budget: int, patience: int, ahead: int, prefix_cache: bool, seed: int,
) -> None:  # fmt: skip
    machine = Machine(blocks, block_size, rows, prefix_cache, seed)
    scheduler, rng = machine.scheduler, random.Random(seed)
    todo = [
        (at, sequence(f"{i}.{n}", BEGINNINGS[which][:part] + own or [1], new, salt=salt, adapter=adapter, whole=whole))
        for i, (which, part, own, new, siblings, salt, adapter, whole, at) in enumerate(asked)
        for n in range(siblings)
    ]
    todo.sort(key=lambda arrival: arrival[0])
    limit = 50 + 10 * sum(len(s.prompt) + s.sampling.max_new_tokens for _, s in todo)
    step, open_ = 0, 0
    while todo or scheduler.busy:
        while todo and todo[0][0] <= step:
            s = todo.pop(0)[1]
            if s.most_cached > blocks * block_size:
                with pytest.raises(UserError):
                    scheduler.add(s)
            else:
                scheduler.add(s)
                open_ += 1
        if scheduler.busy and rng.random() < 0.03:
            scheduler.remove(rng.choice([*scheduler.running, *scheduler.waiting]))
            open_ -= 1
        queue, before = list(scheduler.waiting), list(scheduler.running)
        plan = scheduler.schedule(budget, patience, ahead)
        check(machine, plan, queue, before, budget, ahead)
        for s in machine.compute(plan, ahead):
            assert len(s.ids) == s.sampling.max_new_tokens
            scheduler.remove(s)
            open_ -= 1
        step += 1
        assert step < limit, "starved"
    assert open_ == 0 and machine.pool.free == blocks
    assert not (scheduler._named or scheduler._reading or scheduler._held), "remembers those who are gone"
    machine.pool.forget()
    assert machine.pool.named == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 25), st.integers(0, 15)), min_size=2, max_size=10),
    st.integers(4, 24), st.integers(1, 4), st.integers(2, 5),
)  # fmt: skip
def test_slots_for_drafts_are_never_at_anothers_expense(
    asked: list[tuple[int, int, int]], blocks: int, block_size: int, rows: int
) -> None:
    def course(ahead: int) -> list[list[tuple[str, int]]]:
        """Who did what in each step, where all drafts are wrong."""
        machine = Machine(blocks, block_size, rows, prefix_cache=False)
        steps: list[list[tuple[str, int]]] = []
        while machine.scheduler.busy or len(steps) < 16:
            for i, (prompt, new, arrival) in enumerate(asked):
                if arrival == len(steps) and prompt + new - 1 <= blocks * block_size:
                    machine.add(sequence(i, prompt, new))
            plan = machine.scheduler.schedule(10_000, lookahead=ahead)
            steps.append([(s.id, -1) for s in plan.preempted] + [(s.id, 0) for s in plan.decode])
            steps[-1] += [(c.sequence.id, c.count) for c in plan.chunks]
            for s in machine.compute(plan):
                machine.scheduler.remove(s)
        return steps

    assert course(0) == course(3)


def test_drafts_get_slots_where_there_is_room_but_none_past_the_end() -> None:
    machine = Machine(block_size=4)
    s = sequence(0, 3, 10)
    machine.add(s)
    machine.step(lookahead=3)
    for cached in range(3, 12):
        plan = machine.scheduler.schedule(100, lookahead=3)
        assert s.cached == cached and len(s.blocks) * 4 >= min(cached + 4, 12)
        assert len(s.blocks) <= 3, "12 tokens at the very end"
        assert plan.grown == ([s] if cached in (3, 5) else [])
        machine.compute(plan)
    assert s.finish_reason


def test_drafts_give_way_to_a_newcomer_and_to_a_token() -> None:
    machine = Machine(blocks=8, block_size=1)
    old, new, last = sequence(0, 1, 6), sequence(1, 4, 1), sequence(2, 8, 1)
    machine.add(old)
    for _ in range(2):
        machine.compute(machine.scheduler.schedule(100, lookahead=3))
    assert len(old.blocks) == 5 and machine.pool.free == 3
    machine.add(new, last)
    plan = machine.scheduler.schedule(100, lookahead=3)
    assert machine.scheduler.running == [old, new] and list(machine.scheduler.waiting) == [last]
    assert len(old.blocks) == old.cached + 1
    for s in machine.compute(plan):
        machine.scheduler.remove(s)
    machine.scheduler.schedule(100, lookahead=3)
    assert len(old.blocks) == old.cached + 1 and machine.pool.free == 4, "no drafts while somebody waits for blocks"

    machine = Machine(blocks=7, block_size=1)
    old, young = sequence(0, 1, 7), sequence(1, 1, 3)
    machine.add(old, young)
    machine.step()
    machine.step()
    young.blocks += machine.pool.take(3)
    machine.scheduler._drafting = True  # as if these had been free when they were reserved
    plan = machine.step()
    assert not plan.preempted and (len(old.blocks), machine.pool.free) == (3, 4), "the younger one has finished"


def test_the_youngest_gives_way_keeps_its_tokens_and_finds_its_blocks_again() -> None:
    for prefix_cache in (True, False):
        machine = Machine(9, 2, 2, prefix_cache)
        old, young = sequence(0, [1, 1], 11), sequence(1, [2, 2], 11)
        machine.add(old, young)
        preempted = []
        while machine.scheduler.busy:
            plan = machine.step()
            preempted += plan.preempted
            if plan.preempted:
                assert plan.preempted == [young] and machine.scheduler.waiting[0] is young
                assert young.ids and not young.blocks and young.cached == 0
        assert preempted and machine.scheduler.preemptions == len(preempted)
        assert len(old.ids) == len(young.ids) == 11 and machine.pool.free == 9 and young.prefix_hits == 0
        assert (machine.read < 4 + 4) == prefix_cache, "computed again what was still there"


def test_a_long_prompt_does_not_starve_those_who_decode_nor_they_it() -> None:
    machine = Machine(rows=20)
    talkers, reader = [sequence(i, 1, 50) for i in range(10)], sequence("r", 100, 5)
    machine.add(*talkers)
    machine.step(8)
    machine.add(reader)
    for budget, expected in ((18, 8), (12, 3), (8, 2), (1, 1)):
        before = len(talkers[0].ids)
        plan = machine.step(budget)
        assert [c.count for c in plan.chunks] == [expected] and len(talkers[0].ids) == before + 1


def test_a_request_that_can_never_fit_is_refused_with_the_numbers() -> None:
    scheduler = Scheduler(BlockPool(4, 16), 2)
    with pytest.raises(UserError, match="65 tokens") as e:
        scheduler.add(sequence(0, 60, 6))
    assert "64" in e.value.why
    scheduler.add(sequence(1, 60, 5))
    scheduler.add(sequence(2, 64, 0))


def test_siblings_wait_for_the_first_and_the_prompt_is_computed_once() -> None:
    machine = Machine(rows=10)
    siblings, other = [sequence(i, list(range(42)), 5) for i in range(8)], sequence("x", [9] * 6, 5)
    machine.add(*siblings, other)
    plan = machine.step(20)
    assert machine.scheduler.running == [siblings[0], other]
    assert list(machine.scheduler.waiting) == siblings[1:], "the unrelated one passes"
    assert [c.count for c in plan.chunks] == [20]
    machine.step(20)
    assert len(machine.scheduler.running) == 2
    machine.step(20)
    machine.step(20)
    assert set(machine.scheduler.running) == {*siblings, other}
    machine.run()
    assert machine.read == 42 + 6 + 7 * 2, "all but the last, unfinished block is found"
    assert [s.prefix_hits for s in siblings] == [0] + [40] * 7 and not machine.scheduler._held
    assert len({tuple(s.ids) for s in siblings}) == 1


def test_who_waits_for_a_sibling_keeps_its_row_and_its_blocks() -> None:
    machine = Machine(rows=3)
    siblings, other = [sequence(i, 20, 5) for i in range(3)], sequence("x", [9] * 6, 5)
    machine.add(*siblings, other)
    machine.step(8)
    assert machine.scheduler.running == siblings[:1]
    tight = Machine(blocks=9)
    siblings, other = [sequence(i, 20, 1) for i in range(2)], sequence("x", [9] * 8, 5)
    tight.add(*siblings, other)
    tight.step(8)
    assert tight.pool.free == 4, "5 for the first, 1 + 1 for its sibling; 2 + 1 for the other are too many"
    assert list(tight.scheduler.waiting) == [siblings[1], other]


def test_groups_with_a_common_beginning_wait_twice_and_compute_everything_once() -> None:
    machine = Machine(rows=100, blocks=1000)
    groups = [[sequence(f"{g}.{i}", [7] * 8 + [g] * 8 + [1], 3) for i in range(4)] for g in range(5)]
    machine.add(*(s for group in groups for s in group))
    steps = machine.run()
    assert machine.read == 8 + 5 * 8 + 5 and steps <= 6, "a sibling's last prompt token decodes at once"


def test_an_answer_is_found_again_in_the_next_turn_of_the_talk() -> None:
    machine = Machine()
    first = sequence(0, [1, 2, 3, 4, 5, 6], 12)
    machine.add(first)
    machine.run()
    second = sequence(1, [*first.prompt, *first.ids, 8, 9], 3)
    machine.add(second)
    machine.run()
    assert second.prefix_hits == 16, "of 17 tokens that were in the cache"


def test_others_do_not_share() -> None:
    for other in ({"salt": b"b"}, {"adapter": "b"}, {"whole": True}):
        machine = Machine()
        machine.add(sequence(0, 20, 3), sequence(1, 20, 3, **other))  # type: ignore[arg-type]
        assert len(machine.step().chunks) == 2, "waits for what it cannot use"
        machine.run()
        last = sequence(2, 20, 3, **other)  # type: ignore[arg-type]
        machine.add(last)
        machine.run()
        assert last.prefix_hits == (0 if last.whole else 16)


def test_what_is_read_whole_or_without_an_answer_is_read_to_its_last_token() -> None:
    machine = Machine()
    machine.add(sequence(0, 1, 0), sequence(1, 1, 3, whole=True), sequence(2, 9, 0), sequence(3, 9, 3, whole=True))
    plans = [machine.step(8), machine.step(8), machine.step(8)]
    assert not any(s.sampling.max_new_tokens == 0 for plan in plans for s in plan.decode)
    assert [c.sequence.id for c in plans[0].chunks] == ["0", "1", "2"] and not plans[0].decode
    machine.run()


def test_who_is_aborted_while_it_waits_or_is_waited_for_leaves_nothing_behind() -> None:
    machine = Machine()
    siblings = [sequence(i, 20, 5) for i in range(3)]
    machine.add(*siblings)
    machine.step(8)
    machine.scheduler.remove(siblings[1])
    machine.scheduler.remove(siblings[0])
    machine.step(8)
    assert machine.scheduler.running == [siblings[2]] and siblings[2].prefix_hits == 8
    machine.run()
    assert not (machine.scheduler._named or machine.scheduler._reading or machine.scheduler._held)


def test_nobody_waits_again_for_what_did_not_come() -> None:
    machine = Machine()
    machine.add(*(sequence(i, 20, 9) for i in range(6)))
    waited = []
    for _ in range(3):  # nothing is recorded, as if every block were lost at once
        plan = machine.scheduler.schedule(100)
        waited.append(len(machine.scheduler.waiting))
        for c in plan.chunks:
            c.sequence.cached += c.count
            c.sequence.append(1, 0.0)
        for s in plan.decode:
            s.cached += 1
            s.append(1, 0.0)
    assert waited == [5, 0, 0]


def test_without_a_prefix_cache_there_are_no_names() -> None:
    machine = Machine(prefix_cache=False)
    siblings = [sequence(i, 20, 9) for i in range(5)]
    machine.add(*siblings)
    assert len(machine.step().chunks) == 5
    machine.run()
    assert machine.pool.named == 0 and not any(s.keys or s.prefix_hits for s in siblings)


@pytest.mark.parametrize("prefix_cache", [True, False])
def test_a_step_of_512_rows_costs_little(prefix_cache: bool) -> None:
    scheduler = Scheduler(BlockPool(20_000, 16), 512, prefix_cache)
    for i in range(512):
        scheduler.add(sequence(i, [1 + i, 2, 3], 500))
    fastest = 1.0
    for _ in range(40):
        start = time.perf_counter()
        plan = scheduler.schedule(8192, lookahead=2)
        for s in plan.decode:
            scheduler.record(s)
        if plan.decode:
            fastest = min(fastest, time.perf_counter() - start)
        for s in [*plan.decode, *(c.sequence for c in plan.chunks)]:
            s.cached += s.pending
            s.append(1, 0.0)
    assert fastest < 2e-3, f"{fastest * 1000:.2f} ms"
