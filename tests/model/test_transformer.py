"""The model against transformers, against its own slow twins, and against the paper's alignment."""

import pytest
import torch
import torch.nn.functional as F

from firesteel.model.config import routed_scale
from firesteel.model.moe import MoE
from firesteel.model.weights import load_model, save_model

VARIANTS = [
    {}, {"q_lora_rank": None}, {"v_head_dim": 24}, {"tie_word_embeddings": False, "n_shared_experts": 2},
    {"first_k_dense_replace": 0, "num_experts_per_tok": 3, "routed_scaling_factor": 2.5},
]  # fmt: skip


@pytest.mark.parametrize("changes", VARIANTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_logits_equal_transformers(tmp_path, toy_model, changes, seed):
    transformers = pytest.importorskip("transformers")
    model = toy_model(seed, **changes)
    save_model(tmp_path, model)
    other = transformers.DeepseekV3ForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    tokens = torch.randint(0, 97, (3, 21), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        torch.testing.assert_close(model.logits(model(tokens)), other(tokens).logits, atol=1e-4, rtol=1e-4)


def test_group_limited_routing_follows_the_reference_with_minus_infinity(toy_model):
    """transformers fills unselected groups with 0.0, which wins over negative biased scores; DeepSeek's code uses -inf."""
    model = toy_model(n_routed_experts=8, n_group=4, topk_group=2)
    gate = model.moe_layers()[0].gate
    gate.e_score_correction_bias.fill_(-2.0)  # every biased score is negative
    gate.e_score_correction_bias[:4] = -1.5  # groups 0 and 1 are the best
    _, experts, _ = gate(torch.randn(50, 32))
    assert int(experts.max()) < 4


def test_gate_values_ignore_the_bias(toy_model):
    gate = toy_model().moe_layers()[0].gate
    x = torch.randn(40, 32)
    gates, experts, scores = gate(x)
    chosen = scores.gather(1, experts)
    torch.testing.assert_close(gates, chosen / chosen.sum(-1, keepdim=True) * 1.5)


def test_padding_on_the_right_changes_nothing(toy_model):
    model = toy_model()
    tokens = torch.randint(0, 97, (1, 17))
    padded = F.pad(tokens, (0, 9))
    torch.testing.assert_close(model(padded)[:, :17], model(tokens), atol=1e-6, rtol=1e-5)


def test_moe_equals_a_loop_over_tokens(toy_model):
    moe = next(m for m in toy_model().modules() if isinstance(m, MoE))
    x = torch.randn(2, 5, 32)
    gates, experts, _ = moe.gate(x.view(10, 32))
    expected = moe.shared_experts(x).view(10, 32).clone()
    for t in range(10):
        for g, e in zip(gates[t], experts[t], strict=True):
            gate, up = (moe.gate_up[e] @ x.view(10, 32)[t]).chunk(2)
            expected[t] += g * (moe.down[e] @ (F.silu(gate) * up))
    torch.testing.assert_close(moe(x).view(10, 32), expected, atol=1e-5, rtol=1e-4)


def test_balancing_lifts_starved_experts_and_keeps_the_mean(toy_model):
    moe = toy_model().moe_layers()[0]
    before = moe.gate.e_score_correction_bias.clone()
    moe.load += torch.tensor([10.0, 0, 2, 2, 2, 2])
    moe.balance(0.01)
    change = moe.gate.e_score_correction_bias - before
    assert change[0] < 0 < change[1] and abs(float(change.sum())) < 1e-6
    assert not moe.load.any()


def test_routed_scale_reproduces_the_published_values():
    assert routed_scale(64, 6) == pytest.approx(2.446, abs=0.01)
    assert routed_scale(384, 8) == pytest.approx(2.827, abs=0.01)


def test_weights_survive_saving_and_loading_bit_for_bit(tmp_path, toy_model):
    model = toy_model()
    save_model(tmp_path, model)
    again = load_model(tmp_path)
    for (name, a), (_, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
