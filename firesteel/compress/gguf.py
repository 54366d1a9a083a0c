"""Writing a GGUF file for llama.cpp (layout: model/gguf/layout.py, keys: gguf_keys.py), tensor by tensor, and checking it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize
from torch import Tensor

from firesteel.compress.gguf_keys import architecture_of, model_keys
from firesteel.core.errors import ArtefactError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.gguf.config import FREQS
from firesteel.model.gguf.file import open_gguf
from firesteel.model.gguf.importer import load_gguf
from firesteel.model.gguf.layout import Slot, slots
from firesteel.model.gguf.tokenizer import read_tokenizer, tokenizer_keys
from firesteel.model.rope import frequencies
from firesteel.model.transformer import Transformer
from firesteel.model.weights import materialise

Kind = GGMLQuantizationType
DTYPES = {  # name -> (kind of the matrices, kind of file, largest error of a weight as a share of the tensor's largest)
    "f32": (Kind.F32, LlamaFileType.ALL_F32, 0.0),
    "f16": (Kind.F16, LlamaFileType.MOSTLY_F16, 2.0**-11),
    "bf16": (Kind.BF16, LlamaFileType.MOSTLY_BF16, 2.0**-8),
    "q8_0": (Kind.Q8_0, LlamaFileType.MOSTLY_Q8_0, 0.6 / 127),
}
BLOCK = 32  # weights of a row that share a scale in q8_0
EXACT = ("ffn_gate_inp.weight",)  # the router: float32 whatever the rest is
CHECKED_TOKENS = 64


def write_gguf(path: Path, model: Transformer, tokenizer: Tokenizer, dtype: str, *, name: str) -> dict[str, Any]:
    """Write `path`; returns counts of tensors. Raises ArtefactError for a model that llama.cpp would load wrongly."""
    architecture, keys = architecture_of(model.config), model_keys(model.config)
    kind, file_type, _ = DTYPES[dtype]
    writer = GGUFWriter(path, architecture)
    try:
        writer.add_name(name)
        writer.add_file_type(file_type)
        writer.add_quantization_version(2)
        for key, value in keys.items():
            _add(writer, f"{architecture}.{key}", value)
        for key, value in tokenizer_keys(tokenizer, model.config.vocab_size).items():
            _add(writer, f"tokenizer.ggml.{key}", value)
        if template := chat_template(tokenizer):
            writer.add_string("tokenizer.chat_template", template)
        return _write_tensors(writer, tensors_of(model, architecture), kind)
    finally:
        writer.close()


def tensors_of(model: Transformer, architecture: str) -> dict[str, Slot]:
    """Every tensor of the model's file; Llama 3.1's rotary scaling is one of them."""
    found = slots(model, permuted=architecture == "llama")
    scaling = model.config.rope_scaling
    if scaling is not None and scaling.kind == "llama3":
        factors = frequencies(model.config.replace(rope_scaling=None)) / frequencies(model.config)
        found[FREQS] = Slot(tuple(factors.shape), [factors])
    return found


def _write_tensors(writer: GGUFWriter, tensors: dict[str, Slot], kind: Kind) -> dict[str, Any]:
    """First where each tensor will be, then one after the other: only one is in memory beside the model."""
    counts = {"tensors": 0, "kept_wide": 0}
    for name, slot in tensors.items():
        used = _kind(name, slot.shape, kind)
        block, size = GGML_QUANT_SIZES[used]
        writer.add_tensor_info(name, slot.shape, np.dtype(np.float32), math.prod(slot.shape) // block * size, used)
        counts["tensors"] += 1
        counts["kept_wide"] += kind == Kind.Q8_0 and used == Kind.F16
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, slot in tensors.items():
        writer.write_tensor_data(_stored(name, slot.tensor(), _kind(name, slot.shape, kind)))
    return counts


def chat_template(tokenizer: Tokenizer) -> str | None:
    """The chat template without the tags that only mark what training learns; llama.cpp's Jinja does not know them."""
    source = tokenizer.template.source if tokenizer.template else None
    return None if source is None else re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", source)


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    """One key, typed by its Python type: unsigned 32-bit integers, 32-bit floats."""
    adders: dict[type, Callable[[str, Any], None]] = {
        bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string,
        list: writer.add_array,
    }  # fmt: skip
    adders[type(value)](key, value)


def _kind(name: str, shape: tuple[int, ...], kind: Kind) -> Kind:
    """Vectors and the router stay float32; rows that do not fill blocks become f16."""
    if len(shape) < 2 or name.endswith(EXACT):
        return Kind.F32
    return Kind.F16 if kind == Kind.Q8_0 and shape[-1] % BLOCK else kind


def _stored(name: str, tensor: Tensor, kind: Kind) -> np.ndarray:
    """A tensor's bytes in a number format."""
    with np.errstate(over="ignore"):  # an overflow is named below
        data = quantize(tensor.float().numpy(), kind)
    if kind == Kind.F16 and not np.isfinite(data).all():
        raise ArtefactError("a weight is too large for f16", value=name, hint="export with dtype f32 or bf16")
    return data


def main_model(model: Transformer) -> Transformer:
    """The same model without its multi-token prediction modules; the weights are shared."""
    with torch.device("meta"):
        plain = Transformer(dataclasses.replace(model.config, num_nextn_predict_layers=0))
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("mtp.")}
    plain.load_state_dict(own, assign=True)
    materialise(plain, model.dtype, model.device)  # what a state dict leaves out
    return plain.eval()


def compare(path: Path, model: Transformer, tokenizer: Tokenizer, dtype: str) -> dict[str, float]:
    """Read a written file back: every weight within the number format's error, the same tokens. Returns `differences`."""
    file = open_gguf(path)
    back, error = load_gguf(file), DTYPES[dtype][2]
    for name, wanted, found in _pairs(model, back):
        bound = error * wanted.float().abs().amax().item()
        difference = (wanted.float() - found).abs().amax().item()
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
