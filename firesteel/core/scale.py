"""One dial for a model from nothing: the scale n becomes a whole DeepSeek-V3-style shape.

The proportions are those of the published models at the small end, DeepSeek-V2-Lite and Moonlight (16 billion parameters,
hidden 2048, 27 layers); the largest scale is as wide:

- **Width and depth grow together**: hidden 64 n, layers n + 1. Hidden over layers goes from 32 to 62; V2-Lite has 76.
- **Heads** are 64 wide, 64 of content and 32 that are rotated, as many as fill the hidden width (V2-Lite: the same
  with twice the head).
- **The key/value latent** is a quarter of the hidden width, as in V2-Lite, and at most 512, as in V3. Queries have no latent,
  as in V2-Lite: it saves memory only in large models.
- **Experts** become more and finer with size: 16, 32, then V2-Lite's 64. A token's experts, the shared one with them, are
  together about 8/3 as wide as the model (V3: 2.6), like the feed-forward of a dense one.
- **The first layer is dense**, as wide as a token's experts together (V2-Lite, V3), and one further module predicts the
  token after the next (V3).

Every width is a multiple of 32: that is what a row of a Q8_0 or Q4_0 block in a GGUF file holds, and it suits the kernels.
"""

from __future__ import annotations

MAX_SCALE = 32
EXPERTS = ((1, 16, 2), (6, 32, 4), (12, 64, 6))  # from this scale on: routed experts, experts a token
HEAD = 64  # width of a head's content and of its value; half of it is rotated besides


def shape(scale: int) -> dict[str, int]:
    """The [model] keys that a scale from 1 to MAX_SCALE stands for."""
    assert 1 <= scale <= MAX_SCALE, "no such scale"
    hidden = HEAD * scale
    _, experts, chosen = max(band for band in EXPERTS if band[0] <= scale)
    at_work = chosen + 1  # and the shared one
    expert = _up(hidden * 8 / 3 / at_work)
    return {
        "hidden_size": hidden, "num_hidden_layers": scale + 1, "num_attention_heads": scale,
        "q_lora_rank": 0, "kv_lora_rank": min(512, _up(hidden / 4)),
        "qk_nope_head_dim": HEAD, "qk_rope_head_dim": HEAD // 2, "v_head_dim": HEAD,
        "intermediate_size": at_work * expert, "first_k_dense_replace": 1, "moe_intermediate_size": expert,
        "n_routed_experts": experts, "num_experts_per_tok": chosen, "n_shared_experts": 1, "num_nextn_predict_layers": 1,
    }  # fmt: skip


def _up(width: float) -> int:
    """The next multiple of 32."""
    return -int(-width // 32) * 32
