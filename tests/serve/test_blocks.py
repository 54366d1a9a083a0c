"""The block pool: references are counted, names are kept until the last moment, and a key stands for its whole past."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.serve.blocks import BlockPool, extend_keys
from firesteel.serve.sequence import Sampling, Sequence


def keys(prompt: list[int], *, size: int = 4, adapter: str = "", salt: bytes = b"") -> list[bytes]:
    sequence = Sequence("a", prompt, Sampling(1), adapter=adapter, salt=salt)
    extend_keys(sequence, size, len(prompt) // size)
    return sequence.keys


def named(pool: BlockPool, *names: bytes) -> list[int]:
    """Blocks of these names, held once."""
    blocks = pool.take(len(names))
    for block, name in zip(blocks, names, strict=True):
        pool.name(block, name)
    return blocks


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


def test_a_held_block_is_free_only_after_its_last_holder() -> None:
    pool = BlockPool(2, 4)
    (block,) = named(pool, b"a")
    pool.hold([block])
    pool.give([block])
    assert pool.free == 1 and pool.holders(block) == 1
    pool.give([block])
    assert pool.free == 2 and pool.match([b"a"]) == [block]
    pool.hold([block])
    assert pool.free == 1 and pool.take(1) != [block]


def test_what_is_not_named_cannot_be_shared() -> None:
    pool = BlockPool(2, 4)
    (block,) = pool.take(1)
    assert pool.writable(block)
    with pytest.raises(AssertionError, match="no name"):
        pool.hold([block])
    pool.name(block, b"a")
    assert not pool.writable(block)


def test_the_longest_unused_goes_first_the_tail_of_a_chain_before_its_head_and_names_last() -> None:
    pool = BlockPool(5, 4)
    first, second = named(pool, b"a", b"ab"), named(pool, b"x", b"xy")
    pool.give(first)
    pool.give(second)
    assert pool.take(1) == [5] and pool.named == 4, "a block of no use goes before all that can be found"
    for left in ([b"a"], [], None):
        if left is not None:
            pool.take(1)
            assert pool.match([b"a", b"ab"]) == first[: len(left)]
            assert pool.match([b"x", b"xy"]) == second
    pool.take(1)
    assert pool.match([b"x", b"xy"]) == second[:1]


def test_use_makes_young_again() -> None:
    pool = BlockPool(2, 4)
    (a,), (b,) = named(pool, b"a"), named(pool, b"b")
    pool.give([a])
    pool.give([b])
    pool.hold([a])
    pool.give([a])
    assert pool.take(1) == [b]


def test_the_second_block_of_a_content_stays_unnamed() -> None:
    pool = BlockPool(3, 4)
    first, second = named(pool, b"a"), named(pool, b"a")
    assert pool.match([b"a"]) == first and pool.named == 1 and pool.writable(second[0])
    pool.give(first + second)
    assert pool.take(2) == [*second, 3] and pool.match([b"a"]) == first


def test_a_match_ends_at_the_first_gap() -> None:
    pool = BlockPool(4, 4)
    blocks = named(pool, b"1", b"2", b"4")
    assert pool.match([b"1", b"2", b"3", b"4"]) == blocks[:2] and pool.match([]) == []


def test_forgetting_needs_an_empty_pool_and_leaves_no_name() -> None:
    pool = BlockPool(3, 4)
    blocks = named(pool, b"a", b"b")
    with pytest.raises(AssertionError, match="2 blocks are held"):
        pool.forget()
    pool.give(blocks)
    pool.forget()
    assert pool.named == 0 and pool.match([b"a"]) == [] and sorted(pool.take(3)) == [1, 2, 3]


def test_a_key_stands_for_everything_before_it() -> None:
    prompt = list(range(12))
    assert len(set(keys(prompt))) == 3
    assert keys(prompt)[:2] == keys(prompt[:8] + [9] * 4)[:2]
    assert not set(keys(prompt)) & set(keys([99, *prompt[1:]])), "one token at the beginning changes all keys"
    assert not set(keys(prompt)) & set(keys(prompt, salt=b"s"))
    assert not set(keys(prompt)) & set(keys(prompt, adapter="s"))
    assert not set(keys(prompt, adapter="a", salt=b"bc")) & set(keys(prompt, adapter="ab", salt=b"c"))
    assert len({keys([*first, 0, 0])[0] for first in ((0, 0), (1, 0), (0, 1), (256, 0), (65536, 0))}) == 5
    assert len(keys(prompt)[0]) == 32


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=40), st.integers(1, 7), st.data())
def test_keys_grow_with_the_sequence_and_equal_those_made_at_once(
    tokens: list[int], size: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(tokens)))
    sequence = Sequence("a", tokens[:cut], Sampling(100))
    for token in [None, *tokens[cut:]]:
        if token is not None:
            sequence.append(token, 0.0)
        extend_keys(sequence, size, (len(sequence.prompt) + len(sequence.ids)) // size)
    assert sequence.keys == keys(tokens, size=size)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.lists(st.tuples(st.sampled_from(["take", "give", "name", "hit"]), st.integers(0, 5))))
def test_the_pool_equals_a_slow_one(count: int, moves: list[tuple[str, int]]) -> None:
    pool = BlockPool(count, 4)
    holders: Counter[int] = Counter()
    names: dict[bytes, int] = {}
    unused: list[int] = []  # named, held by nobody, the longest unused first
    for move, which in moves:
        key, held = bytes([which]), sorted(holders)
        if move == "take" and pool.free:
            (block,) = pool.take(1)
            if block in unused:
                assert block == unused[0] and len(holders) + len(unused) == count, "the oldest, and only if it must be"
                unused.remove(block)
                names = {k: b for k, b in names.items() if b != block}
            assert not holders[block]
            holders[block] = 1
        elif move == "give" and held:
            block = held[which % len(held)]
            pool.give([block])
            holders[block] -= 1
            if not holders[block] and block in names.values():
                unused.append(block)
        elif move == "name" and held and held[which % len(held)] not in names.values():
            pool.name(held[which % len(held)], key)
            names.setdefault(key, held[which % len(held)])
        elif move == "hit" and key in names:
            assert pool.match([key]) == [names[key]]
            pool.hold([names[key]])
            unused = [b for b in unused if b != names[key]]
            holders[names[key]] += 1
        holders += Counter()  # drops the zeros
        assert pool.free == count - len(holders) and pool.named == len(names)
        assert [pool.holders(b) for b in range(1, count + 1)] == [holders[b] for b in range(1, count + 1)]
        assert all(pool.match([name]) == [block] for name, block in names.items())
