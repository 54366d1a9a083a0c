"""A GGUF file's keys as a ModelConfig, by architecture. What a key asks for and this version does not compute is refused.

The meaning of keys is llama.cpp's: its conversion code writes them, its loader (src/llama-model.cpp, src/models) reads them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from firesteel.core.errors import ArtefactError, nearest
from firesteel.model.config import ModelConfig, RopeScaling
from firesteel.model.gguf.file import GGUF
from firesteel.model.gguf.keys import MAX_SIZE, Keys, unsupported
from firesteel.model.gguf.read import read_vector
from firesteel.model.rope import frequencies

Fields = dict[str, Any]

SOFTMAX, SIGMOID = 1, 2  # llama.cpp's expert gating functions
MAX_CONTEXT = 1 << 24  # positions; the rotary table of a file that claims more is not made
MAX_EXPERTS = 1 << 14  # of a layer
FREQS = "rope_freqs.weight"


def config_of(file: GGUF) -> ModelConfig:
    """The model's shape from the file's keys. Raises ArtefactError for what is damaged, or not computed by this version."""
    if file.architecture not in ARCHITECTURES:
        why = f"readable: {', '.join(ARCHITECTURES)}"
        hint = nearest(str(file.architecture), ARCHITECTURES)
        raise ArtefactError("this GGUF file holds another architecture", value=file.architecture, why=why, hint=hint)
    keys = Keys(file)
    fields = _shared(keys) | ARCHITECTURES[file.architecture](keys)
    keys.refuse_the_rest()
    try:
        config = ModelConfig(**fields)
        return _with_factors(file, config) if FREQS in file.tensors else config
    except (AssertionError, TypeError, ValueError, ZeroDivisionError, OverflowError) as e:
        raise ArtefactError("the keys of the GGUF file do not fit together", value=file.path, why=str(e)) from e


def _shared(keys: Keys) -> Fields:
    file = keys.file
    if "token_embd.weight" not in file.tensors:
        raise ArtefactError("a tensor is missing from the GGUF file", value="token_embd.weight")
    rows = file.tensors["token_embd.weight"].shape[0]  # `vocab_size` is often left out
    context, layers = keys.whole("context_length"), keys.whole("block_count")
    if context > MAX_CONTEXT or layers > len(file.tensors):
        why = f"{layers:,} layers and {context:,} positions"
        raise ArtefactError("the keys describe a larger model than the GGUF file holds", value=file.path, why=why)
    return {
        "vocab_size": keys.whole("vocab_size", rows), "hidden_size": keys.whole("embedding_length"),
        "num_hidden_layers": layers, "num_attention_heads": keys.whole("attention.head_count"),
        "max_position_embeddings": context, "rms_norm_eps": keys.real("attention.layer_norm_rms_epsilon"),
        "rope_theta": keys.real("rope.freq_base", 10_000.0), "tie_word_embeddings": "output.weight" not in file.tensors,
        "bos_token_id": _token(file, "bos"), "eos_token_id": _ends(file), "pad_token_id": _token(file, "padding"),
    }  # fmt: skip


def _token(file: GGUF, name: str) -> int | None:
    found = file.keys.get(f"tokenizer.ggml.{name}_token_id")
    return found if isinstance(found, int) and 0 <= found < MAX_SIZE else None


def _ends(file: GGUF) -> int | tuple[int, ...] | None:
    """Tokens that end an answer: of the text, of a turn, of a message."""
    found = dict.fromkeys(id for name in ("eos", "eot", "eom") if (id := _token(file, name)) is not None)
    return tuple(found) if len(found) > 1 else next(iter(found), None)


def _rope_scaling(keys: Keys) -> RopeScaling | None:
    factor = keys.real("rope.scaling.factor", 0.0) or keys.real("rope.scale_linear", 0.0)
    kind = keys.text("rope.scaling.type", "linear" if factor else "none")
    original = keys.whole("rope.scaling.original_context_length", keys.whole("context_length"))
    if kind not in ("none", "linear", "yarn"):
        raise unsupported(f"{keys.prefix}rope.scaling.type", kind, "computed: none, linear, yarn")
    if factor <= 0 or kind == "none":
        return None
    if kind == "linear":
        return None if factor == 1 else RopeScaling("linear", factor, original)
    multiplier = keys.real("rope.scaling.yarn_attn_factor", 0.0)
    return RopeScaling(
        "yarn", factor, original, beta_fast=keys.real("rope.scaling.yarn_beta_fast", 32.0),
        beta_slow=keys.real("rope.scaling.yarn_beta_slow", 1.0), attention_factor=multiplier or None,
    )  # fmt: skip


def _with_factors(file: GGUF, config: ModelConfig) -> ModelConfig:
    """The config with the rule behind a tensor of factors, which divide the frequencies: Llama 3.1's, or ArtefactError.

    The rule's factor is the tensor's largest; low 1, high 4 and an original context of 8192 are what Llama 3.1 to 3.3 have.
    """
    original = Keys(file).whole("rope.scaling.original_context_length", 8192)
    found = read_vector(file, FREQS)
    largest = float(found.max()) if len(found) else 0.0
    if config.rope_scaling is None and config.attention == "gqa" and 1 <= largest < MAX_CONTEXT:
        ruled = config.replace(rope_scaling=RopeScaling("llama3", round(largest, 4), original))
        expected = frequencies(config) / frequencies(ruled)
        if expected.shape == found.shape and torch.allclose(found, expected, rtol=1e-3):
            return ruled
    why = f"it is not what Llama 3.1's rule gives with low 1, high 4 and an original context of {original}"
    raise unsupported(FREQS, f"{len(found)} factors up to {largest}", why)


def _gqa(keys: Keys) -> Fields:
    file, heads, hidden = keys.file, keys.whole("attention.head_count"), keys.whole("embedding_length")
    width = keys.whole("attention.key_length", hidden // max(heads, 1))
    for name in ("attention.value_length", "rope.dimension_count"):
        if keys.whole(name, width) != width:
            raise unsupported(keys.prefix + name, keys.whole(name), f"only the width of a key, {width}, is computed")
    return {
        "attention": "gqa", "num_key_value_heads": keys.whole("attention.head_count_kv", heads), "head_dim": width,
        "intermediate_size": keys.whole("feed_forward_length", 0), "rope_interleave": False, "rope_scaling": _rope_scaling(keys),
        "qkv_bias": "blk.0.attn_q.bias" in file.tensors, "o_bias": "blk.0.attn_output.bias" in file.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in file.tensors,
    }  # fmt: skip


def _llama(keys: Keys) -> Fields:
    if keys.whole("expert_count", 0):
        raise unsupported("llama.expert_count", keys.whole("expert_count"), "Mixtral's experts are not computed here")
    return _gqa(keys)


def _qwen3(keys: Keys) -> Fields:
    return _gqa(keys) | {"qk_norm": True}


def _qwen3moe(keys: Keys) -> Fields:
    own, used = _qwen3(keys), keys.whole("expert_used_count")
    return own | {
        "n_routed_experts": _experts(keys), "num_experts_per_tok": used, "scoring_func": "softmax",
        "moe_intermediate_size": keys.whole("expert_feed_forward_length", own["intermediate_size"] // max(used, 1)),
        "topk_method": "greedy", "norm_topk_prob": True,  # what llama.cpp computes for this architecture
    }  # fmt: skip


def _experts(keys: Keys) -> int:
    count = keys.whole("expert_count", 0)
    if count > MAX_EXPERTS:
        raise unsupported(f"{keys.prefix}expert_count", count, f"at most {MAX_EXPERTS} are read")
    return count


def _deepseek2(keys: Keys) -> Fields:
    tensors, rope = keys.file.tensors, keys.whole("rope.dimension_count")
    layers, mtp = keys.whole("block_count"), keys.whole("nextn_predict_layers", 0)
    main = max(layers - mtp, 0)
    mtp = mtp if f"blk.{main}.nextn.eh_proj.weight" in tensors else 0  # a file may name the modules and leave them out
    query = keys.whole("attention.q_lora_rank", 0)
    for name in ("head_count_kv", "key_length", "value_length"):  # as llama.cpp computes it: one shared head of latents
        keys.whole(f"attention.{name}", 0)
    old = not keys.has("attention.key_length_mla")  # files from before that: the widths of the heads themselves
    return _moe(keys, main, mtp) | {
        "attention": "mla", "num_hidden_layers": main, "num_nextn_predict_layers": mtp,
        "q_lora_rank": query if query and "blk.0.attn_q_a.weight" in tensors else None,
        "kv_lora_rank": keys.whole("attention.kv_lora_rank"), "qk_rope_head_dim": rope,
        "qk_nope_head_dim": keys.whole("attention.key_length" if old else "attention.key_length_mla") - rope,
        "v_head_dim": keys.whole("attention.value_length" if old else "attention.value_length_mla"),
        "rope_interleave": True, "rope_scaling": _mla_scaling(keys),
        "intermediate_size": keys.whole("feed_forward_length", 0),
    }  # fmt: skip


def _mla_scaling(keys: Keys) -> RopeScaling | None:
    """YaRN with DeepSeek's temperature; the file holds a tenth of mscale_all_dim, and mscale is taken to be the same."""
    scaling, tenth = _rope_scaling(keys), keys.real("rope.scaling.yarn_log_multiplier", 0.0)
    if scaling is None or scaling.kind != "yarn":
        return scaling
    mscale = float(str(np.float32(10 * tenth)))
    return dataclasses.replace(scaling, mscale=mscale, mscale_all_dim=mscale)


def _moe(keys: Keys, main: int, mtp: int) -> Fields:
    tensors, dense = keys.file.tensors, keys.whole("leading_dense_block_count", 0)
    groups, used_groups = keys.whole("expert_group_count", 1) or 1, keys.whole("expert_group_used_count", 1) or 1
    biased = f"blk.{dense}.exp_probs_b.bias" in tensors
    gating = keys.whole("expert_gating_func", 0) or (SIGMOID if biased else SOFTMAX)
    if gating not in (SOFTMAX, SIGMOID):
        raise unsupported(f"{keys.prefix}expert_gating_func", gating, f"computed: softmax {SOFTMAX}, sigmoid {SIGMOID}")
    greedy = "group_limited_greedy" if groups > 1 else "greedy"
    own = {
        "n_routed_experts": _experts(keys), "num_experts_per_tok": keys.whole("expert_used_count", 0),
        "n_shared_experts": keys.whole("expert_shared_count", 0), "first_k_dense_replace": dense,
        "moe_intermediate_size": keys.whole("expert_feed_forward_length", 0), "n_group": groups,
        "topk_group": used_groups, "norm_topk_prob": bool(keys.whole("expert_weights_norm", 0)),
        "routed_scaling_factor": keys.real("expert_weights_scale", 1.0) or 1.0,
        "scoring_func": "sigmoid" if gating == SIGMOID else "softmax",
        "topk_method": "noaux_tc" if gating == SIGMOID else greedy,
    }  # fmt: skip
    return own if own["n_routed_experts"] and (dense < main or mtp) else {}


ARCHITECTURES: dict[str, Callable[[Keys], Fields]] = {
    "llama": _llama,
    "qwen2": _gqa,
    "qwen3": _qwen3,
    "qwen3moe": _qwen3moe,
    "deepseek2": _deepseek2,
}
