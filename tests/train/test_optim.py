"""Optimisers and schedules: every parameter in one group, Muon beside torch's, shapes of the learning rate."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.config import ModelSettings, OptimSettings
from firesteel.model import lora
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.muon import Muon, orthogonalise
from firesteel.train.optim import make_optimisers, parameter_groups
from firesteel.train.schedule import SHAPES, Ramp, learning_rate

GQA = {"attention": "gqa", "qk_norm": True, "qkv_bias": True}
SHAPE = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "moe_intermediate_size": 16, "n_routed_experts": 4,
}  # fmt: skip
MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 16}


def model(**changes: object) -> Transformer:
    made = Transformer(ModelConfig.from_settings(ModelSettings(**(SHAPE | changes)), 60))  # type: ignore[arg-type]
    made.initialise(torch.Generator().manual_seed(0))
    return made


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
@pytest.mark.parametrize("changes", [MLA, MLA | {"tie_word_embeddings": False}, GQA, GQA | {"n_routed_experts": 0}])
def test_groups_add_up_to_all_parameters(optimiser: str, changes: dict[str, object]) -> None:
    made = model(**changes)
    optimisers = make_optimisers(made.named_parameters(), OptimSettings(optimiser=optimiser))  # type: ignore[arg-type]
    owned = [p for o in optimisers for g in o.param_groups for p in g["params"]]
    assert sorted(map(id, owned)) == sorted(id(p) for p in made.parameters())
    assert sum(p.numel() for p in owned) == sum(p.numel() for p in made.parameters())
    decayed = {id(p) for o in optimisers for g in o.param_groups if g["weight_decay"] for p in g["params"]}
    hidden = {id(p) for p in parameter_groups(made.named_parameters())["hidden"].values()}
    assert decayed == hidden and all(p.ndim >= 2 for p in made.parameters() if id(p) in hidden)


def test_a_frozen_base_is_left_alone_and_adapters_go_to_adamw() -> None:
    made = model(**MLA)
    lora.attach(made, lora.LoRA(rank=2))
    groups = parameter_groups(made.named_parameters())
    assert not (groups["hidden"] or groups["tables"] or groups["vectors"])
    assert len(groups["adapters"]) == sum(p.requires_grad for p in made.parameters()) > 0
    (only,) = make_optimisers(made.named_parameters(), OptimSettings())
    assert isinstance(only, torch.optim.AdamW)


def test_muon_follows_torchs_muon() -> None:
    """torch's works on single matrices in bfloat16; ours on stacks of them in the weights' own type."""
    start = torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(0))
    ours, theirs = torch.nn.Parameter(start.clone()), [torch.nn.Parameter(m.clone()) for m in start]
    mine = Muon([ours], lr=0.02, weight_decay=0.1)
    other = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(5):
        gradient = torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(step + 1))
        ours.grad = gradient.clone()
        for p, g in zip(theirs, gradient, strict=True):
            p.grad = g.clone()
        mine.step()
        other.step()
    moved, expected = ours.detach() - start, torch.stack([p.detach() for p in theirs]) - start
    assert float((moved - expected).norm() / expected.norm()) < 0.02  # bfloat16's rounding
    state = torch.stack([other.state[p]["momentum_buffer"] for p in theirs])
    torch.testing.assert_close(mine.state[ours]["momentum_buffer"], state)


def test_orthogonalise_flattens_the_spectrum_and_keeps_the_vectors() -> None:
    x = torch.randn(3, 8, 12, generator=torch.Generator().manual_seed(0))
    y = orthogonalise(x)
    values = torch.linalg.svdvals(y)
    assert float(values.min()) > 0.5 and float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    inner = torch.diagonal(u.mT @ y @ v.mT, dim1=-2, dim2=-1)
    assert float(inner.min()) > 0.5
    torch.testing.assert_close(orthogonalise(x.mT.contiguous()), y.mT, atol=1e-4, rtol=1e-3)


def test_muon_steps_have_the_rms_that_adam_would_have() -> None:
    p = torch.nn.Parameter(torch.zeros(2, 64, 32))
    p.grad = torch.randn(2, 64, 32)
    Muon([p], lr=1.0, weight_decay=0.0).step()
    assert float(p.detach().pow(2).mean().sqrt()) == pytest.approx(0.2, rel=0.25)


@pytest.mark.parametrize("schedule", list(SHAPES))
def test_learning_rates_warm_up_and_never_rise_again(schedule: str) -> None:
    s = OptimSettings(learning_rate=1.0, warmup_steps=4, min_learning_rate=0.1, schedule=schedule)  # type: ignore[arg-type]
    rates = [learning_rate(i, s, 24) for i in range(24)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[4] == pytest.approx(1.0)
    assert all(a >= b for a, b in zip(rates[4:], rates[5:], strict=False))
    assert learning_rate(24, s, 24) == pytest.approx(1.0 if schedule == "constant" else 0.1)


def test_the_shapes_differ_where_they_should() -> None:
    def middle(schedule: str) -> float:
        s = OptimSettings(learning_rate=1.0, warmup_steps=0, min_learning_rate=0.0, schedule=schedule)  # type: ignore[arg-type]
        return learning_rate(25, s, 100)

    assert middle("linear") == pytest.approx(0.75) and middle("cosine") == pytest.approx(0.8535, abs=1e-4)
    wsd = OptimSettings(learning_rate=1.0, warmup_steps=0, min_learning_rate=0.0, schedule="wsd", decay_share=0.2)
    assert [learning_rate(i, wsd, 100) for i in (25, 80, 90)] == pytest.approx([1.0, 1.0, 0.5])


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 40), st.integers(0, 100))
def test_a_ramp_counts_every_row_once(size: int, start: int, steps: int, step: int) -> None:
    ramp = Ramp(size, min(start, size), steps)
    assert ramp.before(step) == sum(ramp.rows(i) for i in range(step))
    assert min(start, size) <= ramp.rows(step) <= size or not start
    assert ramp.rows(step) <= ramp.rows(step + 1) and ramp.rows(steps) == size
