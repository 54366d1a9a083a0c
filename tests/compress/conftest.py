"""Toy model folders: random weights with a small real tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.tokenizer import SPECIAL_TOKENS, SPLIT_PATTERN, Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import save_model

TOY: dict[str, Any] = {
    "vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "q_lora_rank": 24,
    "kv_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 16, "intermediate_size": 64,
    "first_k_dense_replace": 1, "moe_intermediate_size": 32, "n_routed_experts": 6, "num_experts_per_tok": 2,
    "n_shared_experts": 1, "routed_scaling_factor": 1.5, "num_nextn_predict_layers": 1, "rope_theta": 10000.0,
    "max_position_embeddings": 128, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    backend = Backend(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=310, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(["the law of the land 中华人民共和国 法律 第一条 12+34=46"] * 20, trainer)
    return Tokenizer(backend)


def toy(seed: int = 0, **changes: Any) -> Transformer:
    """A model with random weights and router biases that matter."""
    return random_model(ModelConfig(**(TOY | changes)), seed)


def random_model(config: ModelConfig, seed: int = 0) -> Transformer:
    """A model of any shape with random weights, norms and biases that matter, as after training."""
    model = Transformer(config)
    generator = torch.Generator().manual_seed(seed)
    model.initialise(generator)
    for moe in model.moe_layers():
        if moe.gate.e_score_correction_bias is not None:
            moe.gate.e_score_correction_bias.normal_(std=0.1, generator=generator)
    for p in model.parameters():
        if p.ndim == 1:
            p.data.add_(torch.randn(p.shape, generator=generator), alpha=0.1)
    return model.eval()


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Tokenizer) -> Callable[..., tuple[Path, Transformer]]:
    """Makes a model folder; returns it and the model."""

    def make(**changes: Any) -> tuple[Path, Transformer]:
        model, place = toy(**changes), tmp_path / "model"
        place.mkdir()
        save_model(place, model)
        tokenizer.save(place)
        return place, model

    return make
