"""Reading a model back from a GGUF file of architecture `deepseek2` (layout: gguf_layout.py) into ours."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor

from firesteel.compute.count import Shape, parameters
from firesteel.core.errors import ArtefactError
from firesteel.model.config import ModelConfig
from firesteel.model.gguf_file import GGUF, open_gguf
from firesteel.model.gguf_layout import ARCHITECTURE, SIGMOID, join_kv, place
from firesteel.model.gguf_tokenizer import read_tokenizer
from firesteel.model.transformer import Transformer
from firesteel.model.weights import save_model, to_hf

FIXED = (  # key, its value where it is absent, the only one that this implementation computes
    ("expert_gating_func", 1, SIGMOID), ("expert_weights_norm", False, True), ("rope.scaling.type", "none", "none"),
)  # fmt: skip
MAX_CONTEXT = 1 << 24  # positions; the rotary table of a file that claims more is not made
MAY_BE_ZERO = ("first_k_dense_replace", "num_nextn_predict_layers", "bos_token_id", "eos_token_id", "pad_token_id")


def import_gguf(path: Path | str, folder: Path) -> Transformer:
    """Write a GGUF file's model and tokenizer into an existing folder, in Hugging Face layout; returns the model.

    Raises ArtefactError for a file that is damaged, or holds what this version does not compute.
    """
    file = open_gguf(path)
    tokenizer, model = read_tokenizer(file), load_gguf(file)
    if tokenizer.vocab_size > model.config.vocab_size:
        why = f"{tokenizer.vocab_size} tokens, {model.config.vocab_size} rows in the model's tables"
        raise ArtefactError("the tokenizer does not belong to the model", value=file.path, why=why)
    save_model(folder, model)
    tokenizer.save(folder)
    return model


def config_of(file: GGUF) -> ModelConfig:
    """The model's shape from the file's keys. Raises ArtefactError for what is damaged, or not computed by this version."""
    for name, absent, value in FIXED:
        found = file.keys.get(f"{ARCHITECTURE}.{name}", absent)
        if found != value:
            why = f"only {value!r} is"
            raise ArtefactError("this model's architecture is not supported", value=f"{name} = {found!r}", why=why)
    try:
        config = _config(file)
        counts = parameters(Shape.of(dataclasses.asdict(config)))
    except (AssertionError, TypeError, ValueError, ZeroDivisionError) as e:
        raise ArtefactError("the keys of the GGUF file do not fit together", value=file.path, why=str(e)) from e
    if counts.total + counts.mtp > file.size or config.max_position_embeddings > MAX_CONTEXT:
        why = f"{counts.total + counts.mtp:,} weights and {config.max_position_embeddings:,} positions"
        raise ArtefactError("the keys describe a larger model than the GGUF file holds", value=file.path, why=why)
    return config


def _config(file: GGUF) -> ModelConfig:
    def key(name: str) -> Any:
        return file.need(f"{ARCHITECTURE}.{name}")

    def option(name: str, default: Any) -> Any:
        return file.keys.get(f"{ARCHITECTURE}.{name}", default)

    mtp, rope = option("nextn_predict_layers", 0), key("rope.dimension_count")
    config = ModelConfig(
        vocab_size=key("vocab_size"), hidden_size=key("embedding_length"), num_hidden_layers=key("block_count") - mtp,
        num_attention_heads=key("attention.head_count"), q_lora_rank=option("attention.q_lora_rank", 0) or None,
        kv_lora_rank=key("attention.kv_lora_rank"), qk_nope_head_dim=key("attention.key_length_mla") - rope,
        qk_rope_head_dim=rope, v_head_dim=key("attention.value_length_mla"),
        intermediate_size=key("feed_forward_length"), first_k_dense_replace=key("leading_dense_block_count"),
        moe_intermediate_size=key("expert_feed_forward_length"), n_routed_experts=key("expert_count"),
        num_experts_per_tok=key("expert_used_count"), n_shared_experts=key("expert_shared_count"),
        routed_scaling_factor=round(option("expert_weights_scale", 1.0), 6), num_nextn_predict_layers=mtp,
        rope_theta=option("rope.freq_base", 10000.0), max_position_embeddings=key("context_length"),
        tie_word_embeddings="output.weight" not in file.tensors,
        rms_norm_eps=float(f"{key('attention.layer_norm_rms_epsilon'):.6g}"),
        n_group=option("expert_group_count", 1), topk_group=option("expert_group_used_count", 1),
        bos_token_id=file.need("tokenizer.ggml.bos_token_id"), eos_token_id=file.need("tokenizer.ggml.eos_token_id"),
        pad_token_id=file.keys.get("tokenizer.ggml.padding_token_id", 0),
    )  # fmt: skip
    sizes = [
        v for n, v in dataclasses.asdict(config).items() if n not in MAY_BE_ZERO and not isinstance(v, float | bool)
    ]
    assert all(isinstance(v, int) and v > 0 for v in sizes if v is not None), "a size is not a positive number"
    return config


def load_gguf(file: GGUF) -> Transformer:
    """The file's model in float32 and eval mode. Raises ArtefactError naming missing, surplus or misshapen tensors."""
    model = Transformer(config_of(file))
    seen: set[str] = set()
    stacks: dict[str, Tensor] = {}  # the expert stacks of the layer at hand
    for name, target in to_hf(model):
        names, expert = place(name)
        missing = [one for one in names if one not in file.tensors]
        if missing:
            raise ArtefactError("a tensor is missing from the GGUF file", value=missing[0])
        if expert is not None:
            if names[0] not in seen:
                stacks = {n: t for n, t in stacks.items() if n.split(".")[1] == names[0].split(".")[1]}
                stacks[names[0]] = _sized(file, names[0], model.config.n_routed_experts)
            _fill(names[0], target, stacks[names[0]][expert])
        else:
            found = [file.tensors[one]() for one in names]
            _fill(names[0], target, found[0] if len(found) == 1 else _joined(names, found))
        seen |= set(names)
    surplus = sorted(set(file.tensors) - seen)
    if surplus:
        why = "the keys have no place for them"
        raise ArtefactError("surplus tensors in the GGUF file", value=", ".join(surplus[:5]), why=why)
    return model.eval()


def _sized(file: GGUF, name: str, experts: int) -> Tensor:
    stack = file.tensors[name]()
    if stack.shape[0] != experts:
        why = f"the keys ask for {experts} experts, the file has {stack.shape[0]}"
        raise ArtefactError("a tensor has the wrong shape", value=name, why=why)
    return stack


def _joined(names: tuple[str, ...], parts: list[Tensor]) -> Tensor:
    k_b, v_b = parts
    if k_b.ndim != 3 or v_b.ndim != 3 or k_b.shape[:2] != (v_b.shape[0], v_b.shape[2]):
        why = f"{list(k_b.shape)} and {list(v_b.shape)} do not belong together"
        raise ArtefactError("a tensor has the wrong shape", value=", ".join(names), why=why)
    return join_kv(k_b, v_b)


def _fill(name: str, target: Tensor, tensor: Tensor) -> None:
    if target.shape != tensor.shape:
        why = f"the keys ask for {list(target.shape)}, the file has {list(tensor.shape)}"
        raise ArtefactError("a tensor has the wrong shape", value=name, why=why)
    target.copy_(tensor)
