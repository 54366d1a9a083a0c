"""Where each weight of a model stands in a GGUF file of architecture `deepseek2`, as llama.cpp's loader expects it.

H heads, N content width, V value width, C kv latent, E experts, I expert width, D hidden

Differences from the Hugging Face layout: W_UK and W_UV are two tensors, [H, C, N] (transposed, ready for absorption) and
[H, V, C]; the experts of a layer are stacked [E, I, D]. Rotary pairs are adjacent there as here.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import to_hf

ARCHITECTURE = "deepseek2"
SIGMOID = 2  # of llama.cpp's expert gating functions

TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}  # fmt: skip
LAYER = {  # what follows model.layers.N. -> what follows blk.N.
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.q_a_proj.weight": "attn_q_a.weight",
    "self_attn.q_a_layernorm.weight": "attn_q_a_norm.weight",
    "self_attn.q_b_proj.weight": "attn_q_b.weight",
    "self_attn.kv_a_proj_with_mqa.weight": "attn_kv_a_mqa.weight",
    "self_attn.kv_a_layernorm.weight": "attn_kv_a_norm.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "mlp.gate.weight": "ffn_gate_inp.weight",
    "mlp.gate.e_score_correction_bias": "exp_probs_b.bias",
    "mlp.shared_experts.gate_proj.weight": "ffn_gate_shexp.weight",
    "mlp.shared_experts.up_proj.weight": "ffn_up_shexp.weight",
    "mlp.shared_experts.down_proj.weight": "ffn_down_shexp.weight",
    "enorm.weight": "nextn.enorm.weight",
    "hnorm.weight": "nextn.hnorm.weight",
    "eh_proj.weight": "nextn.eh_proj.weight",
    "shared_head.norm.weight": "nextn.shared_head_norm.weight",
}
KV_B, K_B, V_B = "self_attn.kv_b_proj.weight", "attn_k_b.weight", "attn_v_b.weight"
EXPERT = re.compile(r"mlp\.experts\.(\d+)\.(gate|up|down)_proj\.weight$")
IN_LAYER = re.compile(r"model\.layers\.(\d+)\.(.*)$")


def place(name: str) -> tuple[tuple[str, ...], int | None]:
    """Where a weight stands in a GGUF file: the tensors that hold it, and its number if it is one expert of a stack."""
    inner = IN_LAYER.match(name)
    if inner is None:
        return (TOP[name],), None
    block, rest = f"blk.{inner[1]}.", inner[2]
    if rest == KV_B:
        return (block + K_B, block + V_B), None
    expert = EXPERT.match(rest)
    if expert:
        return (f"{block}ffn_{expert[2]}_exps.weight",), int(expert[1])
    return (block + LAYER[rest],), None


def to_gguf(model: Transformer) -> dict[str, Tensor]:
    """Every weight under its GGUF name and in its layout; multi-token prediction as the block after the last."""
    tensors: dict[str, Tensor] = {}
    stacks: dict[str, list[Tensor]] = {}
    for name, tensor in to_hf(model):
        names, expert = place(name)
        if expert is not None:
            stacks.setdefault(names[0], []).append(tensor)
            assert len(stacks[names[0]]) == expert + 1, "experts come in order"
        elif len(names) == 2:
            tensors |= dict(zip(names, split_kv(tensor, model.config), strict=True))
        else:
            tensors[names[0]] = tensor
    return tensors | {name: torch.stack(experts) for name, experts in stacks.items()}


def split_kv(weight: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """kv_b_proj [H*(N+V), C] -> W_UK [H, C, N] and W_UV [H, V, C]."""
    heads = weight.view(config.num_attention_heads, -1, config.kv_lora_rank)
    nope = config.qk_nope_head_dim
    return heads[:, :nope].transpose(1, 2).contiguous(), heads[:, nope:].contiguous()


def join_kv(k_b: Tensor, v_b: Tensor) -> Tensor:
    """The inverse of `split_kv`."""
    return torch.cat((k_b.transpose(1, 2), v_b), dim=1).flatten(0, 1)
