"""The model against transformers, against its own slow twins, and against the paper's alignment."""

import pytest
import torch
import torch.nn.functional as F

from firesteel.kernels.grouped import grouped_linear_cpu, grouped_linear_reference
from firesteel.kernels.swiglu import swiglu_cpu, swiglu_reference
from firesteel.kernels.table import OPS
from firesteel.model.cache import PagedCache
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


@pytest.mark.parametrize("changes", VARIANTS)
def test_cached_extension_equals_the_full_forward(toy_model, changes):
    """Absorbed attention over the paged cache, rows of different lengths, in uneven pieces, blocks out of order."""
    model = toy_model(**changes)
    tokens = torch.randint(0, 97, (3, 40))
    full = model.logits(model(tokens))
    cache = PagedCache(model.config, num_blocks=31, block_size=4)
    tables = torch.randperm(30).view(3, 10) + 1
    cached = torch.zeros(3, dtype=torch.long)
    for new in ([5, 1, 8], [1, 1, 1], [7, 3, 2], [1, 6, 1]):
        n = torch.tensor(new)
        piece = torch.zeros(3, max(new), dtype=torch.long)
        for row in range(3):
            piece[row, : new[row]] = tokens[row, cached[row] : cached[row] + n[row]]
        logits = model.extend(piece, cache.view(cached, n, max(new), tables))
        cached += n
        torch.testing.assert_close(logits, full[torch.arange(3), cached - 1], atol=2e-5, rtol=1e-4)


def test_cache_holds_latent_and_rotary_key_only(toy_config):
    cache = PagedCache(toy_config(), num_blocks=2, block_size=4, dtype=torch.float32)
    assert cache.bytes_per_token == (16 + 8) * 3 * 4
    v3 = toy_config(kv_lora_rank=512, qk_rope_head_dim=64)
    assert v3.cache_width == 576


def test_padding_on_the_right_changes_nothing(toy_model):
    model = toy_model()
    tokens = torch.randint(0, 97, (1, 17))
    padded = F.pad(tokens, (0, 9))
    torch.testing.assert_close(model(padded)[:, :17], model(tokens), atol=1e-6, rtol=1e-5)


def test_mtp_state_i_sees_tokens_up_to_i_plus_1_and_no_further(toy_model):
    """State i predicts token i+2, so it may depend on token i+1 but not on i+2."""
    model = toy_model()
    tokens = torch.randint(0, 97, (1, 12))
    (base,) = model.predict_further(model(tokens), tokens)
    assert base.shape[1] == 11
    for changed in range(1, 12):
        other = tokens.clone()
        other[0, changed] = (other[0, changed] + 1) % 97
        (states,) = model.predict_further(model(other), other)
        same = (states - base).abs().amax(-1)[0] < 1e-6
        assert same[: changed - 1].all() and not same[changed - 1], changed


def test_expert_kernels_agree_with_the_reference_forward_and_backward():
    generator = torch.Generator().manual_seed(0)
    counts = [3, 0, 7, 1]
    make = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()  # noqa: E731
    x, weight = make(11, 6), make(4, 10, 6)
    assert torch.autograd.gradcheck(lambda *a: grouped_linear_cpu(*a, counts), (x, weight))
    torch.testing.assert_close(grouped_linear_cpu(x, weight, counts), grouped_linear_reference(x, weight, counts))
    assert torch.autograd.gradcheck(swiglu_cpu, (make(5, 8),))
    torch.testing.assert_close(swiglu_cpu(x), swiglu_reference(x))
    assert all("reference" in table for table in OPS.values())


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
