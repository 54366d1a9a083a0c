"""Hugging Face's config.json in and out: what each model family's fields mean, and what it cannot say.

A family reads fields into a ModelConfig and writes them back. It can hold a config if what it writes reads as the same
config; `to_hf` takes the first that can. A shape that none can hold is written as `firesteel`, which only we read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firesteel.core.errors import ArtefactError, nearest
from firesteel.model.config import ModelConfig
from firesteel.model.rope_fields import Fields, read_rope, rope_fields, unsupported, write_rope

SHARED = (  # fields with one name and meaning in every family
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings", "num_nextn_predict_layers", "tie_word_embeddings", "rms_norm_eps",
    "bos_token_id", "eos_token_id", "pad_token_id",
)  # fmt: skip
MLA = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
EXPERTS = (
    "n_routed_experts", "num_experts_per_tok", "n_shared_experts", "moe_intermediate_size", "first_k_dense_replace",
    "routed_scaling_factor", "norm_topk_prob", "n_group", "topk_group",
)  # fmt: skip
ONLY = {  # field -> the only value that is computed here; None: any of "no such thing"
    "hidden_act": "silu", "moe_layer_freq": 1, "use_sliding_window": False, "decoder_sparse_step": 1,
    "partial_rotary_factor": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """One `model_type`: its class in transformers, and how its fields are read and written."""

    architecture: str
    read: Callable[[Fields], Fields]
    write: Callable[[ModelConfig], Fields]


def from_hf(fields: Fields) -> ModelConfig:
    """A config from config.json. Raises ArtefactError for an architecture that this version does not compute."""
    kind = str(fields.get("model_type", ""))
    kind = ALIASES.get(kind, kind)
    if kind not in FAMILIES:
        known = [*FAMILIES, *ALIASES]
        raise unsupported("model_type", kind, f"known: {', '.join(known)}", nearest(kind, known))
    for name, value in ONLY.items():
        if fields.get(name) not in (value, None):
            raise unsupported(name, fields[name], f"only {value!r} is computed")
    if any(layer != "full_attention" for layer in _list(fields, "layer_types")):
        raise unsupported("layer_types", fields["layer_types"], "every layer must be full_attention")
    family = FAMILIES[kind]
    own: Fields = {}
    try:
        own = {name: fields[name] for name in SHARED if fields.get(name) is not None} | family.read(fields)
        if isinstance(own.get("eos_token_id"), list):
            own["eos_token_id"] = tuple(own["eos_token_id"])
        return ModelConfig(**own)
    except KeyError as e:
        raise ArtefactError("config.json lacks a field", value=e.args[0], why=f"{kind} needs it") from e
    except (AssertionError, AttributeError, OverflowError, TypeError, ValueError, ZeroDivisionError) as e:
        needed = [f.name for f in dataclasses.fields(ModelConfig) if f.default is dataclasses.MISSING]
        missing = [name for name in needed if own and name not in own]
        if missing:
            raise ArtefactError("config.json lacks fields", value=", ".join(missing), why=f"{kind} needs them") from e
        raise ArtefactError("the numbers of config.json do not fit together", value=kind, why=str(e)) from e


def to_hf(config: ModelConfig) -> Fields:
    """Fields of config.json, of the first family in transformers that computes this model; else `firesteel`'s own."""
    return next(fields for kind in FAMILIES if (fields := _written(kind, config)) is not None)


def transformers_loads(config: ModelConfig) -> bool:
    """Whether transformers has an architecture that computes this config."""
    return bool(to_hf(config)["model_type"] != OWN)


def _written(kind: str, config: ModelConfig) -> Fields | None:
    family = FAMILIES[kind]
    own = {name: getattr(config, name) for name in SHARED}
    fields = {"architectures": [family.architecture], "model_type": kind, "hidden_act": "silu"} | own
    fields |= write_rope(config) | family.write(config)
    try:
        return fields if from_hf(fields) == config else None
    except ArtefactError:
        return None


def _pick(fields: Fields, names: tuple[str, ...]) -> Fields:
    """The named fields that say something; a null means the default."""
    return {name: fields[name] for name in names if fields.get(name) is not None}


def _list(fields: Fields, name: str) -> list[Any]:
    value = fields.get(name) or []
    if not isinstance(value, list):
        raise unsupported(name, value, "it must be a list")
    return value


def _read_mla(fields: Fields) -> Fields:
    bias = bool(fields.get("attention_bias"))
    fields = _named_experts(fields)
    _need(fields, "first_k_dense_replace", "n_shared_experts", "routed_scaling_factor")
    return read_rope(fields) | _pick(fields, MLA) | _pick(fields, EXPERTS) | {
        "attention": "mla", "qkv_bias": bias, "o_bias": bias, "rope_interleave": bool(fields.get("rope_interleave", True)),
    }  # fmt: skip


def _need(fields: Fields, *names: str) -> None:
    """Raise KeyError for a field that must be said: its absence means another number in each family."""
    for name in names:
        fields[name]


def _said(fields: Fields, name: str, only: str) -> str:
    """A field that this family's own code knows one value of."""
    if fields.get(name) not in (None, only):
        raise unsupported(name, fields[name], f"this family's own code computes {only!r}")
    return only


def _named_experts(fields: Fields) -> Fields:
    """With the number of experts under one name; transformers takes three."""
    names = ("n_routed_experts", "num_local_experts", "num_experts")
    return fields | {"n_routed_experts": next((fields[n] for n in names if fields.get(n) is not None), 0)}


def _dense(own: Fields, fields: Fields) -> Fields:
    """Without the experts' fields where no layer has experts: then they are only placeholders."""
    leading = own.get("first_k_dense_replace", 0)
    if fields.get("num_nextn_predict_layers") or leading < fields["num_hidden_layers"]:
        return own
    router = ("scoring_func", "topk_method")
    return {name: value for name, value in own.items() if name not in (*EXPERTS, *router)}


def _read_v3(fields: Fields) -> Fields:
    _need(fields, "n_group", "topk_group")
    router = {
        "scoring_func": _said(fields, "scoring_func", "sigmoid"), "topk_method": _said(fields, "topk_method", "noaux_tc"),
        "norm_topk_prob": bool(fields.get("norm_topk_prob", True)),
    }  # fmt: skip
    return _dense(_read_mla(fields) | router, fields)


def _read_v2(fields: Fields) -> Fields:
    """DeepSeek's own code renormalises the gates of more than one expert, and scales only where it does not."""
    method = fields.get("topk_method") or "greedy"
    if method not in ("greedy", "group_limited_greedy"):
        raise unsupported("topk_method", method, "this family's own code computes greedy and group_limited_greedy")
    norm = bool(fields.get("norm_topk_prob")) and fields.get("num_experts_per_tok", 0) > 1
    own = _read_mla(fields) | {
        "scoring_func": _said(fields, "scoring_func", "softmax"), "topk_method": method, "norm_topk_prob": norm,
        "mlp_bias": bool(fields.get("mlp_bias")), "rope_interleave": True,
    }  # fmt: skip
    own |= {"n_group": 1, "topk_group": 1} if method == "greedy" else {}
    return _dense(own | ({"routed_scaling_factor": 1.0} if norm else {}), fields)


def _write_mla(config: ModelConfig) -> Fields:
    own = {name: getattr(config, name) for name in (*MLA, *EXPERTS)}
    if not config.n_routed_experts:  # leading dense layers to the end; the experts' sizes are placeholders
        sizes = dict.fromkeys(
            ("n_routed_experts", "num_experts_per_tok", "n_shared_experts", "moe_intermediate_size"), 1
        )
        own |= sizes | {"first_k_dense_replace": config.num_hidden_layers}
    return own | {
        "attention_bias": config.o_bias, "num_key_value_heads": config.num_attention_heads,
        "head_dim": config.qk_rope_head_dim, "moe_layer_freq": 1,
    }  # fmt: skip


def _write_v3(config: ModelConfig) -> Fields:
    router = {"scoring_func": "sigmoid", "topk_method": "noaux_tc"}
    return _write_mla(config) | router | {"rope_interleave": config.rope_interleave}


def _write_v2(config: ModelConfig) -> Fields:
    """transformers' DeepseekV2 knows no renormalised gates."""
    router = {"scoring_func": "softmax", "topk_method": config.topk_method, "norm_topk_prob": False}
    return _write_mla(config) | router | {"mlp_bias": config.mlp_bias}


def _read_gqa(fields: Fields) -> Fields:
    heads = fields["num_attention_heads"]
    return read_rope(fields) | {
        "attention": "gqa", "num_key_value_heads": fields.get("num_key_value_heads") or heads,
        "head_dim": fields.get("head_dim") or fields["hidden_size"] // heads, "rope_interleave": False,
    }  # fmt: skip


def _read_llama(fields: Fields) -> Fields:
    bias = bool(fields.get("attention_bias"))
    return _read_gqa(fields) | {"qkv_bias": bias, "o_bias": bias, "mlp_bias": bool(fields.get("mlp_bias"))}


def _read_qwen2(fields: Fields) -> Fields:
    _need(fields, "num_key_value_heads")
    return _read_gqa(fields) | {"qkv_bias": True}


def _read_qwen3(fields: Fields) -> Fields:
    _need(fields, "num_key_value_heads")
    bias = bool(fields.get("attention_bias"))
    default = {} if fields.get("head_dim") else {"head_dim": 128}
    return _read_gqa(fields | default) | {"qkv_bias": bias, "o_bias": bias, "qk_norm": True}


def _read_qwen3_moe(fields: Fields) -> Fields:
    fields = _named_experts(fields)
    layers, dense = fields["num_hidden_layers"], sorted(_list(fields, "mlp_only_layers"))
    if dense != list(range(len(dense))):
        raise unsupported("mlp_only_layers", dense, "only leading layers may be dense")
    head = fields.get("head_dim") or fields["hidden_size"] // fields["num_attention_heads"]
    return _read_qwen3(fields | {"head_dim": head}) | {
        "n_routed_experts": fields["n_routed_experts"],
        "num_experts_per_tok": fields["num_experts_per_tok"], "moe_intermediate_size": fields["moe_intermediate_size"],
        "scoring_func": "softmax", "topk_method": "greedy", "norm_topk_prob": bool(fields.get("norm_topk_prob")),
        "first_k_dense_replace": min(len(dense), layers),
    }  # fmt: skip


def _read_glm4_moe(fields: Fields) -> Fields:
    _need(fields, "num_key_value_heads", "head_dim", "rms_norm_eps", *EXPERTS)
    if not fields["n_routed_experts"]:
        raise unsupported("n_routed_experts", 0, "this family has experts")
    if "partial_rotary_factor" not in fields | rope_fields(fields):
        raise unsupported(
            "partial_rotary_factor", None, "absent, it means half a head; only whole heads are rotated here"
        )
    bias = {"qkv_bias": bool(fields.get("attention_bias")), "qk_norm": bool(fields.get("use_qk_norm"))}
    return _read_gqa(fields) | _pick(fields, EXPERTS) | bias | {"scoring_func": "sigmoid", "topk_method": "noaux_tc"}


def _write_gqa(config: ModelConfig) -> Fields:
    return {
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "attention_bias": config.o_bias,
    }


def _write_llama(config: ModelConfig) -> Fields:
    return _write_gqa(config) | {"mlp_bias": config.mlp_bias}


def _write_qwen3_moe(config: ModelConfig) -> Fields:
    return _write_gqa(config) | {
        "num_experts": config.n_routed_experts, "num_experts_per_tok": config.num_experts_per_tok,
        "moe_intermediate_size": config.moe_intermediate_size, "norm_topk_prob": config.norm_topk_prob,
        "mlp_only_layers": list(range(config.first_k_dense_replace)), "decoder_sparse_step": 1,
    }  # fmt: skip


def _write_glm4_moe(config: ModelConfig) -> Fields:
    own = {name: getattr(config, name) for name in EXPERTS}
    rope = write_rope(config)["rope_parameters"] | {"partial_rotary_factor": 1.0}
    return _write_gqa(config) | own | {
        "attention_bias": config.qkv_bias, "use_qk_norm": config.qk_norm, "partial_rotary_factor": 1.0,
        "rope_parameters": rope,
    }  # fmt: skip


def _read_own(fields: Fields) -> Fields:
    known = {f.name for f in dataclasses.fields(ModelConfig)}
    own = {name: value for name, value in fields.items() if name in known}
    return {name: value for name, value in own.items() if name != "rope_scaling"} | read_rope(fields)


def _write_own(config: ModelConfig) -> Fields:
    own = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {name: value for name, value in own.items() if not name.startswith("rope_") or name == "rope_interleave"}


OWN = "firesteel"
FAMILIES = {
    "deepseek_v3": Family("DeepseekV3ForCausalLM", _read_v3, _write_v3),
    "deepseek_v2": Family("DeepseekV2ForCausalLM", _read_v2, _write_v2),
    "llama": Family("LlamaForCausalLM", _read_llama, _write_llama),
    "qwen2": Family("Qwen2ForCausalLM", _read_qwen2, _write_gqa),
    "qwen3": Family("Qwen3ForCausalLM", _read_qwen3, _write_gqa),
    "qwen3_moe": Family("Qwen3MoeForCausalLM", _read_qwen3_moe, _write_qwen3_moe),
    "glm4_moe": Family("Glm4MoeForCausalLM", _read_glm4_moe, _write_glm4_moe),
    OWN: Family("FiresteelForCausalLM", _read_own, _write_own),
}
ALIASES = {"kimi_k2": "deepseek_v3"}  # the same architecture under another name
