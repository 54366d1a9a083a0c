"""A tiny tokenizer, a tiny random model, and a tiny model that was taught a few conversations by heart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from firesteel.core.artefact import writing
from firesteel.core.config import ModelSettings
from firesteel.core.tokenizer import SPECIAL_TOKENS, Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import save_model
from firesteel.serve.openai.server import running
from tests.serve.api import LESSONS, WordGuard, app_of, conversation


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([" ".join(lesson.values()) for lesson in LESSONS], trainer)
    return Tokenizer(backend)


def tiny(vocab_size: int) -> Transformer:
    settings = ModelSettings(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
        qk_rope_head_dim=8, v_head_dim=8, intermediate_size=64, moe_intermediate_size=16, n_routed_experts=4,
        num_experts_per_tok=2, max_position_embeddings=512, num_nextn_predict_layers=0,
    )  # fmt: skip
    model = Transformer(ModelConfig.from_settings(settings, vocab_size))
    model.initialise(torch.Generator().manual_seed(0))
    return model.eval()


@pytest.fixture(scope="session")
def model(tokenizer: Tokenizer) -> Transformer:
    """Random weights: its tokens mean nothing, its arithmetic does."""
    return tiny(tokenizer.vocab_size)


@pytest.fixture(scope="session")
def taught(tokenizer: Tokenizer) -> Transformer:
    """Trained on LESSONS until it knows them by heart."""
    model = tiny(tokenizer.vocab_size).train()
    rendered = [tokenizer.render(conversation(lesson)) for lesson in LESSONS]
    T = max(len(r.ids) for r in rendered)
    ids = torch.tensor([r.ids + [tokenizer.pad_id] * (T - len(r.ids)) for r in rendered])
    learn = torch.tensor([r.mask + [False] * (T - len(r.mask)) for r in rendered])
    optimiser = torch.optim.AdamW(model.parameters(), lr=8e-3, weight_decay=0.0)
    for _ in range(200):
        logits = model.logits(model(ids[:, :-1]))
        loss = F.cross_entropy(logits[learn[:, 1:]], ids[:, 1:][learn[:, 1:]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if loss.item() < 0.005:
            break
    assert loss.item() < 0.05, loss.item()
    return model.eval()


@pytest.fixture(scope="session")
def folder(tokenizer: Tokenizer, taught: Transformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The taught model as an artefact on disk."""
    path = tmp_path_factory.mktemp("models") / "tiny-fire"
    with writing(path, "model", settings={"made": "by a test"}) as draft:
        save_model(draft.path, taught)
        tokenizer.save(draft.path)
    return path


@pytest.fixture(scope="session")
def app(taught: Transformer, tokenizer: Tokenizer) -> Any:
    """The application of the taught model."""
    return app_of(taught, tokenizer)


@pytest.fixture(scope="session")
def url(app: Any) -> Iterator[str]:
    """Base URL of a running server."""
    with running(app) as url:
        yield url


@pytest.fixture(scope="session")
def guarded(taught: Transformer, tokenizer: Tokenizer) -> Iterator[str]:
    """Base URL of a running server with a guard."""
    with running(app_of(taught, tokenizer, guard=WordGuard())) as url:
        yield url
