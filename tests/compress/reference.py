"""A model computed from nothing but a GGUF file, in numpy, the way llama.cpp's `deepseek2` graph does it.

Written from that graph's description, sharing no code with ours: absorbed attention over one latent head, stacked experts,
adjacent rotary pairs, sigmoid routing with the bias only in the choice. Keys and tensors are all it knows of the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize


class Reference:
    """`Reference(file).logits(tokens)`: tokens [T] -> float64 logits [T, V]."""

    def __init__(self, file: Path) -> None:
        reader = GGUFReader(file)
        self.keys = {name: field.contents() for name, field in reader.fields.items()}
        self.tensors = {
            t.name: dequantize(t.data, t.tensor_type).reshape([int(n) for n in reversed(t.shape)]).astype(np.float64)
            for t in reader.tensors
        }

    def key(self, name: str) -> Any:
        return self.keys[f"deepseek2.{name}"]

    def logits(self, tokens: list[int]) -> np.ndarray:
        x = self.tensors["token_embd.weight"][tokens]
        blocks = self.key("block_count") - self.keys.get("deepseek2.nextn_predict_layers", 0)
        for n in range(blocks):
            x = x + self.attention(n, self.norm(x, f"blk.{n}.attn_norm"))
            h = self.norm(x, f"blk.{n}.ffn_norm")
            dense = n < self.key("leading_dense_block_count")
            x = x + (self.ffn(h, *(self.w(n, f"ffn_{k}") for k in ("gate", "up", "down"))) if dense else self.moe(n, h))
        head = self.tensors.get("output.weight", self.tensors["token_embd.weight"])
        return self.norm(x, "output_norm") @ head.T

    def w(self, block: int, name: str) -> np.ndarray:
        return self.tensors[f"blk.{block}.{name}.weight"]

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        epsilon = self.key("attention.layer_norm_rms_epsilon")
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * self.tensors[f"{name}.weight"]

    def rope(self, x: np.ndarray) -> np.ndarray:
        """x [T, ..., R]; pairs (0, 1), (2, 3), ..."""
        width = self.key("rope.dimension_count")
        angle = np.arange(len(x))[:, None] * self.key("rope.freq_base") ** -(np.arange(0, width, 2) / width)
        angle = angle.reshape(len(x), *[1] * (x.ndim - 2), width // 2)
        out = np.empty_like(x)
        out[..., 0::2] = x[..., 0::2] * np.cos(angle) - x[..., 1::2] * np.sin(angle)
        out[..., 1::2] = x[..., 0::2] * np.sin(angle) + x[..., 1::2] * np.cos(angle)
        return out

    def attention(self, n: int, h: np.ndarray) -> np.ndarray:
        T, heads, latent = len(h), self.key("attention.head_count"), self.key("attention.kv_lora_rank")
        width = self.key("attention.key_length_mla")
        nope = width - self.key("rope.dimension_count")
        q = (self.norm(h @ self.w(n, "attn_q_a").T, f"blk.{n}.attn_q_a_norm") @ self.w(n, "attn_q_b").T).reshape(
            T, heads, width
        )
        kv = h @ self.w(n, "attn_kv_a_mqa").T
        c = self.norm(kv[:, :latent], f"blk.{n}.attn_kv_a_norm")
        absorbed = np.einsum("thn,hcn->thc", q[..., :nope], self.w(n, "attn_k_b"))
        query = np.concatenate([absorbed, self.rope(q[..., nope:])], -1)
        key = np.concatenate([c, self.rope(kv[:, latent:])], -1)
        assert key.shape[1] == self.key("attention.key_length") and c.shape[1] == self.key("attention.value_length")
        scores = np.einsum("thc,sc->hts", query, key) / np.sqrt(width)
        scores = np.where(np.tril(np.ones((T, T), bool)), scores, -np.inf)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        seen = np.einsum("hts,sc->thc", p / p.sum(-1, keepdims=True), c)
        return np.einsum("thc,hvc->thv", seen, self.w(n, "attn_v_b")).reshape(T, -1) @ self.w(n, "attn_output").T

    def ffn(self, h: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
        g = h @ gate.T
        return (g / (1 + np.exp(-g)) * (h @ up.T)) @ down.T

    def moe(self, n: int, h: np.ndarray) -> np.ndarray:
        assert self.key("expert_gating_func") == 2 and self.key("expert_weights_norm")
        scores = 1 / (1 + np.exp(-(h @ self.w(n, "ffn_gate_inp").T)))
        choice = scores + self.tensors[f"blk.{n}.exp_probs_b.bias"]
        stacks = [self.w(n, f"ffn_{k}_exps") for k in ("gate", "up", "down")]
        out = self.ffn(h, *(self.w(n, f"ffn_{k}_shexp") for k in ("gate", "up", "down")))
        for t, chosen in enumerate(np.argsort(-choice, axis=-1)[:, : self.key("expert_used_count")]):
            gates = scores[t, chosen] / scores[t, chosen].sum() * self.key("expert_weights_scale")
            for g, e in zip(gates, chosen, strict=True):
                out[t] += g * self.ffn(h[t : t + 1], *(stack[e] for stack in stacks))[0]
        return out
