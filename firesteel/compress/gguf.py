"""Writing a GGUF file of architecture `deepseek2` for llama.cpp (layout: model/gguf_layout.py), and checking it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize
from torch import Tensor

from firesteel.core.errors import ArtefactError
from firesteel.core.tokenizer import CHAT_TEMPLATE, Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.gguf import load_gguf
from firesteel.model.gguf_file import open_gguf
from firesteel.model.gguf_layout import ARCHITECTURE, SIGMOID, to_gguf
from firesteel.model.gguf_tokenizer import read_tokenizer, tokenizer_keys
from firesteel.model.transformer import Transformer

Kind = GGMLQuantizationType
DTYPES = {  # name -> (kind of the matrices, kind of file, largest error of a weight as a share of the tensor's largest)
    "f32": (Kind.F32, LlamaFileType.ALL_F32, 0.0),
    "f16": (Kind.F16, LlamaFileType.MOSTLY_F16, 2.0**-11),
    "q8_0": (Kind.Q8_0, LlamaFileType.MOSTLY_Q8_0, 0.6 / 127),
}
BLOCK = 32  # weights of a row that share a scale in q8_0
EXACT = ("ffn_gate_inp.weight",)  # the router: float32 whatever the rest is
LITE = {26, 27}  # layer counts at which llama.cpp takes a model for V2-Lite and looks for no query latent
CHECKED_TOKENS = 64


def write_gguf(path: Path, model: Transformer, tokenizer: Tokenizer, dtype: str, *, name: str) -> dict[str, Any]:
    """Write `path`; returns counts of tensors. Raises ArtefactError for a model that llama.cpp would load wrongly."""
    _check_loadable(model)
    kind, file_type, _ = DTYPES[dtype]
    writer = GGUFWriter(path, ARCHITECTURE)
    writer.add_name(name)
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)
    for key, value in model_keys(model.config).items():
        _add(writer, f"{ARCHITECTURE}.{key}", value)
    for key, value in (tokenizer_keys(tokenizer, model.config.vocab_size) | {"chat_template": chat_template()}).items():
        _add(writer, f"tokenizer.ggml.{key}" if key != "chat_template" else "tokenizer.chat_template", value)
    counts = {"tensors": 0, "kept_wide": 0}
    for tensor_name, tensor in to_gguf(model).items():
        data, used = _stored(tensor_name, tensor, kind)
        writer.add_tensor(tensor_name, data, raw_dtype=used)
        counts["tensors"] += 1
        counts["kept_wide"] += kind == Kind.Q8_0 and used == Kind.F16
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return counts


def model_keys(config: ModelConfig) -> dict[str, Any]:
    """The `deepseek2.*` keys, without that prefix. Attention is described as llama.cpp runs it: one shared latent head."""
    c = config
    groups = {"expert_group_count": c.n_group, "expert_group_used_count": c.topk_group} if c.n_group > 1 else {}
    mtp = {"nextn_predict_layers": c.num_nextn_predict_layers} if c.num_nextn_predict_layers else {}
    query = {"attention.q_lora_rank": c.q_lora_rank} if c.q_lora_rank else {}
    return query | groups | mtp | {
        "block_count": c.num_hidden_layers + c.num_nextn_predict_layers, "context_length": c.max_position_embeddings,
        "embedding_length": c.hidden_size, "feed_forward_length": c.intermediate_size, "vocab_size": c.vocab_size,
        "attention.head_count": c.num_attention_heads, "attention.head_count_kv": 1,
        "attention.layer_norm_rms_epsilon": c.rms_norm_eps, "attention.kv_lora_rank": c.kv_lora_rank,
        "attention.key_length": c.cache_width, "attention.value_length": c.kv_lora_rank,
        "attention.key_length_mla": c.qk_head_dim, "attention.value_length_mla": c.v_head_dim,
        "rope.dimension_count": c.qk_rope_head_dim, "rope.freq_base": c.rope_theta,
        "leading_dense_block_count": c.first_k_dense_replace, "expert_feed_forward_length": c.moe_intermediate_size,
        "expert_count": c.n_routed_experts, "expert_used_count": c.num_experts_per_tok,
        "expert_shared_count": c.n_shared_experts, "expert_weights_scale": c.routed_scaling_factor,
        "expert_weights_norm": True, "expert_gating_func": SIGMOID,
    }  # fmt: skip


def chat_template() -> str:
    """The chat template without the tags that only mark what training learns; llama.cpp's Jinja does not know them."""
    return re.sub(r"\{% (end)?generation %\}", "", CHAT_TEMPLATE)


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    """One key, typed by its Python type: unsigned 32-bit integers, 32-bit floats."""
    adders: dict[type, Callable[[str, Any], None]] = {
        bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string,
        list: writer.add_array,
    }  # fmt: skip
    adders[type(value)](key, value)


def _stored(name: str, tensor: Tensor, kind: Kind) -> tuple[np.ndarray, Kind]:
    """A tensor's bytes and their kind. Vectors and the router stay float32; rows that do not fill blocks become f16."""
    floats = tensor.detach().float().numpy()
    if floats.ndim < 2 or name.endswith(EXACT):
        kind = Kind.F32
    elif kind == Kind.Q8_0 and floats.shape[-1] % BLOCK:
        kind = Kind.F16
    with np.errstate(over="ignore"):  # an overflow is named below
        data = quantize(floats, kind)
    if kind == Kind.F16 and not np.isfinite(data).all():
        raise ArtefactError("a weight is too large for f16", value=name, hint="export with dtype f32")
    return data, kind


def _check_loadable(model: Transformer) -> None:
    c, blocks = model.config, model.config.num_hidden_layers + model.config.num_nextn_predict_layers
    if blocks in LITE and c.q_lora_rank:
        why = f"llama.cpp takes a deepseek2 of {blocks} blocks for V2-Lite, which has no query latent"
        raise ArtefactError("llama.cpp would load this model wrongly", value=f"{blocks} blocks", why=why)
    if not c.q_lora_rank and blocks not in LITE:
        why = f"llama.cpp expects a query latent (q_lora_rank) unless there are {' or '.join(map(str, sorted(LITE)))} blocks"
        raise ArtefactError(
            "llama.cpp would not load this model", value=f"{blocks} blocks", why=why, hint="export to hf"
        )


def main_model(model: Transformer) -> Transformer:
    """The same model without its multi-token prediction module; the weights are shared."""
    plain = Transformer(dataclasses.replace(model.config, num_nextn_predict_layers=0))
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("mtp.")}
    plain.load_state_dict(own, assign=True)
    return plain.eval()


def compare(path: Path, model: Transformer, tokenizer: Tokenizer, dtype: str) -> dict[str, float]:
    """Read a written file back: every weight within the number format's error, the same tokens. Returns `differences`."""
    file = open_gguf(path)
    back, error = load_gguf(file), DTYPES[dtype][2]
    for name, wanted, found in _pairs(model, back):
        bound = error * wanted.abs().amax().item()
        difference = (wanted - found).abs().amax().item()
        if not difference <= bound:
            why = f"{difference:.3g} apart, {bound:.3g} allowed"
            raise ArtefactError("a weight did not come back from the GGUF file", value=name, why=why)
    if read_tokenizer(file).token_bytes != tokenizer.token_bytes:
        raise ArtefactError("the tokens did not come back from the GGUF file", value=path, why="a fault of ours")
    return differences(model, back)


def _pairs(model: Transformer, back: Transformer) -> Iterator[tuple[str, Tensor, Tensor]]:
    wanted, found = model.state_dict(), back.state_dict()
    assert wanted.keys() == found.keys()
    for name, tensor in wanted.items():
        yield name, tensor, found[name]


@torch.no_grad()
def differences(one: Transformer, other: Transformer) -> dict[str, float]:
    """How two models differ on a fixed sequence of tokens.

    `logit_difference`: largest difference of a logit; `kl`: mean Kullback-Leibler divergence of the next token, nats.
    """
    length = min(CHECKED_TOKENS, one.config.max_position_embeddings)
    tokens = torch.randint(0, one.config.vocab_size, (1, length), generator=torch.Generator().manual_seed(0))
    p, q = one.logits(one(tokens)).double(), other.logits(other(tokens)).double()
    kl = F.kl_div(q.log_softmax(-1), p.log_softmax(-1), log_target=True, reduction="sum") / length
    return {"logit_difference": float((p - q).abs().amax()), "kl": float(kl)}
