"""Which experts the tokens in the cache went through, for a trainer that wants to take the same way (routing replay).

A store beside the KV cache with the same slots: what a sequence finds of a prompt that was read before, it finds here too.

N tokens of a step, S slots, L layers with experts, K experts a token
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from firesteel.model.moe import MoE
from firesteel.model.transformer import Transformer
from firesteel.serve.sequence import Sequence


class RoutingStore:
    """Chosen experts [S, L, K] int16 of every slot. It listens to the routers only inside `listening`; else it costs nothing."""

    def __init__(self, model: Transformer, slots: int, block_size: int) -> None:
        self.layers = [block.mlp for block in model.layers if isinstance(block.mlp, MoE)]
        self.block_size = block_size
        shape = (slots, len(self.layers), model.config.num_experts_per_tok if self.layers else 0)
        self.chosen = np.zeros(shape, np.int16)
        self._heard: list[Tensor] = []  # [N, K] of each layer of the pass

    @contextlib.contextmanager
    def listening(self) -> Iterator[RoutingStore]:
        """Hear what the routers choose until the block ends."""
        hooks = [moe.gate.register_forward_hook(self._hear) for moe in self.layers]
        try:
            yield self
        finally:
            self._heard.clear()
            for hook in hooks:
                hook.remove()

    def _hear(self, module: torch.nn.Module, arguments: tuple[Any, ...], found: tuple[Tensor, Tensor, Tensor]) -> None:
        self._heard.append(found[1])

    def write(self, slots: Tensor) -> None:
        """After a pass over tokens that went to `slots` [N]: keep what was heard of it."""
        if self.layers:
            assert len(self._heard) == len(self.layers), "a pass goes through each layer once"
            self.chosen[slots.cpu().numpy()] = torch.stack(self._heard, dim=1).to(torch.int16).cpu().numpy()
        self._heard.clear()

    def of(self, sequence: Sequence) -> npt.NDArray[np.int16]:
        """[tokens in the cache, L, K] of a sequence that still has its blocks: all but its last token."""
        position = np.arange(sequence.cached)
        blocks = np.array(sequence.blocks, np.int64)
        slots = blocks[position // self.block_size] * self.block_size + position % self.block_size
        found: npt.NDArray[np.int16] = self.chosen[slots]
        return found
