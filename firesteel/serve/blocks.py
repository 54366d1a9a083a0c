"""The block pool: which cache blocks are held, and what the others still contain. Block 0 is the cache's scrap.

A full block whose tokens are known has a name, its key. Several sequences may hold a named block, none may write to it:
INVARIANT: a block that somebody else holds too, or that has a name, is never written again (the scheduler asserts it).
A block that nobody holds keeps its content, and can be found by its key, until it is taken for something else.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable

from firesteel.serve.sequence import Sequence


class BlockPool:
    """Blocks 1..count, counted references. Every operation is O(1) for each block or key that it is given."""

    def __init__(self, count: int, block_size: int) -> None:
        assert count > 0 and block_size > 0, (count, block_size)
        self.count, self.block_size = count, block_size
        self._holders = [0] * (count + 1)
        self._blank = list(range(count, 0, -1))  # held by nobody, content of no use; the last given back is still warm
        self._idle: OrderedDict[int, None] = OrderedDict()  # held by nobody, named; the longest unused one first
        self._key_of: dict[int, bytes] = {}
        self._block_of: dict[bytes, int] = {}

    @property
    def free(self) -> int:
        """Blocks nobody holds, whatever they contain."""
        return len(self._blank) + len(self._idle)

    @property
    def named(self) -> int:
        """Blocks whose content can be found, held or not."""
        return len(self._key_of)

    def needed(self, tokens: int) -> int:
        """Blocks that hold `tokens` tokens."""
        return -(-tokens // self.block_size)

    def take(self, n: int) -> list[int]:
        """`n` blocks to write to; the caller has looked at `free`. The named ones go last, the longest unused one first."""
        assert n <= self.free, (n, self.free)
        blocks = []
        for _ in range(n):
            block = self._blank.pop() if self._blank else self._evict()
            assert not self._holders[block], block
            self._holders[block] = 1
            blocks.append(block)
        return blocks

    def give(self, blocks: list[int]) -> None:
        """Let go of blocks in the order of a table: of a chain the tail is older than the head, and is taken first."""
        for block in reversed(blocks):
            assert self._holders[block] > 0, block
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            if block in self._key_of:
                self._idle[block] = None
            else:
                self._blank.append(block)

    def match(self, keys: Iterable[bytes]) -> list[int]:
        """Blocks of the longest known beginning of a chain of keys. They are not held yet."""
        blocks = []
        for key in keys:
            block = self._block_of.get(key)
            if block is None:
                break
            blocks.append(block)
        return blocks

    def hold(self, blocks: list[int]) -> None:
        """Hold named blocks, beside their other holders."""
        for block in blocks:
            assert block in self._key_of, f"block {block} has no name: what it contains is not known"
            if not self._holders[block]:
                del self._idle[block]
            self._holders[block] += 1

    def name(self, block: int, key: bytes) -> None:
        """Make a full block known. Where another block has this content already, that one stays the known one."""
        assert self._holders[block] > 0 and block not in self._key_of, block
        if key not in self._block_of:
            self._block_of[key], self._key_of[block] = block, key

    def forget(self) -> None:
        """Drop all names, because the weights have changed. Nobody may hold a block: half of it would be of the old ones."""
        assert self.free == self.count, f"{self.count - self.free} blocks are held"
        self._key_of.clear()
        self._block_of.clear()
        self._blank += self._idle
        self._idle.clear()

    def holders(self, block: int) -> int:
        """How many sequences hold a block."""
        return self._holders[block]

    def writable(self, block: int) -> bool:
        """Whether its one holder may write to a block."""
        return self._holders[block] == 1 and block not in self._key_of

    def _evict(self) -> int:
        block, _ = self._idle.popitem(last=False)
        del self._block_of[self._key_of.pop(block)]
        return block


def extend_keys(sequence: Sequence, block_size: int, blocks: int) -> None:
    """Bring `sequence.keys` up to its first `blocks` blocks, whose tokens are all known. O(1) for each new block.

    A key stands for all tokens up to the end of its block: sha256 over the key before it and the block's token ids; before
    the first comes sha256 over adapter and salt. It has to be a cryptographic hash. Who finds two prompts with one key, by
    chance or on purpose, would be answered from the other's context: a weak hash shows one user what another has written.
    """
    keys = sequence.keys
    done = len(keys)
    if done >= blocks:
        return
    parent = keys[-1] if keys else _root(sequence.adapter, sequence.salt)
    tokens = array("I", sequence.tokens(done * block_size, (blocks - done) * block_size))
    data, width = tokens.tobytes(), block_size * tokens.itemsize
    for start in range(0, len(data), width):
        parent = hashlib.sha256(parent + data[start : start + width]).digest()
        keys.append(parent)


def _root(adapter: str, salt: bytes) -> bytes:
    """Where chains begin; the length says where the adapter's name ends, so that no salt can look like one."""
    name = adapter.encode()
    return hashlib.sha256(len(name).to_bytes(8, "big") + name + salt).digest()
