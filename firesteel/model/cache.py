"""The paged latent cache: blocks of `block_size` tokens, shared by all sequences through block tables.

B batch, T new tokens, NB blocks a row, S = NB * block_size positions, W cache width (kv latent + rotary key)
"""

from __future__ import annotations

import torch
from torch import Tensor

from firesteel.model.config import ModelConfig


class PagedCache:
    """KV storage of every layer, [layers, blocks, block_size, W]. Block 0 is scrap: padding is written there."""

    def __init__(
        self, config: ModelConfig, *, num_blocks: int, block_size: int = 16, device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        self.block_size, self.num_blocks = block_size, num_blocks
        shape = (config.num_hidden_layers, num_blocks, block_size, config.cache_width)
        self.data = torch.zeros(shape, device=device, dtype=dtype)

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one token takes over all layers: (kv_lora_rank + rope) * layers * element size (V2 Table 1)."""
        return self.data.shape[0] * self.data.shape[3] * self.data.element_size()

    def view(self, cached: Tensor, new: Tensor, tables: Tensor, T: int) -> CacheView:
        """A view for one call. cached [B], new [B], tables [B, NB] (int64); T = padded number of new tokens."""
        return CacheView(self, cached, new, tables, T)


class CacheView:
    """One batch's window on the cache: where new tokens go, and who may see what."""

    def __init__(self, cache: PagedCache, cached: Tensor, new: Tensor, tables: Tensor, T: int) -> None:
        size = cache.block_size
        offset = torch.arange(T, device=cached.device)
        self.positions = cached[:, None] + offset  # [B, T]
        real = offset < new[:, None]
        column = (self.positions // size).clamp(max=tables.shape[1] - 1)
        slots = tables.gather(1, column) * size + self.positions % size
        self.slots = torch.where(real, slots, torch.zeros_like(slots)).view(-1)  # padding goes to block 0
        self.cache, self.tables, self.shape = cache, tables.reshape(-1), (tables.shape[0], tables.shape[1] * size)
        seen = torch.arange(self.shape[1], device=cached.device) <= self.positions[:, :, None]  # [B, T, S]
        self.bias = torch.zeros(seen.shape, device=cached.device).masked_fill_(~seen, float("-inf"))

    def update(self, layer: int, new: Tensor) -> Tensor:
        """Store new [B, T, W] of a layer and return the rows' whole context [B, S, W] (garbage where `bias` is -inf)."""
        data = self.cache.data[layer]
        data.view(-1, data.shape[-1]).index_copy_(0, self.slots, new.reshape(-1, new.shape[-1]).to(data.dtype))
        context = data.index_select(0, self.tables)  # [B*NB, block, W]
        return context.view(*self.shape, data.shape[-1]).to(new.dtype)
