"""The keys that describe a model in a GGUF file, by llama.cpp architecture, and the models that llama.cpp would mistake.

The reader of the same keys is model/gguf/config.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firesteel.core.errors import ArtefactError
from firesteel.model.config import ModelConfig
from firesteel.model.gguf.config import SIGMOID, SOFTMAX

Keys = dict[str, Any]

LITE = {26, 27}  # layer counts at which llama.cpp takes a model for V2-Lite and looks for no query latent
LITE_BY_VOCABULARY = (48, 128_256)  # layers and tokens of another model of that shape


def architecture_of(config: ModelConfig) -> str:
    """llama.cpp's architecture that computes this model. Raises ArtefactError naming what none of ours does."""
    reasons = {name: _first(rules, config) for name, (rules, _) in ARCHITECTURES.items()}
    found = next((name for name, reason in reasons.items() if reason is None), None)
    if found is not None:
        return found
    nearest = NEAREST[config.attention](config)
    raise ArtefactError(
        "llama.cpp would not load this model", value=reasons[nearest], why=f"its architecture '{nearest}' is the nearest",
        hint="export to hf",
    )  # fmt: skip


def model_keys(config: ModelConfig) -> Keys:
    """The model's keys, without the prefix of its architecture. Raises ArtefactError as `architecture_of`."""
    keys = _shared(config) | _rope(config) | ARCHITECTURES[architecture_of(config)][1](config)
    return {name: value for name, value in keys.items() if value is not None}


def _shared(c: ModelConfig) -> Keys:
    return {
        "block_count": c.num_hidden_layers + c.num_nextn_predict_layers, "context_length": c.max_position_embeddings,
        "embedding_length": c.hidden_size, "vocab_size": c.vocab_size, "feed_forward_length": c.intermediate_size,
        "attention.head_count": c.num_attention_heads, "attention.layer_norm_rms_epsilon": c.rms_norm_eps,
        "rope.dimension_count": c.rope_dim, "rope.freq_base": c.rope_theta,
    }  # fmt: skip


def _rope(c: ModelConfig) -> Keys:
    """Llama 3.1's rule has no key: its factors are a tensor. The original context is said all the same."""
    s = c.rope_scaling
    if s is None or s.kind == "llama3":
        return {} if s is None else {"rope.scaling.original_context_length": s.original_max_position_embeddings}
    yarn = {
        "rope.scaling.original_context_length": s.original_max_position_embeddings,
        "rope.scaling.yarn_beta_fast": float(s.beta_fast), "rope.scaling.yarn_beta_slow": float(s.beta_slow),
        "rope.scaling.yarn_log_multiplier": 0.1 * s.mscale_all_dim or None,
    }  # fmt: skip
    return {"rope.scaling.type": s.kind, "rope.scaling.factor": float(s.factor)} | (yarn if s.kind == "yarn" else {})


def _gqa(c: ModelConfig) -> Keys:
    return {
        "attention.head_count_kv": c.num_key_value_heads, "attention.key_length": c.head_dim,
        "attention.value_length": c.head_dim,
    }  # fmt: skip


def _qwen3moe(c: ModelConfig) -> Keys:
    return _gqa(c) | {
        "expert_count": c.n_routed_experts, "expert_used_count": c.num_experts_per_tok,
        "expert_feed_forward_length": c.moe_intermediate_size,
    }  # fmt: skip


def _deepseek2(c: ModelConfig) -> Keys:
    """Attention is described as llama.cpp runs it: one shared latent head."""
    return _experts(c) | {
        "attention.head_count_kv": 1, "attention.q_lora_rank": c.q_lora_rank, "attention.kv_lora_rank": c.kv_lora_rank,
        "attention.key_length": c.cache_width, "attention.value_length": c.kv_lora_rank,
        "attention.key_length_mla": c.qk_head_dim, "attention.value_length_mla": c.v_head_dim,
        "nextn_predict_layers": c.num_nextn_predict_layers or None,
    }  # fmt: skip


def _experts(c: ModelConfig) -> Keys:
    if not c.n_routed_experts:  # dense layers to the end; two keys must be there all the same
        return {
            "leading_dense_block_count": c.num_hidden_layers, "expert_feed_forward_length": c.intermediate_size,
            "expert_shared_count": 0,
        }  # fmt: skip
    groups = {"expert_group_count": c.n_group, "expert_group_used_count": c.topk_group} if c.n_group > 1 else {}
    return groups | {
        "leading_dense_block_count": c.first_k_dense_replace, "expert_feed_forward_length": c.moe_intermediate_size,
        "expert_count": c.n_routed_experts, "expert_used_count": c.num_experts_per_tok,
        "expert_shared_count": c.n_shared_experts, "expert_weights_scale": float(c.routed_scaling_factor),
        "expert_weights_norm": c.norm_topk_prob,
        "expert_gating_func": SIGMOID if c.scoring_func == "sigmoid" else SOFTMAX,
    }  # fmt: skip


def _is_lite(c: ModelConfig) -> bool:
    return c.num_hidden_layers in LITE or (c.num_hidden_layers, c.vocab_size) == LITE_BY_VOCABULARY


Rules = tuple[tuple[Callable[[ModelConfig], bool], str], ...]  # what must not be, and how to say it
_YARN: Rules = (
    (lambda c: c.rope_scaling is not None and c.rope_scaling.attention_factor is not None, "YaRN's attention_factor"),
    (lambda c: c.rope_scaling is not None and not c.rope_scaling.truncate, "YaRN without whole dimensions"),
)
_GQA: Rules = (
    (lambda c: c.attention != "gqa", "attention other than GQA"),
    (lambda c: c.rope_interleave, "rotary pairs of neighbours in GQA"),
    (lambda c: bool(c.rope_scaling and c.rope_scaling.mscale_all_dim), "DeepSeek's YaRN temperature in GQA"),
    *_YARN,
)
_LLAMA: Rules = (
    (lambda c: bool(c.rope_scaling and (c.rope_scaling.low_freq_factor, c.rope_scaling.high_freq_factor) != (1, 4)),
     "Llama 3.1's rule with other wavelengths"),
    (lambda c: c.qk_norm, "a norm of queries and keys"), (lambda c: c.qkv_bias and not c.o_bias, "Qwen2's biases"),
)  # fmt: skip
_DENSE: Rules = (*_GQA, (lambda c: c.n_routed_experts > 0, "experts with grouped-query attention"))
_LLAMA3: Rules = ((lambda c: bool(c.rope_scaling and c.rope_scaling.kind == "llama3"), "Llama 3.1's rotary scaling"),)
_QWEN: Rules = (*_LLAMA3, (lambda c: c.o_bias or c.mlp_bias, "biases of the output or the feed-forward"))
_QWEN2: Rules = (
    *_QWEN, (lambda c: c.qk_norm, "a norm of queries and keys"), (lambda c: not c.qkv_bias, "no biases"),
)  # fmt: skip
_QWEN3: Rules = (
    *_QWEN, (lambda c: not c.qk_norm, "queries and keys without a norm"), (lambda c: c.qkv_bias, "biases with a norm"),
)  # fmt: skip
_QWEN3MOE: Rules = (
    *_GQA, *_QWEN3, (lambda c: not c.n_routed_experts, "no experts"),
    (lambda c: c.scoring_func != "softmax" or c.topk_method != "greedy", "another router than a plain softmax"),
    (lambda c: not c.norm_topk_prob or c.routed_scaling_factor != 1, "gates that are scaled or do not sum to 1"),
    (lambda c: c.n_shared_experts > 0, "shared experts"), (lambda c: c.first_k_dense_replace > 0, "leading dense layers"),
)  # fmt: skip
_DEEPSEEK2: Rules = (
    (lambda c: c.attention != "mla", "attention other than MLA"), (lambda c: not c.rope_interleave, "rotary halves in MLA"),
    (lambda c: c.qkv_bias or c.o_bias or c.mlp_bias, "biases in MLA"), *_LLAMA3, *_YARN,
    (lambda c: bool(c.rope_scaling and c.rope_scaling.mscale != c.rope_scaling.mscale_all_dim), "mscale unlike mscale_all_dim"),
    (lambda c: bool(c.rope_scaling and c.rope_scaling.kind == "yarn" and not c.rope_scaling.mscale_all_dim),
     "YaRN in MLA without mscale_all_dim"),
    (lambda c: c.n_routed_experts > 0 and not c.n_shared_experts, "experts of which none is shared"),
    (lambda c: c.n_group > 1 and c.topk_method != "noaux_tc", "groups of experts judged by their best (llama.cpp: by two)"),
    (lambda c: bool(c.q_lora_rank) and _is_lite(c),
     "a query latent (q_lora_rank) at a number of layers that llama.cpp takes for V2-Lite, which has none"),
    (lambda c: not c.q_lora_rank and not _is_lite(c),
     f"no query latent (q_lora_rank) unless there are {' or '.join(map(str, sorted(LITE)))} layers"),
    (lambda c: c.num_nextn_predict_layers > 1, "more than one multi-token prediction module"),
    (lambda c: c.num_nextn_predict_layers > 0 and not (c.q_lora_rank and c.n_routed_experts),
     "multi-token prediction without a query latent and experts"),
)  # fmt: skip

ARCHITECTURES: dict[str, tuple[Rules, Callable[[ModelConfig], Keys]]] = {  # the first whose rules nothing breaks
    "deepseek2": (_DEEPSEEK2, _deepseek2),
    "llama": ((*_DENSE, *_LLAMA), _gqa),
    "qwen2": ((*_DENSE, *_QWEN2), _gqa),
    "qwen3": ((*_DENSE, *_QWEN3), _gqa),
    "qwen3moe": (_QWEN3MOE, _qwen3moe),
}
NEAREST: dict[str, Callable[[ModelConfig], str]] = {
    "mla": lambda c: "deepseek2",
    "gqa": lambda c: "qwen3moe" if c.n_routed_experts else "qwen3" if c.qk_norm else "qwen2" if c.qkv_bias else "llama",
}


def _first(rules: Rules, config: ModelConfig) -> str | None:
    return next((text for broken, text in rules if broken(config)), None)
