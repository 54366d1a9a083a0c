"""The block pool: which cache blocks are free. A block has one owner; block 0 is the cache's scrap and never given out."""

from __future__ import annotations


class BlockPool:
    """Blocks 1..count, taken and given back in O(1) each; the last given back is taken first (it is warm)."""

    def __init__(self, count: int, block_size: int) -> None:
        assert count > 0 and block_size > 0, (count, block_size)
        self.count, self.block_size = count, block_size
        self._free = list(range(count, 0, -1))
        self._taken = bytearray(count + 1)

    @property
    def free(self) -> int:
        """Blocks nobody owns."""
        return len(self._free)

    def needed(self, tokens: int) -> int:
        """Blocks that hold `tokens` tokens."""
        return -(-tokens // self.block_size)

    def take(self, n: int) -> list[int]:
        """`n` blocks; the caller has looked at `free`."""
        assert n <= len(self._free), (n, len(self._free))
        blocks = [self._free.pop() for _ in range(n)]
        for b in blocks:
            assert not self._taken[b], b
            self._taken[b] = 1
        return blocks

    def give(self, blocks: list[int]) -> None:
        """Take blocks back."""
        for b in blocks:
            assert self._taken[b], b
            self._taken[b] = 0
        self._free.extend(reversed(blocks))
