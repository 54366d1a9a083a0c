"""GGUF files of toy Hugging Face checkpoints, written the way llama.cpp's conversion does it; shares no code with ours.

Names come from the `gguf` package's own map, keys from its writer's methods.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from safetensors.numpy import load_file

ARCHITECTURES = {
    "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "qwen3_moe": "qwen3moe", "deepseek_v2": "deepseek2",
    "deepseek_v3": "deepseek2",
}  # fmt: skip
Arrays = dict[str, np.ndarray]


def convert(folder: Path, path: Path, *, kind: str = "F32", old: bool = False, **extra: Any) -> Path:
    """The checkpoint in `folder` as a GGUF file. `old`: as deepseek2 files were before the split of W_UK and W_UV.

    `extra`: keys (dots written as __) that are set in place of what the conversion writes; None leaves a key out.
    """
    fields = json.loads((folder / "config.json").read_text())
    architecture = ARCHITECTURES[fields["model_type"]]
    mla = architecture == "deepseek2"
    keys = shared_keys(fields) | (mla_keys(fields, old) if mla else gqa_keys(fields))
    keys |= {name.replace("__", "."): value for name, value in extra.items()}
    writer = GGUFWriter(path, architecture)
    for name, value in keys.items():
        add_key(
            writer, name if name.startswith(("tokenizer.", "general.", "split.")) else f"{architecture}.{name}", value
        )
    arrays: Arrays = {}
    for file in sorted(folder.glob("*.safetensors")):
        arrays |= load_file(file)
    for name, array in tensors(fields, arrays, architecture, old):
        vector = array.ndim < 2 or "ffn_gate_inp" in name or array.shape[-1] % 32
        used = GGMLQuantizationType.F32 if vector else GGMLQuantizationType[kind]
        writer.add_tensor(name, quantize(np.ascontiguousarray(array, np.float32), used), raw_dtype=used)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_key(writer: GGUFWriter, name: str, value: Any) -> None:
    """One key by its Python type; None: no key."""
    if value is not None:
        adders = {
            bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string,
            list: writer.add_array,
        }  # fmt: skip
        adders[type(value)](name, value)


def shared_keys(c: dict[str, Any]) -> dict[str, Any]:
    keys = {
        "block_count": c["num_hidden_layers"], "context_length": c["max_position_embeddings"],
        "embedding_length": c["hidden_size"], "feed_forward_length": c["intermediate_size"],
        "attention.head_count": c["num_attention_heads"], "attention.layer_norm_rms_epsilon": float(c["rms_norm_eps"]),
        "attention.head_count_kv": c["num_key_value_heads"],
    }  # fmt: skip
    rope = c["rope_parameters"]
    keys["rope.freq_base"] = float(rope["rope_theta"])
    if rope["rope_type"] in ("linear", "yarn"):
        keys |= {"rope.scaling.type": rope["rope_type"], "rope.scaling.factor": float(rope["factor"])}
    if rope["rope_type"] == "yarn":
        keys["rope.scaling.original_context_length"] = rope["original_max_position_embeddings"]
        for name in ("beta_fast", "beta_slow"):
            keys[f"rope.scaling.yarn_{name}"] = float(rope[name]) if name in rope else None
    if rope.get("mscale_all_dim"):
        keys["rope.scaling.yarn_log_multiplier"] = 0.1 * rope["mscale_all_dim"]
    return keys


def gqa_keys(c: dict[str, Any]) -> dict[str, Any]:
    width = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    keys = {"rope.dimension_count": width}
    if width * c["num_attention_heads"] != c["hidden_size"]:
        keys |= {"attention.key_length": width, "attention.value_length": width}
    if c["model_type"] == "qwen3_moe":
        keys |= {
            "expert_count": c.get("num_experts") or c["num_local_experts"], "expert_used_count": c["num_experts_per_tok"],
            "expert_feed_forward_length": c["moe_intermediate_size"],
        }  # fmt: skip
    return keys


def mla_keys(c: dict[str, Any], old: bool) -> dict[str, Any]:
    head, value = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["v_head_dim"]
    latent, sigmoid = c["kv_lora_rank"], c["model_type"] == "deepseek_v3"
    widths = {"attention.key_length": head, "attention.value_length": value}
    if not old:
        widths = {
            "attention.head_count_kv": 1, "attention.key_length": latent + c["qk_rope_head_dim"],
            "attention.value_length": latent, "attention.key_length_mla": head, "attention.value_length_mla": value,
            "expert_gating_func": 2 if sigmoid else 1,
        }  # fmt: skip
    groups = (
        {"expert_group_count": c["n_group"], "expert_group_used_count": c["topk_group"]} if c["n_group"] > 1 else {}
    )
    return widths | groups | {
        "vocab_size": c["vocab_size"], "attention.q_lora_rank": c["q_lora_rank"], "attention.kv_lora_rank": latent,
        "rope.dimension_count": c["qk_rope_head_dim"], "leading_dense_block_count": c["first_k_dense_replace"],
        "expert_count": c["n_routed_experts"], "expert_used_count": c["num_experts_per_tok"],
        "expert_shared_count": c["n_shared_experts"], "expert_feed_forward_length": c["moe_intermediate_size"],
        "expert_weights_scale": float(c["routed_scaling_factor"]), "expert_weights_norm": c["norm_topk_prob"] or None,
    }  # fmt: skip


def tensors(c: dict[str, Any], arrays: Arrays, architecture: str, old: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor under its name in the file."""
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[architecture], c["num_hidden_layers"])
    for name, array in stacked(arrays):
        if name.endswith("kv_b_proj.weight") and not old:
            heads = array.reshape(c["num_attention_heads"], -1, array.shape[-1])
            nope, stem = c["qk_nope_head_dim"], name.removesuffix("kv_b_proj.weight")
            yield names.get_name(f"{stem}k_b_proj") + ".weight", heads[:, :nope].transpose(0, 2, 1)
            yield names.get_name(f"{stem}v_b_proj") + ".weight", heads[:, nope:]
            continue
        if architecture == "llama":
            array = permuted(name, array, c)
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        yield (found or names.get_name(name.replace("e_score_correction_bias", "e_score_correction")) + ".bias"), array
    if c["rope_parameters"]["rope_type"] == "llama3":
        yield "rope_freqs.weight", llama3_factors(c)


def stacked(arrays: Arrays) -> Iterator[tuple[str, np.ndarray]]:
    """Weights in order of their names, each layer's experts as one."""
    stacks: dict[str, dict[int, np.ndarray]] = {}
    for name, array in arrays.items():
        expert = re.match(r"(.*\.mlp\.experts)\.(\d+)\.(.*)", name)
        if expert:
            stacks.setdefault(f"{expert[1]}.{expert[3]}", {})[int(expert[2])] = array
        else:
            yield name, array
    for name, parts in stacks.items():
        yield name, np.stack([parts[i] for i in range(len(parts))])


def permuted(name: str, array: np.ndarray, c: dict[str, Any]) -> np.ndarray:
    """Queries and keys from rotary halves to neighbouring pairs."""
    heads = {"q_proj": c["num_attention_heads"], "k_proj": c["num_key_value_heads"]}.get(name.split(".")[-2])
    if heads is None:
        return array
    halves = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return halves.swapaxes(1, 2).reshape(array.shape)


def llama3_factors(c: dict[str, Any]) -> np.ndarray:
    """What each frequency is divided by."""
    rope, factors = c["rope_parameters"], []
    low, high = (rope["original_max_position_embeddings"] / rope[f"{end}_freq_factor"] for end in ("low", "high"))
    for i in range(0, c["head_dim"], 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (i / c["head_dim"])
        if wave < high or wave > low:
            factors.append(1.0 if wave < high else rope["factor"])
        else:
            smooth = rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]
            smooth /= rope["high_freq_factor"] - rope["low_freq_factor"]
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, np.float32)
