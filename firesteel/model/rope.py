"""Rotary positions: frequencies, their stretching to longer contexts, and the rotation itself.

B batch, T tokens, H heads, R rotary width
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from firesteel.kernels.table import kernel
from firesteel.model.config import ModelConfig, RopeScaling, yarn_mscale


class Rope:
    """Angles of a model's rotary positions. Not a module: what it holds is neither trained, stored, nor rounded to bf16."""

    def __init__(self, config: ModelConfig) -> None:
        self.frequency = frequencies(config)  # [R/2], radians a token
        self.amplitude = amplitude(config.rope_scaling)

    def __call__(self, positions: Tensor) -> Tensor:
        """positions [B, T] -> cos and sin of every pair, [B, T, 2, R/2], float32."""
        if self.frequency.device != positions.device:
            self.frequency = self.frequency.to(positions.device)
        angle = positions[..., None].float() * self.frequency
        table = torch.stack((angle.cos(), angle.sin()), dim=-2)
        return table if self.amplitude == 1.0 else table * self.amplitude


def frequencies(config: ModelConfig) -> Tensor:
    """theta^(-2i/R) for pair i (Su et al. 2021, eq. 15), stretched as the config says. [R/2], float32."""
    width, scaling = config.rope_dim, config.rope_scaling
    exponent = torch.arange(0, width, 2, dtype=torch.float32, device="cpu") / width
    frequency = 1.0 / config.rope_theta**exponent
    if scaling is None:
        return frequency
    return {"linear": _linear, "llama3": _llama3, "yarn": _yarn}[scaling.kind](frequency, scaling, config)


def _linear(frequency: Tensor, scaling: RopeScaling, config: ModelConfig) -> Tensor:
    """Position interpolation (Chen et al. 2023, eq. 4)."""
    return frequency / scaling.factor


def _llama3(frequency: Tensor, scaling: RopeScaling, config: ModelConfig) -> Tensor:
    """Llama 3.1: short wavelengths stay, long ones are divided by the factor, those between are blended."""
    s = scaling
    rotations = s.original_max_position_embeddings * frequency / (2 * math.pi)  # within the original context
    keep = ((rotations - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor)).clamp(0, 1)
    return keep * frequency + (1 - keep) * frequency / s.factor


def _yarn(frequency: Tensor, scaling: RopeScaling, config: ModelConfig) -> Tensor:
    """YaRN's NTK-by-parts (Peng et al. 2023, eq. 17-20, with DeepSeek-V3's ramp over dimensions)."""
    low, high = yarn_ramp(config)
    dims = torch.arange(len(frequency), dtype=torch.float32, device="cpu")
    interpolate = ((dims - low) / (high - low)).clamp(0, 1)
    return frequency * (1 - interpolate) + frequency / scaling.factor * interpolate


def yarn_ramp(config: ModelConfig) -> tuple[float, float]:
    """Pairs between which YaRN goes from keeping a frequency to dividing it: V3 has (10, 23)."""
    s = config.rope_scaling
    assert s is not None

    def pair(rotations: float) -> float:
        """The pair that turns this often within the original context."""
        wavelength = s.original_max_position_embeddings / (rotations * 2 * math.pi)
        return config.rope_dim * math.log(wavelength) / (2 * math.log(config.rope_theta))

    low, high = pair(s.beta_fast), pair(s.beta_slow)
    if s.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, config.rope_dim - 1)
    return low, high if high != low else high + 0.001  # as the reference: no division by zero


def amplitude(scaling: RopeScaling | None) -> float:
    """What cos and sin are multiplied by: 1 but for YaRN, whose temperature may sit here (Llama, Qwen) or not (DeepSeek)."""
    if scaling is None or scaling.kind != "yarn":
        return 1.0
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    if scaling.mscale and scaling.mscale_all_dim:
        return yarn_mscale(scaling.factor, scaling.mscale) / yarn_mscale(scaling.factor, scaling.mscale_all_dim)
    return yarn_mscale(scaling.factor, 1.0)


def rotate(x: Tensor, table: Tensor, *, interleave: bool) -> Tensor:
    """Rotate each pair by its angle, in float32 as DeepSeek's reference does. x [B, T, H, R], table [B or 1, T, 2, R/2].

    `interleave`: pairs are neighbours (x0, x1), (x2, x3), ...; else (x_i, x_{i + R/2}). Returns [B, T, H, R] in x's dtype.
    """
    out: Tensor = kernel("rotate", x.device.type)(x, table, interleave)
    return out
