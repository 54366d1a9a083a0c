"""A toy model config that tests vary."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer

TOY: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "q_lora_rank": 24,
    "kv_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 16, "intermediate_size": 48,
    "first_k_dense_replace": 1, "moe_intermediate_size": 20, "n_routed_experts": 6, "num_experts_per_tok": 2,
    "n_shared_experts": 1, "routed_scaling_factor": 1.5, "num_nextn_predict_layers": 1, "rope_theta": 10000.0,
    "max_position_embeddings": 128, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture(scope="session")
def toy_config() -> Callable[..., ModelConfig]:
    return lambda **changes: ModelConfig(**(TOY | changes))


@pytest.fixture(scope="session")
def toy_model(toy_config: Callable[..., ModelConfig]) -> Callable[..., Transformer]:
    def make(seed: int = 0, **changes: Any) -> Transformer:
        torch.manual_seed(seed)
        model = Transformer(toy_config(**changes))
        model.initialise(torch.Generator().manual_seed(seed))
        for moe in model.moe_layers():  # biases that matter, as after training
            moe.gate.e_score_correction_bias.normal_(std=0.1)
        return model.eval()

    return make
