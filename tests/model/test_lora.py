"""LoRA: it starts as nothing, trains alone, merges into the same function (experts included), and travels as a file."""

import json

import pytest
import torch

from firesteel.core.errors import ArtefactError, UserError
from firesteel.model import lora
from firesteel.model.cache import ContiguousCache
from firesteel.model.weights import load_model, save_model

GQA = {"attention": "gqa", "num_key_value_heads": 2, "head_dim": 8, "num_attention_heads": 4, "n_routed_experts": 0}
VARIANTS = [{}, {"q_lora_rank": None, "n_shared_experts": 0, "num_nextn_predict_layers": 2}, GQA]
SETTINGS = lora.LoRA(rank=3, alpha=6.0)


def _taught(model, settings=SETTINGS):
    """Adapters with weights that matter."""
    lora.attach(model, settings)
    for _, adapter in lora.adapters(model):
        for p in adapter.parameters():
            torch.nn.init.normal_(p, std=0.2)
    return model


@torch.no_grad()
def _logits(model):
    tokens = torch.randint(0, 97, (2, 19), generator=torch.Generator().manual_seed(1))
    hidden = model(tokens)
    return torch.cat([model.logits(hidden).flatten(), *[s.flatten() for s in model.predict_further(hidden, tokens)]])


@pytest.mark.parametrize("changes", VARIANTS)
def test_a_fresh_adapter_changes_nothing_and_only_it_is_trained(toy_model, changes):
    model = toy_model(**changes)
    before = _logits(model)
    lora.attach(model, SETTINGS)
    assert torch.equal(_logits(model), before)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained and all(".adapter." in name for name in trained)


@pytest.mark.parametrize("changes", VARIANTS)
def test_the_merged_model_equals_the_adapted_one_and_differs_from_the_base(toy_model, changes):
    model = toy_model(**changes)
    base = _logits(model)
    adapted = _logits(_taught(model))
    lora.merge(model)
    assert not list(lora.adapters(model)) and all(p.requires_grad for p in model.parameters())
    torch.testing.assert_close(_logits(model), adapted, atol=1e-4, rtol=1e-4)
    assert float((adapted - base).abs().max()) > 0.1


def test_experts_are_adapted_each_by_its_own_matrices(toy_model):
    model = toy_model()
    moe = model.moe_layers()[0]
    _taught(model, lora.LoRA(rank=3, alpha=6.0, targets=("experts",)))
    assert {name.rsplit(".", 1)[-1] for name, _ in lora.adapters(model)} == {"mlp"}
    gate_up, down = moe.adapter.deltas()
    rows, counts = torch.randn(9, 32), [4, 0, 2, 0, 3, 0]
    expected = [row @ gate_up[e].T for e, n in enumerate(counts) for row in rows[sum(counts[:e]) :][:n]]
    torch.testing.assert_close(moe.adapter.gate_up(rows, counts), torch.stack(expected), atol=1e-5, rtol=1e-4)
    act = torch.randn(9, 20)
    expected = [row @ down[e].T for e, n in enumerate(counts) for row in act[sum(counts[:e]) :][:n]]
    torch.testing.assert_close(moe.adapter.down(act, counts), torch.stack(expected), atol=1e-5, rtol=1e-4)
    assert all(not torch.equal(gate_up[0], gate_up[e]) for e in range(1, 6))


def test_cached_decoding_sees_the_adapter(toy_model):
    """The absorbed path reads W_UK and W_UV themselves, not through the linear map."""
    model = _taught(toy_model(num_nextn_predict_layers=0))
    tokens = torch.randint(0, 97, (1, 12))
    view = ContiguousCache(model.config, rows=1, length=12).view(torch.tensor([0]), torch.tensor([12]), 12)
    full = model.logits(model(tokens))[:, -1]
    torch.testing.assert_close(model.extend(tokens, view), full, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("changes", VARIANTS)
def test_an_adapter_travels_without_its_base(tmp_path, toy_model, changes):
    model = _taught(toy_model(**changes))
    lora.save(tmp_path, model, SETTINGS)
    adapted = _logits(model)
    save_model(tmp_path, model)  # the base, without the adapter
    again = load_model(tmp_path)
    assert not torch.equal(_logits(again), adapted)
    assert lora.load(tmp_path, again).scale == SETTINGS.scale
    assert torch.equal(_logits(again), adapted)
    lora.remove(again)
    lora.remove(model)
    assert torch.equal(_logits(again), _logits(model))


def test_an_adapter_of_another_model_is_refused_and_leaves_it_alone(tmp_path, toy_model):
    lora.save(tmp_path, _taught(toy_model()), SETTINGS)
    other = toy_model(kv_lora_rank=8)
    before = _logits(other)
    with pytest.raises(ArtefactError, match="does not belong"):
        lora.load(tmp_path, other)
    assert torch.equal(_logits(other), before) and not list(lora.adapters(other))


def test_an_unknown_target_offers_the_nearest(toy_model):
    with pytest.raises(UserError, match="q_a_proj"):
        lora.attach(toy_model(), lora.LoRA(targets=("q_a_prj",)))


def test_names_are_those_of_peft(tmp_path, toy_model):
    lora.save(tmp_path, _taught(toy_model()), SETTINGS)
    from safetensors import safe_open

    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as f:
        names = set(f.keys())
    assert "base_model.model.model.layers.0.self_attn.kv_b_proj.lora_A.weight" in names
    assert "base_model.model.model.layers.1.mlp.experts.5.down_proj.lora_B.weight" in names
    assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"] == "LORA"
