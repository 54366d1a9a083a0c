"""Counting a model: exact parameters of published and own models, and work that matches what torch really does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.compute.count import Shape, Work, extending, learning, parameters, training_flops, updating
from firesteel.core.config import ModelSettings, PretrainSettings
from firesteel.model.cache import PagedCache
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.losses import next_token_loss
from firesteel.train.optim import make_optimisers
from tests.compute.tracing import Trace

HEADS = {"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "kv_lora_rank": 512}
NAMES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "q_lora_rank", "intermediate_size",
    "moe_intermediate_size", "n_routed_experts", "num_experts_per_tok", "n_shared_experts", "first_k_dense_replace",
    "scoring_func",
)  # fmt: skip
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {  # config.json as published, parameters of the main model
    name: (dict(zip(NAMES, values, strict=True)) | HEADS, total)
    for name, values, total in (
        ("V2-Lite", (102400, 2048, 27, 16, None, 10944, 1408, 64, 6, 2, 1, "softmax"), 15_706_484_224),
        ("V2", (102400, 5120, 60, 128, 1536, 12288, 1536, 160, 6, 2, 1, "softmax"), 235_741_434_880),
        ("V3", (129280, 7168, 61, 128, 1536, 18432, 2048, 256, 8, 1, 3, "sigmoid"), 671_026_419_200),
        ("Moonlight", (163840, 2048, 27, 16, None, 11264, 1408, 64, 6, 2, 1, "sigmoid"), 15_960_110_208),
        ("Kimi-K2", (163840, 7168, 61, 64, 1536, 18432, 2048, 384, 8, 1, 1, "sigmoid"), 1_026_408_232_448),
    )
}
SHAPES = (
    {},
    {"q_lora_rank": 0, "num_nextn_predict_layers": 0, "tie_word_embeddings": False, "first_k_dense_replace": 0},
    {"hidden_size": 64, "num_hidden_layers": 4, "n_routed_experts": 8, "num_experts_per_tok": 4, "n_shared_experts": 2},
)


def small(changes: dict[str, Any], vocabulary: int = 1024) -> tuple[Shape, Transformer]:
    table = ModelSettings(num_hidden_layers=2, moe_intermediate_size=32).model_copy(update=changes)
    model = Transformer(ModelConfig.from_settings(table, vocabulary))
    model.initialise(torch.Generator().manual_seed(0))
    return Shape.of(table.model_dump(), vocab_size=vocabulary), model


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_their_published_number_of_parameters(name: str) -> None:
    config, total = PUBLISHED[name]
    counts = parameters(Shape.of(config))
    assert counts.total + counts.biases == total


def test_a_token_meets_the_published_number_of_parameters() -> None:
    """37 B of V3 (36.7 without one of its two tables), 21 B of V2, 32 B of Kimi-K2."""
    active = {name: parameters(Shape.of(config)).active / 1e9 for name, (config, _) in PUBLISHED.items()}
    assert (round(active["V3"], 1), round(active["V2"]), int(active["Kimi-K2"])) == (37.6, 21, 32)


@pytest.mark.parametrize(("name", "gflops"), [("V2", 155), ("V3", 250)])
def test_training_a_token_costs_what_the_makers_say(name: str, gflops: int) -> None:
    """ISCA 2025, Table 2: training GFLOP a token at 4096, causal."""
    assert round(training_flops(Shape.of(PUBLISHED[name][0]), 4096, mtp=False) / 1e9) == gflops


def test_cache_elements_are_those_of_the_report() -> None:
    elements = {name: Shape.of(config).cache_elements for name, (config, _) in PUBLISHED.items()}
    assert (elements["V2-Lite"], elements["V2"], elements["V3"], elements["Kimi-K2"]) == (15552, 34560, 35136, 35136)


@pytest.mark.parametrize("changes", SHAPES)
def test_our_own_model_has_exactly_the_counted_parameters(changes: dict[str, Any]) -> None:
    shape, model = small(changes)
    counts, everything = parameters(shape), sum(p.numel() for p in model.parameters())
    mtp = sum(p.numel() for p in model.mtp.parameters())
    assert (counts.total, counts.mtp) == (everything - mtp, mtp)
    biases = sum(b.numel() for n, b in model.named_buffers() if n.endswith("correction_bias") and "mtp" not in n)
    assert counts.biases == biases


def close(counted: Work, traced: Work, tolerance: float) -> None:
    for name in ("flops", "traffic", "operations"):
        want, got = getattr(traced, name), getattr(counted, name)
        assert got == pytest.approx(want, rel=tolerance), f"{name}: counted {got:.4g}, traced {want:.4g}"


@pytest.mark.parametrize(("changes", "optimiser"), list(zip(SHAPES, ("muon", "adamw", "muon"), strict=True)))
def test_learning_does_the_counted_work(changes: dict[str, Any], optimiser: str) -> None:
    shape, model = small(changes)
    model.train()
    optimisers = make_optimisers(model, PretrainSettings(optimiser=optimiser))  # type: ignore[arg-type]
    tokens = torch.randint(0, 1024, (4, 128), generator=torch.Generator().manual_seed(0))
    with Trace() as learnt:
        next_token_loss(model, tokens, torch.ones_like(tokens, dtype=torch.bool), 0.3, 1e-4)[0].backward()
    for one in optimisers:  # the first step also makes the optimiser's state
        one.step()
    with Trace() as updated:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for one in optimisers:
            one.step()
    close(learning(shape, *tokens.shape, tokens.numel()), learnt.work, 0.2)
    got, want = updating(shape, optimiser), updated.work
    assert got.flops == pytest.approx(want.flops, rel=0.1) or optimiser == "adamw"
    assert got.traffic == pytest.approx(want.traffic, rel=0.3)


@pytest.mark.parametrize("changes", SHAPES)
@pytest.mark.parametrize(("rows", "new", "cached"), [(64, 1, 47), (16, 32, 0)])
def test_sampling_does_the_counted_work(changes: dict[str, Any], rows: int, new: int, cached: int) -> None:
    shape, model = small(changes)
    blocks = -(-(cached + new) // 16)
    cache = PagedCache(model.config, num_blocks=rows * blocks + 1)
    tables = torch.arange(1, rows * blocks + 1).view(rows, blocks)
    tokens = torch.randint(0, 1024, (rows, new), generator=torch.Generator().manual_seed(0))
    with Trace() as trace:
        model.extend(tokens, torch.full((rows,), cached), torch.full((rows,), new), tables, cache)
    close(extending(shape, rows, new, cached + new), trace.work, 0.25)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 64), st.integers(16, 512), st.integers(1, 4))
def test_more_tokens_are_more_work(rows: int, length: int, times: int) -> None:
    shape = Shape.of(ModelSettings().model_dump(), vocab_size=4096)
    one, many = learning(shape, rows, length, rows), learning(shape, rows * times, length, rows * times)
    assert many.flops == pytest.approx(one.flops * times) and many.traffic <= one.traffic * times * 1.0001
    assert (one + one) == one * 2
