"""The work of a step matches what torch really does, for every kind of attention and feed-forward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.compute import work
from firesteel.compute.count import Shape, parameters
from firesteel.compute.work import Work, extending, learning, updating
from firesteel.core.config import ModelSettings, PretrainSettings
from firesteel.kernels import attention
from firesteel.model.cache import PagedCache
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.optim import make_optimisers
from tests.compute.keeping import learn
from tests.compute.tracing import Trace

GQA = {"attention": "gqa", "num_key_value_heads": 2}
DENSE = {"n_routed_experts": 0, "num_nextn_predict_layers": 0}
SHAPES: dict[str, dict[str, Any]] = {
    "latent": {},
    "no-query-latent": {
        "q_lora_rank": 0, "num_nextn_predict_layers": 0, "tie_word_embeddings": False, "first_k_dense_replace": 0,
    },
    "deep": {
        "hidden_size": 64, "num_hidden_layers": 4, "n_routed_experts": 8, "num_experts_per_tok": 4, "n_shared_experts": 2,
    },
    "latent-dense": DENSE,
    "dense": GQA | DENSE | {"qkv_bias": True, "tie_word_embeddings": False},
    "dense-normed": GQA | DENSE | {"qk_norm": True, "num_hidden_layers": 3, "head_dim": 64, "num_nextn_predict_layers": 1},
    "grouped-experts": GQA | {"scoring_func": "softmax", "topk_method": "greedy", "n_shared_experts": 0},
    "two-modules": {"num_nextn_predict_layers": 2},
}  # fmt: skip


def small(changes: dict[str, Any], vocabulary: int = 1024) -> tuple[Shape, Transformer]:
    table = ModelSettings(**{"num_hidden_layers": 2, "moe_intermediate_size": 32} | changes)
    model = Transformer(ModelConfig.from_settings(table, vocabulary))
    model.initialise(torch.Generator().manual_seed(0))
    return Shape.of(table.shape(), vocab_size=vocabulary), model


@pytest.mark.parametrize("name", SHAPES)
def test_our_own_model_has_exactly_the_counted_parameters(name: str) -> None:
    shape, model = small(SHAPES[name])
    counts, everything = parameters(shape), sum(p.numel() for p in model.parameters())
    mtp = sum(p.numel() for p in model.mtp.parameters())
    assert (counts.total, counts.mtp) == (everything - mtp, mtp)
    biases = sum(b.numel() for n, b in model.named_buffers() if n.endswith("correction_bias") and "mtp" not in n)
    assert counts.biases == biases


def test_attention_is_cut_as_the_kernel_cuts_it() -> None:
    assert (work.CHUNK, work.KEPT) == (attention.CHUNK, attention.KEPT)


def close(counted: Work, traced: Work, tolerance: float) -> None:
    for name, allowed in (("flops", 0.02), ("traffic", tolerance), ("operations", tolerance)):
        want, got = getattr(traced, name), getattr(counted, name)
        assert got == pytest.approx(want, rel=allowed), f"{name}: counted {got:.4g}, traced {want:.4g}"


@pytest.mark.parametrize("name", SHAPES)
def test_learning_does_the_counted_work(name: str) -> None:
    shape, model = small(SHAPES[name])
    optimiser = "adamw" if name in ("no-query-latent", "dense") else "muon"
    model.train()
    optimisers = make_optimisers(model.named_parameters(), PretrainSettings(optimiser=optimiser))  # type: ignore[arg-type]
    tokens = torch.randint(0, 1024, (4, 128), generator=torch.Generator().manual_seed(0))
    with Trace() as learnt:
        learn(model, tokens)
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


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("rows", "new", "cached"), [(64, 1, 47), (16, 32, 0)])
def test_sampling_does_the_counted_work(name: str, rows: int, new: int, cached: int) -> None:
    shape, model = small(SHAPES[name])
    blocks = -(-(cached + new) // 16)
    cache = PagedCache(model.config, num_blocks=rows * blocks + 1)
    tables = torch.arange(1, rows * blocks + 1).view(rows, blocks)
    tokens = torch.randint(0, 1024, (rows, new), generator=torch.Generator().manual_seed(0))
    with Trace() as trace:
        model.extend(tokens, cache.view(torch.full((rows,), cached), torch.full((rows,), new), new, tables))
    close(extending(shape, rows, new, cached + new), trace.work, 0.25)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(sorted(SHAPES)), st.integers(1, 64), st.integers(16, 512), st.integers(1, 4))
def test_more_tokens_are_more_work(name: str, rows: int, length: int, times: int) -> None:
    shape = Shape.of(ModelSettings(**SHAPES[name]).shape(), vocab_size=4096)
    one, many = learning(shape, rows, length, rows), learning(shape, rows * times, length, rows * times)
    assert many.flops == pytest.approx(one.flops * times) and many.traffic <= one.traffic * times * 1.0001
    assert (one + one) == one * 2
