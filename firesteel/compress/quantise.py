"""Weight-only int8: one scale an output row, symmetric, round to nearest.

On disk it is compressed-tensors' `int-quantized` layout: `NAME.weight` int8 [out, in] beside `NAME.weight_scale`
[out, 1]. The router, its bias, norms and the MTP projection stay in float: few bytes, and routing is decided by small
differences. Loading restores w ~ q * scale, so what is judged is exactly what is stored.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from firesteel.model.families import to_hf as to_hf_config
from firesteel.model.transformer import Transformer
from firesteel.model.weights import to_hf, write_tensors

KEPT = ("mlp.gate.weight", "eh_proj.weight")  # matrices that stay in float
QUANTISATION = {
    "quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed",
    "ignore": ["re:.*mlp.gate$", "re:.*eh_proj$"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear", "Embedding"], "input_activations": None, "output_activations": None,
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
        }
    },
}  # fmt: skip


def quantise_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """weight [out, in] -> int8 [out, in] and float32 scale [out, 1] = amax / 127; an all-zero row has scale 1."""
    amax = weight.float().abs().amax(dim=1, keepdim=True)
    scale = torch.where(amax > 0, amax / 127, torch.ones_like(amax))
    return (weight.float() / scale).round().clamp(-127, 127).to(torch.int8), scale


def save_int8(folder: Path, model: Transformer) -> dict[str, int]:
    """Write config.json and int8 model.safetensors; returns counts of quantised and kept tensors."""
    tensors: dict[str, Tensor] = {}
    quantised = 0
    for name, tensor in to_hf(model):
        if tensor.ndim == 2 and not name.endswith(KEPT):
            tensors[name], tensors[f"{name}_scale"] = quantise_rows(tensor)
            quantised += 1
        else:
            tensors[name] = tensor.contiguous()
    write_tensors(folder / "model.safetensors", tensors)
    config = to_hf_config(model.config) | {"torch_dtype": "float32", "quantization_config": QUANTISATION}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return {"quantised": quantised, "kept": len(tensors) - 2 * quantised}
