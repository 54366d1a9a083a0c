"""Number formats of GGUF files against their definitions, written here weight by weight from ggml's block formats."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from firesteel.model.gguf.file import READABLE
from firesteel.model.gguf.read import dequantise

Weights = list[float]


def half(block: bytes, at: int) -> float:
    return float(struct.unpack_from("<e", block, at)[0])


def nibble(block: bytes, at: int, i: int) -> int:
    """Of 32 weights in 16 bytes: low halves are weights 0 .. 15, high halves 16 .. 31."""
    return block[at + i % 16] >> (4 * (i // 16)) & 15


def fifth(block: bytes, at: int, i: int) -> int:
    """The fifth bit of weight i, from 32 bits."""
    return int(struct.unpack_from("<I", block, at)[0]) >> i & 1


def q4_0(block: bytes) -> Weights:
    return [half(block, 0) * (nibble(block, 2, i) - 8) for i in range(32)]


def q4_1(block: bytes) -> Weights:
    return [half(block, 0) * nibble(block, 4, i) + half(block, 2) for i in range(32)]


def q5_0(block: bytes) -> Weights:
    return [half(block, 0) * ((nibble(block, 6, i) | fifth(block, 2, i) << 4) - 16) for i in range(32)]


def q5_1(block: bytes) -> Weights:
    return [half(block, 0) * (nibble(block, 8, i) | fifth(block, 4, i) << 4) + half(block, 2) for i in range(32)]


def q8_0(block: bytes) -> Weights:
    return [half(block, 0) * struct.unpack_from("b", block, 2 + i)[0] for i in range(32)]


def q4_k(block: bytes) -> Weights:
    """Eight groups of 32: a 6-bit scale and a 6-bit minimum each, packed into 12 bytes; two groups share 32 bytes."""
    d, least, packed = half(block, 0), half(block, 2), block[4:16]
    out: Weights = []
    for group in range(8):
        if group < 4:
            scale, minimum = packed[group] & 63, packed[group + 4] & 63
        else:
            scale = packed[group + 4] & 15 | (packed[group - 4] >> 6) << 4
            minimum = packed[group + 4] >> 4 | (packed[group] >> 6) << 4
        for i in range(32):
            value = block[16 + 32 * (group // 2) + i] >> (4 * (group % 2)) & 15
            out.append(d * scale * value - least * minimum)
    return out


def q6_k(block: bytes) -> Weights:
    """Sixteen groups of 16 with an 8-bit scale; of each weight 4 bits in one place, 2 in another, less 32."""
    low, high, scales, d = block[:128], block[128:192], block[192:208], half(block, 208)
    out: Weights = []
    for i in range(256):
        part, inner = divmod(i, 128)
        quarter, place = divmod(inner, 32)
        four = low[64 * part + 32 * (quarter % 2) + place] >> (4 * (quarter // 2)) & 15
        two = high[32 * part + place] >> (2 * quarter) & 3
        scale = struct.unpack_from("b", scales, 8 * part + 2 * quarter + place // 16)[0]
        out.append(d * scale * ((four | two << 4) - 32))
    return out


def bf16(block: bytes) -> Weights:
    return [struct.unpack("<f", b"\0\0" + block)[0]]


ORACLES: dict[str, Callable[[bytes], Weights]] = {
    "F32": lambda block: [struct.unpack("<f", block)[0]], "F16": lambda block: [half(block, 0)], "BF16": bf16,
    "Q8_0": q8_0, "Q4_0": q4_0, "Q4_1": q4_1, "Q5_0": q5_0, "Q5_1": q5_1, "Q4_K": q4_k, "Q6_K": q6_k,
}  # fmt: skip
SCALES = {"Q8_0": (0,), "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q6_K": (208,)}


@pytest.mark.parametrize("kind", READABLE)
def test_random_blocks_mean_what_the_format_says(kind: str) -> None:
    rng = np.random.default_rng(0)
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    blocks = []
    for _ in range(40):
        block = bytearray(rng.integers(0, 256, size, np.uint8).tobytes())
        for at in SCALES.get(kind, ()):
            struct.pack_into("<e", block, at, rng.normal())
        if kind in ("F32", "F16", "BF16"):
            number = np.array(rng.normal(), np.float32).tobytes()
            block = bytearray({"F32": number, "BF16": number[2:], "F16": np.float16(rng.normal()).tobytes()}[kind])
        blocks.append(bytes(block))
    wanted = [weight for block in blocks for weight in ORACLES[kind](block)]
    np.testing.assert_allclose(dequantise(b"".join(blocks), GGMLQuantizationType[kind]), wanted, rtol=1e-5, atol=1e-6)


def test_every_readable_format_has_its_definition_here() -> None:
    assert set(ORACLES) == set(READABLE)


def test_damaged_scales_make_no_warning() -> None:
    infinite = struct.pack("<e", float("inf")) + bytes(16)
    found = dequantise(infinite, GGMLQuantizationType.Q4_0)
    assert len(found) == 32 and not np.isfinite(found).any()
