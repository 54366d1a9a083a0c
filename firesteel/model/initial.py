"""Weights to begin with. Each is a function of the seed and its own name, so that any process can make its part alone."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn

INTO_RESIDUAL = ("o_proj.weight", "down_proj.weight", ".down")


def initial_weight(name: str, shape: torch.Size, *, layers: int, seed: int) -> Tensor:
    """The float32 weight called `name` in Transformer.state_dict(), on the CPU.

    Matrices N(0, 1/fan_in), embeddings N(0, 1/D); what leads into the residual stream is scaled by 1/sqrt(2 layers) (GPT-2,
    Radford et al. 2019, §2.3). Norms are ones, biases zeros.
    """
    if ".adapter." in name:
        return _adapter_weight(name, shape, seed)
    if len(shape) < 2:
        return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
    scale = 1 / math.sqrt(2 * layers) if name.endswith(INTO_RESIDUAL) else 1.0
    return nn.init.normal_(torch.empty(shape), std=scale / math.sqrt(shape[-1]), generator=_generator(name, seed))


def _adapter_weight(name: str, shape: torch.Size, seed: int) -> Tensor:
    """LoRA's A uniform in +-1/sqrt(fan_in), its B zeros, so that an adapter changes nothing yet (Hu et al. 2021, §4.1)."""
    if name.endswith("b"):
        return torch.zeros(shape)
    bound = 1 / math.sqrt(shape[-1])
    return nn.init.uniform_(torch.empty(shape), -bound, bound, generator=_generator(name, seed))


def _generator(name: str, seed: int) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
