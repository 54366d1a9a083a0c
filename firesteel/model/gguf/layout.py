"""Where each weight of a model stands in a GGUF file, as llama.cpp's loader expects it: views of the model's own weights.

H heads, R rotary width, N content width, V value width, C kv latent, E experts, I expert width, D hidden

Differences from the Hugging Face layout: MLA's W_UK and W_UV are two tensors, [H, C, N] (transposed, ready for absorption)
and [H, V, C]; the experts of a layer are one tensor [E, I, D]; architecture `llama` has the rows of queries and keys in the
order of adjacent rotary pairs, where Hugging Face's have halves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import torch
from torch import Tensor

from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import to_hf

TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}  # fmt: skip
STEMS = {  # what follows model.layers.N. -> what follows blk.N.; both are followed by .weight or .bias
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.q_a_proj": "attn_q_a",
    "self_attn.q_a_layernorm": "attn_q_a_norm",
    "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.kv_b_proj": "attn_kv_b",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
    "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
    "enorm": "nextn.enorm",
    "hnorm": "nextn.hnorm",
    "eh_proj": "nextn.eh_proj",
    "shared_head.norm": "nextn.shared_head_norm",
}
CORRECTION = ("mlp.gate.e_score_correction_bias", "exp_probs_b.bias")
PERMUTED = re.compile(r"self_attn\.(q|k)_proj\.(weight|bias)$")
KV_B, WHOLE_KV_B = "self_attn.kv_b_proj.weight", "attn_kv_b.weight"
EXPERT = re.compile(r"mlp\.experts\.(\d+)\.(gate|up|down)_proj\.weight$")
IN_LAYER = re.compile(r"model\.layers\.(\d+)\.(.*)$")


@dataclass(frozen=True)
class Slot:
    """A tensor of a GGUF file: its shape there, and views of the model's weights in that order, one or one an expert.

    A view may have more axes than the file's tensor: its elements come in the same order.
    """

    shape: tuple[int, ...]
    views: list[Tensor] = field(default_factory=list)

    def tensor(self) -> Tensor:
        """The weights as the file has them; a copy."""
        return torch.stack([view.detach() for view in self.views]).reshape(self.shape)


def slots(model: Transformer, *, permuted: bool, whole_kv: bool = False) -> dict[str, Slot]:
    """Every tensor of the model's GGUF file by its name; multi-token prediction is the block after the last.

    `permuted`: queries and keys as architecture `llama` has them; `whole_kv`: W_UK and W_UV in one, as older files do.
    """
    found: dict[str, Slot] = {}
    for name, weight in to_hf(model):
        inner = IN_LAYER.match(name)
        if inner is None:
            found[TOP[name]] = Slot(tuple(weight.shape), [weight])
            continue
        block, rest = f"blk.{inner[1]}.", inner[2]
        expert = EXPERT.match(rest)
        if expert:
            count = model.config.n_routed_experts
            stack = found.setdefault(f"{block}ffn_{expert[2]}_exps.weight", Slot((count, *weight.shape)))
            assert len(stack.views) == int(expert[1]), "experts come in order"
            stack.views.append(weight)
        elif rest == KV_B and not whole_kv:
            for part, view in zip(("k", "v"), split_kv(weight, model.config), strict=True):
                found[f"{block}attn_{part}_b.weight"] = Slot(tuple(view.shape), [view])
        else:
            view = pairs(weight, model.config.head_dim) if permuted and PERMUTED.match(rest) else weight
            found[block + stored_name(rest)] = Slot(tuple(weight.shape), [view])
    return found


def stored_name(rest: str) -> str:
    """What follows blk.N. in a GGUF file for what follows model.layers.N."""
    if rest == CORRECTION[0]:
        return CORRECTION[1]
    stem, _, kind = rest.rpartition(".")
    return f"{STEMS[stem]}.{kind}"


def split_kv(weight: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """kv_b_proj [H*(N+V), C] -> views W_UK [H, C, N] and W_UV [H, V, C]."""
    heads = weight.view(config.num_attention_heads, -1, config.kv_lora_rank)
    nope = config.qk_nope_head_dim
    return heads[:, :nope].transpose(1, 2), heads[:, nope:]


def pairs(weight: Tensor, width: int) -> Tensor:
    """Rows [H*R, ...] in halves -> a view [H, R/2, 2, ...] whose order is that of adjacent pairs."""
    return weight.view(-1, 2, width // 2, *weight.shape[1:]).transpose(1, 2)
