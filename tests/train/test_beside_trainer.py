"""Our loop beside transformers' Trainer: from the same weights, over the same batches, the same losses step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.train import losses_of, prepare, training
from benchmarks.train import objective as pretraining
from benchmarks.train_side import trainer
from firesteel.model.config import ModelConfig

pytest.importorskip("accelerate")  # transformers' Trainer needs it

STEPS = 12
CLIP = {
    "DeepSeek-V3 style": 4.6,
    "Llama style": 3.0,
}  # some gradients are longer and some not, or Adam would not see it
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
CONFIGS = {
    "DeepSeek-V3 style": ModelConfig(
        vocab_size=96, max_position_embeddings=64, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
        qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1,
        moe_intermediate_size=16, first_k_dense_replace=1, routed_scaling_factor=2.5, tie_word_embeddings=True, **SIZES,
    ),
    "Llama style": ModelConfig(
        vocab_size=96, max_position_embeddings=64, attention="gqa", num_key_value_heads=1, head_dim=16,
        rope_interleave=False, tie_word_embeddings=False, **SIZES,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The loop makes its whole process deterministic, the Trainer seeds it."""
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(exact)


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_losses_follow_transformers_trainer(tmp_path: Path, kind: str) -> None:
    plan = prepare(tmp_path, CONFIGS[kind], STEPS, batch=3, length=24, decay=0.1, rate=3e-3, clip=CLIP[kind], threads=1)
    plan["out"] = str(tmp_path / "theirs")
    run = training(plan, tmp_path / "ours", pretraining(plan))
    run.run()
    run.loop.log.close()
    ours, theirs = losses_of(tmp_path / "ours"), list[float]()
    trainer(plan, theirs, lambda: None)
    assert len(ours) == STEPS and ours[-1] < ours[0] - 0.2  # both learn
    norms = [record["grad_norm"] for record in run.loop.log.records("pretrain")]
    assert min(norms) < CLIP[kind] < max(norms)
    assert theirs == pytest.approx(ours, rel=2e-6)
