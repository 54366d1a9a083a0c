"""Toy checkpoints of every family, made by transformers at random shapes: what the parity tests compare with."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import transformers

V3_YARN = {
    "rope_type": "yarn", "factor": 40.0, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip


def _common(rng: random.Random) -> dict[str, Any]:
    return {
        "vocab_size": rng.choice([61, 97, 128]), "num_hidden_layers": rng.choice([2, 3]), "max_position_embeddings": 256,
        "rms_norm_eps": rng.choice([1e-5, 1e-6]), "tie_word_embeddings": rng.random() < 0.5, "rope_theta": 10000.0,
        "intermediate_size": rng.choice([40, 72]), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip


def _mla(rng: random.Random, *, query: bool) -> dict[str, Any]:
    heads = rng.choice([2, 4])
    return _common(rng) | {
        "hidden_size": 12 * heads, "num_attention_heads": heads, "num_key_value_heads": heads,
        "q_lora_rank": rng.choice([12, 20]) if query else None, "kv_lora_rank": rng.choice([8, 16]),
        "qk_nope_head_dim": rng.choice([6, 12]), "qk_rope_head_dim": rng.choice([4, 8]),
        "v_head_dim": rng.choice([6, 12, 24]), "first_k_dense_replace": rng.choice([0, 1]),
        "moe_intermediate_size": rng.choice([12, 20]), "n_shared_experts": rng.choice([1, 2]),
    }  # fmt: skip


def _gqa(rng: random.Random) -> dict[str, Any]:
    groups = rng.choice([1, 2])
    return _common(rng) | {
        "hidden_size": 48, "num_attention_heads": groups * rng.choice([1, 2, 3]), "num_key_value_heads": groups,
        "head_dim": rng.choice([8, 12]),
    }  # fmt: skip


def deepseek_v2(rng: random.Random) -> Any:
    groups = {"n_routed_experts": 12, "num_experts_per_tok": 4, "topk_method": "group_limited_greedy", "n_group": 4}
    own = groups | {"topk_group": 2, "routed_scaling_factor": 16.0, "rope_scaling": V3_YARN | {"mscale": 0.707}}
    return transformers.DeepseekV2Config(**_mla(rng, query=True) | own)


def deepseek_v2_lite(rng: random.Random) -> Any:
    lite = {"n_routed_experts": 8, "num_experts_per_tok": 3, "topk_method": "greedy", "n_group": 1, "topk_group": 1}
    yarn = V3_YARN | {"mscale": 0.707, "mscale_all_dim": 0.707}
    return transformers.DeepseekV2Config(**_mla(rng, query=False) | lite | {"rope_scaling": yarn})


def deepseek_v3(rng: random.Random) -> Any:
    groups = {"n_routed_experts": 16, "num_experts_per_tok": 4, "n_group": 4, "topk_group": 2}
    own = groups | {"routed_scaling_factor": 2.5, "rope_scaling": V3_YARN, "attention_bias": rng.random() < 0.5}
    return transformers.DeepseekV3Config(**_mla(rng, query=True) | own)


def moonlight(rng: random.Random) -> Any:
    own = {"n_routed_experts": 8, "num_experts_per_tok": 3, "n_group": 1, "topk_group": 1, "rope_theta": 50000.0}
    return transformers.DeepseekV3Config(**_mla(rng, query=False) | own | {"routed_scaling_factor": 2.446})


def kimi_k2(rng: random.Random) -> Any:
    yarn = V3_YARN | {"factor": 32.0, "beta_fast": 1.0}
    own = {"n_routed_experts": 12, "num_experts_per_tok": 4, "n_group": 1, "topk_group": 1, "rope_scaling": yarn}
    return transformers.DeepseekV3Config(**_mla(rng, query=True) | own | {"routed_scaling_factor": 2.827})


def llama2(rng: random.Random) -> Any:
    heads = rng.choice([2, 4])
    mha = {"num_attention_heads": heads, "num_key_value_heads": heads, "head_dim": 48 // heads}
    return transformers.LlamaConfig(**_gqa(rng) | mha)


def llama3(rng: random.Random) -> Any:
    scaling = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }  # fmt: skip
    biases = {"attention_bias": rng.random() < 0.5, "mlp_bias": rng.random() < 0.5}
    return transformers.LlamaConfig(**_gqa(rng) | {"rope_theta": 500000.0, "rope_scaling": scaling} | biases)


def smollm2(rng: random.Random) -> Any:
    own = {"hidden_size": 36, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 4, "rope_theta": 100000.0}
    return transformers.LlamaConfig(**_gqa(rng) | own | {"tie_word_embeddings": True})


def llama_linear(rng: random.Random) -> Any:
    return transformers.LlamaConfig(**_gqa(rng) | {"rope_scaling": {"rope_type": "linear", "factor": 4.0}})


def qwen2(rng: random.Random) -> Any:
    own = {name: value for name, value in _gqa(rng).items() if name != "head_dim"}
    return transformers.Qwen2Config(**own)


def qwen2_yarn(rng: random.Random) -> Any:
    own = {name: value for name, value in _gqa(rng).items() if name != "head_dim"}
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    return transformers.Qwen2Config(**own | {"rope_scaling": yarn})


def qwen3(rng: random.Random) -> Any:
    return transformers.Qwen3Config(**_gqa(rng))


def qwen3_moe(rng: random.Random) -> Any:
    own = {
        "num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 16, "norm_topk_prob": rng.random() < 0.5,
        "mlp_only_layers": rng.choice([[], [0]]),
    }  # fmt: skip
    return transformers.Qwen3MoeConfig(**_gqa(rng) | own)


def glm4_moe(rng: random.Random) -> Any:
    own = {
        "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 16, "n_shared_experts": 1,
        "first_k_dense_replace": 1, "use_qk_norm": True, "n_group": 2, "topk_group": 1,
    }  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    return transformers.Glm4MoeConfig(**_gqa(rng) | own | {"rope_parameters": rope})


FAMILIES = {
    f.__name__: f
    for f in (
        deepseek_v2, deepseek_v2_lite, deepseek_v3, moonlight, kimi_k2, llama2, llama3, llama_linear, smollm2, qwen2,
        qwen2_yarn, qwen3, qwen3_moe, glm4_moe,
    )
}  # fmt: skip


def checkpoint(name: str, seed: int, folder: Path) -> Any:
    """A family's toy model with weights that matter (norms, biases, router biases included), saved; returns the model."""
    torch.manual_seed(seed)
    config = FAMILIES[name](random.Random(f"{name}/{seed}"))
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for key, p in [*model.named_parameters(), *model.named_buffers()]:
            if "inv_freq" in key:
                continue
            if "e_score" in key or key.endswith("bias"):
                p.normal_(std=0.2)
            elif p.ndim < 2:
                p.normal_(mean=1.0, std=0.2)
            else:
                p.normal_(std=0.8 / p.shape[-1] ** 0.5 if "embed" not in key else 1.0)
    model.save_pretrained(folder)
    return model
