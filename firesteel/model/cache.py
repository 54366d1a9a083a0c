"""The KV cache, paged and contiguous, behind one view: where new tokens go, and who may see what.

B batch, T new tokens, NB blocks a row, S positions that a row may see, W cache width (ModelConfig.cache_parts), Q scales
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from firesteel.model.config import ModelConfig


class _Store:
    """KV elements of every layer and slot, in a float dtype or as int8 with a bfloat16 scale for each group of them."""

    def __init__(
        self, config: ModelConfig, slots: int, *, device: torch.device | str, dtype: torch.dtype, int8: bool
    ) -> None:
        shape = (config.num_hidden_layers, slots)
        self.group = math.gcd(*config.cache_parts)  # elements that share a scale: never of two parts
        self.data = torch.zeros(*shape, config.cache_width, device=device, dtype=torch.int8 if int8 else dtype)
        self.scale: Tensor | None = None
        if int8:
            groups = config.cache_width // self.group
            self.scale = torch.zeros(*shape, groups, device=device, dtype=torch.bfloat16)

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one token takes over all layers: cache_width elements a layer (V2 report, Table 1), and scales."""
        parts = [self.data] if self.scale is None else [self.data, self.scale]
        return sum(part.shape[0] * part.shape[2] * int(part.element_size()) for part in parts)

    def write(self, layer: int, slots: Tensor, new: Tensor) -> None:
        """Store new [B*T, W] at slots [B*T]."""
        if self.scale is None:
            self.data[layer].index_copy_(0, slots, new.to(self.data.dtype))
            return
        groups = new.float().unflatten(-1, (-1, self.group))  # [B*T, Q, group]
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


class PagedCache(_Store):
    """Blocks of `block_size` tokens that sequences own through block tables. Block 0 is scrap: padding is written there."""

    def __init__(
        self, config: ModelConfig, *, num_blocks: int, block_size: int = 16, device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32, int8: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(config, num_blocks * block_size, device=device, dtype=dtype, int8=int8)
        self.block_size, self.num_blocks = block_size, num_blocks

    def view(self, cached: Tensor, new: Tensor, T: int, tables: Tensor) -> CacheView:
        """A view for one call. cached [B], new [B], tables [B, NB] (int64); T = padded number of new tokens."""
        return _PagedView(self, cached, new, T, tables)


class ContiguousCache(_Store):
    """One stretch of `length` tokens a row: no tables, no gathering. One more slot takes the padding."""

    def __init__(
        self, config: ModelConfig, *, rows: int, length: int, device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32, int8: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(config, rows * length + 1, device=device, dtype=dtype, int8=int8)
        self.rows, self.length = rows, length

    def view(self, cached: Tensor, new: Tensor, T: int) -> CacheView:
        """A view of the first B rows for one call. cached [B], new [B] (int64); T = padded number of new tokens."""
        return _ContiguousView(self, cached, new, T)


class CacheView:
    """One batch's window on a cache, for one call of the model."""

    store: _Store
    slots: Tensor  # [B*T], where the new tokens go

    def __init__(self, cached: Tensor, new: Tensor, T: int, S: int) -> None:
        offset = torch.arange(T, device=cached.device)
        self.positions = cached[:, None] + offset  # [B, T]
        self.real = offset < new[:, None]  # [B, T]: not padding
        self.last = new - 1  # [B], index of each row's last real token
        self.visible = torch.arange(S, device=cached.device) <= self.positions[:, :, None]  # [B, T, S]: who sees whom

    def update(self, layer: int, new: Tensor) -> Tensor:
        """Store new [B, T, W] of a layer and return the rows' whole context [B, S, W] (garbage where not `visible`)."""
        self.store.write(layer, self.slots, new.reshape(-1, new.shape[-1]))
        return self.context(layer, new.dtype)

    def context(self, layer: int, dtype: torch.dtype) -> Tensor:
        """The rows' context of a layer, [B, S, W]."""
        raise NotImplementedError


class _PagedView(CacheView):
    def __init__(self, cache: PagedCache, cached: Tensor, new: Tensor, T: int, tables: Tensor) -> None:
        size = cache.block_size
        super().__init__(cached, new, T, tables.shape[1] * size)
        self.store, self.tables, self.size = cache, tables, size
        column = (self.positions // size).clamp(max=tables.shape[1] - 1)
        slots = tables.gather(1, column) * size + self.positions % size
        self.slots = torch.where(self.real, slots, torch.zeros_like(slots)).view(-1)

    def context(self, layer: int, dtype: torch.dtype) -> Tensor:
        def gathered(part: Tensor) -> Tensor:
            blocks = part[layer].view(-1, self.size * part.shape[-1])  # [blocks, size*W]
            return blocks.index_select(0, self.tables.reshape(-1)).view(len(self.tables), -1, part.shape[-1])

        scale = self.store.scale
        return self.store.restored(gathered(self.store.data), None if scale is None else gathered(scale), dtype)


class _ContiguousView(CacheView):
    def __init__(self, cache: ContiguousCache, cached: Tensor, new: Tensor, T: int) -> None:
        longest = int((cached + new).max())
        assert longest <= cache.length and len(cached) <= cache.rows, "the cache is too small"
        super().__init__(cached, new, T, longest)
        self.store, self.cache = cache, cache
        rows = torch.arange(len(cached), device=cached.device)[:, None]
        scrap = torch.full_like(self.positions, cache.rows * cache.length)
        self.slots = torch.where(self.real, rows * cache.length + self.positions, scrap).view(-1)

    def context(self, layer: int, dtype: torch.dtype) -> Tensor:
        B, _, S = self.visible.shape

        def rows(part: Tensor) -> Tensor:
            return part[layer, :-1].view(self.cache.rows, self.cache.length, -1)[:B, :S]

        scale = self.store.scale
        return self.store.restored(rows(self.store.data), None if scale is None else rows(scale), dtype)
