"""Rotary positions: YaRN's golden numbers, and what makes rotation what it is."""

import math

import pytest
import torch

from firesteel.kernels.rotary import rotate_cpu, rotate_reference
from firesteel.model.config import RopeScaling, yarn_mscale
from firesteel.model.rope import Rope, amplitude, frequencies, yarn_ramp

V3 = RopeScaling("yarn", 40.0, 4096, mscale=1.0, mscale_all_dim=1.0)
LITE = RopeScaling("yarn", 40.0, 4096, mscale=0.707, mscale_all_dim=0.707)


@pytest.fixture
def v3(toy_config):
    return toy_config(qk_nope_head_dim=128, qk_rope_head_dim=64, max_position_embeddings=163840, rope_scaling=V3)


def test_yarn_ramp_and_temperatures_are_the_published_ones(v3):
    """DeepSeek-V3 and V2-Lite: ramp 10 to 23, mscale 1.368888 and 1.260804, softmax scales 0.1352338 and 0.1147214."""
    assert yarn_ramp(v3) == (10, 23)
    assert yarn_mscale(40, 1.0) == pytest.approx(1.368888, abs=1e-6)
    assert yarn_mscale(40, 0.707) == pytest.approx(1.260804, abs=1e-6)
    assert v3.softmax_scale == pytest.approx(0.1352338, abs=1e-7)
    assert v3.replace(rope_scaling=LITE).softmax_scale == pytest.approx(0.1147214, abs=1e-7)
    assert v3.replace(rope_scaling=None).softmax_scale == pytest.approx(192**-0.5)


def test_yarn_keeps_fast_pairs_and_stretches_slow_ones(v3):
    plain, stretched = frequencies(v3.replace(rope_scaling=None)), frequencies(v3)
    assert torch.equal(stretched[:11], plain[:11])
    torch.testing.assert_close(stretched[23:], plain[23:] / 40)
    between = stretched[11:23] / plain[11:23]
    assert (between.diff() < 0).all() and 1 / 40 < between.min() and between.max() < 1


def test_cos_and_sin_carry_the_temperature_only_where_the_softmax_does_not():
    assert amplitude(V3) == 1.0
    assert amplitude(RopeScaling("yarn", 4.0, 32768)) == pytest.approx(0.1 * math.log(4) + 1)  # Qwen2.5, Llama
    assert amplitude(RopeScaling("yarn", 4.0, 32768, attention_factor=0.5)) == 0.5
    assert amplitude(None) == amplitude(RopeScaling("linear", 4.0)) == 1.0


def test_angles_do_not_suffer_from_a_model_in_bfloat16(toy_model):
    model = toy_model().to(torch.bfloat16)
    table = model.rope(torch.tensor([[4095]]))
    assert table.dtype == torch.float32
    torch.testing.assert_close(table[0, 0, 0, 0].double(), torch.tensor(4095.0).double().cos(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("interleave", [True, False])
def test_scores_depend_on_distance_alone(toy_config, interleave):
    rope = Rope(toy_config())
    q, k = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)

    def score(i, j):
        turn = [rotate_cpu(x, rope(torch.tensor([[p]])).double(), interleave) for x, p in ((q, i), (k, j))]
        return float((turn[0] * turn[1]).sum())

    assert score(7, 3) == pytest.approx(score(104, 100), abs=1e-4)
    assert score(7, 3) != pytest.approx(score(7, 4), abs=1e-3)


@pytest.mark.parametrize("interleave", [True, False])
def test_the_fast_rotation_equals_its_slow_twin_forward_and_backward(interleave):
    x = torch.randn(2, 3, 2, 15, dtype=torch.float64)[..., 7:].requires_grad_()  # a slice at an odd offset
    table = torch.randn(1, 3, 2, 4, dtype=torch.float64)
    assert torch.equal(rotate_cpu(x, table, interleave), rotate_reference(x, table, interleave))
    assert torch.autograd.gradcheck(lambda y: rotate_cpu(y, table, interleave), (x,))
