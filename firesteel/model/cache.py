"""The KV cache, paged and contiguous, behind one view: where new tokens go, and who may see what.

One call of the model extends many rows at once: some by a token, some by a piece of their prompt. Their tokens lie one after
the other, so that linear maps see them all together; attention goes by rectangles of rows that are about equally long.

N tokens of a call, B rows of a rectangle, T its new tokens a row, S positions that its rows may see, NB blocks a row
W cache width (ModelConfig.cache_parts), Q scales
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from firesteel.model.config import ModelConfig


class _Store:
    """KV elements of every layer and slot, in a float dtype or as int8 with a bfloat16 scale for each group of them."""

    def __init__(
        self, config: ModelConfig, slots: int, *, device: torch.device | str, dtype: torch.dtype, int8: bool,
        drafts: int = 0,
    ) -> None:  # fmt: skip
        shape = (config.num_hidden_layers + drafts, slots)  # `drafts`: layers of MTP modules that are kept, too
        self.group = math.gcd(*config.cache_parts)  # elements that share a scale: never of two parts
        self.data = _zeros((*shape, config.cache_width), device, torch.int8 if int8 else dtype)
        self.scale: Tensor | None = None
        if int8:
            groups = config.cache_width // self.group
            self.scale = _zeros((*shape, groups), device, torch.bfloat16)

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one token takes over all layers: cache_width elements a layer (V2 report, Table 1), and scales."""
        parts = [self.data] if self.scale is None else [self.data, self.scale]
        return sum(part.shape[0] * part.shape[2] * int(part.element_size()) for part in parts)

    def write(self, layer: int, slots: Tensor, new: Tensor) -> None:
        """Store new [N, W] at slots [N]."""
        if self.scale is None:
            self.data[layer].index_copy_(0, slots, new.to(self.data.dtype))
            return
        groups = new.float().unflatten(-1, (-1, self.group))  # [N, Q, group]
        scale = (groups.abs().amax(dim=-1) / 127).clamp(min=1e-20).to(torch.bfloat16)
        q = (groups / scale.float()[..., None]).round().clamp(-127, 127)
        self.data[layer].index_copy_(0, slots, q.flatten(-2).to(torch.int8))
        self.scale[layer].index_copy_(0, slots, scale)

    def restored(self, data: Tensor, scale: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Stored elements [..., W] and their scales [..., Q] as numbers of `dtype`."""
        if scale is None:
            return data.to(dtype)
        wide: Tensor = data.unflatten(-1, (-1, self.group)) * scale[..., None].to(dtype)
        return wide.flatten(-2)


class Rows:
    """A rectangle of a call: B rows of up to T new tokens each, padded on the right, which may see S positions.

    `cached` [B] tokens of each row are in the cache, `new` [B] are real. `fresh`: nothing was cached before in any row, so
    that the rows need not look into the cache. `first` [B]: positions below it are hidden from a row (speculation).
    """

    def __init__(
        self, cached: Tensor, new: Tensor, T: int, S: int, *, fresh: bool = False, first: Tensor | None = None
    ) -> None:
        self.B, self.T, self.S, self.fresh = len(cached), T, S, fresh
        offset = torch.arange(T, device=cached.device)
        self.positions = cached[:, None] + offset  # [B, T]
        self.real = offset < new[:, None]  # [B, T]: not padding
        self.new, self._first = new, first
        self.span = slice(0, 0)  # where its tokens are among all of the call; CacheView sets it

    @cached_property
    def visible(self) -> Tensor:
        """Who sees whom, [B, T, S]."""
        place = torch.arange(self.S, device=self.positions.device)
        seen = place <= self.positions[:, :, None]
        return seen if self._first is None else seen & (place >= self._first[:, None, None])

    def of(self, x: Tensor) -> Tensor:
        """This rectangle's part of something of all tokens: [N, ...] -> [B, T, ...]."""
        part: Tensor = x[self.span].unflatten(0, (self.B, self.T))
        return part

    def slots(self) -> Tensor:
        """Where the new tokens go, [B, T]."""
        raise NotImplementedError

    def context(self, layer: int, dtype: torch.dtype) -> Tensor:
        """What a layer's cache holds of the rows, [B, S, W]; garbage where not `visible`."""
        raise NotImplementedError


class CacheView:
    """The window of one call of the model on a cache: its tokens as rectangles, one after the other."""

    def __init__(self, store: _Store, parts: list[Rows]) -> None:
        self.store, self.parts = store, parts
        start, last = 0, []
        for part in parts:
            part.span = slice(start, start + part.B * part.T)
            row = torch.arange(part.B, device=part.new.device) * part.T
            last.append(start + row + part.new - 1)
            start = part.span.stop
        self.positions = torch.cat([part.positions.flatten() for part in parts])  # [N]
        self.slots = torch.cat([part.slots().flatten() for part in parts])  # [N]
        self.last = torch.cat(last)  # of every row: where its last real token is among the N

    def write(self, layer: int, new: Tensor) -> None:
        """Store new [N, W] of a layer."""
        self.store.write(layer, self.slots, new)


class PagedCache(_Store):
    """Blocks of `block_size` tokens that sequences own through block tables. Block 0 is scrap: padding is written there."""

    def __init__(
        self, config: ModelConfig, *, num_blocks: int, block_size: int = 16, device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32, int8: bool = False, drafts: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(config, num_blocks * block_size, device=device, dtype=dtype, int8=int8, drafts=drafts)
        self.block_size, self.num_blocks = block_size, num_blocks

    def rows(
        self, cached: Tensor, new: Tensor, T: int, tables: Tensor, *, fresh: bool = False, first: Tensor | None = None
    ) -> Rows:
        """A rectangle. cached [B], new [B], tables [B, NB] (int64); T = padded number of new tokens."""
        return _PagedRows(self, cached, new, T, tables, fresh=fresh, first=first)

    def view(self, cached: Tensor, new: Tensor, T: int, tables: Tensor) -> CacheView:
        """A view of one rectangle."""
        return CacheView(self, [self.rows(cached, new, T, tables)])


class ContiguousCache(_Store):
    """One stretch of `length` tokens a row: no tables, no gathering. One more slot takes the padding."""

    def __init__(
        self, config: ModelConfig, *, rows: int, length: int, device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32, int8: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(config, rows * length + 1, device=device, dtype=dtype, int8=int8)
        self.rows, self.length = rows, length

    def view(self, cached: Tensor, new: Tensor, T: int) -> CacheView:
        """A view of the first B rows. cached [B], new [B] (int64); T = padded number of new tokens."""
        return CacheView(self, [_ContiguousRows(self, cached, new, T)])


class _PagedRows(Rows):
    def __init__(
        self, cache: PagedCache, cached: Tensor, new: Tensor, T: int, tables: Tensor, *, fresh: bool,
        first: Tensor | None,
    ) -> None:  # fmt: skip
        super().__init__(cached, new, T, tables.shape[1] * cache.block_size, fresh=fresh, first=first)
        self._cache, self._tables = cache, tables

    def slots(self) -> Tensor:
        size = self._cache.block_size
        column = (self.positions // size).clamp(max=self._tables.shape[1] - 1)
        slots = self._tables.gather(1, column) * size + self.positions % size
        return torch.where(self.real, slots, torch.zeros_like(slots))

    def context(self, layer: int, dtype: torch.dtype) -> Tensor:
        store, size, flat = self._cache, self._cache.block_size, self._tables.reshape(-1)

        def gathered(part: Tensor) -> Tensor:
            blocks = part[layer].view(-1, size * part.shape[-1])  # [blocks, size*W]
            return blocks.index_select(0, flat).view(self.B, -1, part.shape[-1])

        return store.restored(gathered(store.data), None if store.scale is None else gathered(store.scale), dtype)


class _ContiguousRows(Rows):
    def __init__(self, cache: ContiguousCache, cached: Tensor, new: Tensor, T: int) -> None:
        longest = int((cached + new).max())
        assert longest <= cache.length and len(cached) <= cache.rows, "the cache is too small"
        super().__init__(cached, new, T, longest)
        self._cache = cache

    def slots(self) -> Tensor:
        rows = torch.arange(self.B, device=self.positions.device)[:, None] * self._cache.length
        scrap = torch.full_like(self.positions, self._cache.rows * self._cache.length)
        return torch.where(self.real, rows + self.positions, scrap)

    def context(self, layer: int, dtype: torch.dtype) -> Tensor:
        store = self._cache

        def rows(part: Tensor) -> Tensor:
            return part[layer, :-1].view(store.rows, store.length, -1)[: self.B, : self.S]

        return store.restored(rows(store.data), None if store.scale is None else rows(store.scale), dtype)


def _zeros(shape: tuple[int, ...], device: torch.device | str, dtype: torch.dtype) -> Tensor:
    """Zeros, on the CPU in memory that the system gives page by page as it is written; torch.zeros writes it all at once."""
    if torch.device(device).type != "cpu":
        return torch.zeros(shape, device=device, dtype=dtype)
    plain = np.zeros(math.prod(shape) * dtype.itemsize + 64, np.uint8)  # calloc
    start = -plain.ctypes.data % 64  # a cache line, as torch's own memory begins
    return torch.from_numpy(plain[start : len(plain) - 64 + start]).view(dtype).view(shape)
