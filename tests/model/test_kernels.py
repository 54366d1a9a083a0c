"""Every fast path against its slow twin, forward and backward, in float64; and what it keeps of bfloat16."""

import pytest
import torch
import torch.nn.functional as F

from firesteel.kernels import attention, linear
from firesteel.kernels.attention import causal_attention_cpu, causal_attention_fused, causal_attention_reference
from firesteel.kernels.grouped import grouped_linear_cpu, grouped_linear_reference
from firesteel.kernels.norm import rms_norm_cpu, rms_norm_reference
from firesteel.kernels.swiglu import swiglu_cpu, swiglu_reference
from firesteel.kernels.table import OPS


def make(*shape):
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def same_gradients(fast, slow, inputs):
    """Values and gradients of both agree."""
    out = [f(*inputs) for f in (fast, slow)]
    torch.testing.assert_close(*out)
    d = torch.randn_like(out[0])
    for a, b in zip(*(torch.autograd.grad(o, inputs, d) for o in out), strict=True):
        torch.testing.assert_close(a, b)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def emulated(monkeypatch):
    """Whether this machine multiplies bfloat16 or not: here it does not."""
    monkeypatch.setattr(linear, "multiplies", lambda dtype, kind: dtype != torch.bfloat16)


@pytest.mark.parametrize("kept", [0, 512])  # attention weights recomputed, or kept
@pytest.mark.parametrize("T", [1, 7, 8, 21])
@pytest.mark.parametrize(("heads", "groups", "width", "value"), [(2, 2, 6, 4), (6, 2, 4, 4), (3, 1, 4, 6)])
def test_chunked_attention(monkeypatch, kept, T, heads, groups, width, value):
    monkeypatch.setattr(attention, "CHUNK", 8)
    monkeypatch.setattr(attention, "KEPT", kept)
    q, k, v = make(2, T, heads, width).transpose(1, 2), make(2, groups, T, width), make(2, groups, T, value)
    same_gradients(lambda *x: causal_attention_cpu(*x, 0.3), lambda *x: causal_attention_reference(*x, 0.3), (q, k, v))
    with torch.no_grad():
        fused = causal_attention_fused(q.float(), k.float(), v.float(), 0.3)
        torch.testing.assert_close(fused.double(), causal_attention_reference(q, k, v, 0.3), atol=1e-5, rtol=1e-5)


def test_grouped_linear_with_idle_experts():
    x, weight, counts = make(11, 6), make(4, 10, 6), [3, 0, 7, 1]
    same_gradients(
        lambda *a: grouped_linear_cpu(*a, counts), lambda *a: grouped_linear_reference(*a, counts), (x, weight)
    )
    frozen = weight.detach()
    grouped_linear_cpu(x, frozen, counts).sum().backward()
    assert frozen.grad is None and x.grad is not None


def test_swiglu():
    same_gradients(swiglu_cpu, swiglu_reference, (make(5, 8),))


def test_rms_norm():
    x, weight = make(3, 5, 8), make(8)
    same_gradients(lambda *a: rms_norm_cpu(*a, 1e-3), lambda *a: rms_norm_reference(*a, 1e-3), (x, weight))
    with torch.no_grad():
        torch.testing.assert_close(rms_norm_cpu(x, weight, 1e-3), rms_norm_reference(x, weight, 1e-3))


def test_products_without_bfloat16_instructions_are_as_exact_as_with_them(emulated):
    """Bfloat16 operands, float32 sums, one rounding: the widened product may differ from the true one by that rounding."""
    x, weight = torch.randn(200, 96), torch.randn(40, 96)
    a, w = x.bfloat16().requires_grad_(), weight.bfloat16().requires_grad_()
    y = linear.linear(a, w)
    exact = F.linear(a.double(), w.double())
    assert y.dtype == torch.bfloat16
    assert ((y.double() - exact).abs() <= exact.abs() * 2**-8 + 1e-4).all()
    d = torch.randn_like(y)
    for grad, other, name in zip(torch.autograd.grad(y, (a, w), d), (d.double() @ w.double(), d.double().t() @ a.double()),
                                 "xw", strict=True):  # fmt: skip
        assert grad.dtype == torch.bfloat16, name
        assert ((grad.double() - other).abs() <= other.abs() * 2**-8 + 1e-3).all(), name


def test_wide_activations_meet_narrow_weights(emulated):
    x, w, bias = (
        torch.randn(80, 6).requires_grad_(),
        torch.randn(4, 6).bfloat16().requires_grad_(),
        torch.randn(4).bfloat16(),
    )
    y = linear.linear(x, w, bias)
    torch.testing.assert_close(y, F.linear(x, w.float(), bias.float()))
    dx, dw = torch.autograd.grad(y.sum(), (x, w))
    assert (dx.dtype, dw.dtype) == (torch.float32, torch.bfloat16)
    with torch.no_grad():
        torch.testing.assert_close(linear.linear(x, w), F.linear(x, w.float()))


def test_a_training_pass_in_bfloat16_keeps_its_activations_wide_where_products_are_emulated(emulated, toy_model):
    """Loss and gradients are those of the same weights in float32, the gradients rounded to bfloat16."""
    narrow, wide = toy_model().to(torch.bfloat16), toy_model().to(torch.bfloat16).float()
    tokens = torch.randint(0, 97, (2, 40))
    for model in (narrow, wide):
        model.logits(model.train()(tokens)).logsumexp(-1).mean().backward()
    for (name, a), b in zip(narrow.named_parameters(), wide.parameters(), strict=True):
        if b.grad is not None:
            assert a.grad.dtype == torch.bfloat16
            torch.testing.assert_close(a.grad.float(), b.grad, atol=3e-4, rtol=2**-6, msg=lambda m, n=name: f"{n}: {m}")


def test_every_operation_has_a_slow_twin():
    assert all("reference" in table and len(table) > 1 for table in OPS.values())


def test_exact_sums_equal_their_slow_twin_and_do_not_depend_on_the_batch():
    """The same row gives the same bits alone and among others, where plain products need not."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(70, 96).bfloat16(), torch.randn(5000, 96).bfloat16(), torch.randn(5000).bfloat16()
    fast, slow = OPS["linear_exact"]["cpu"], OPS["linear_exact"]["reference"]
    whole = fast(x, weight, bias)
    assert torch.equal(whole, slow(x, weight, bias))
    for a, b in ((0, 1), (3, 5), (69, 70), (0, 33)):
        assert torch.equal(fast(x[a:b], weight, bias), whole[a:b])
    experts, counts = torch.randn(4, 40, 96), [3, 0, 66, 1]
    fast, slow = OPS["grouped_linear_exact"]["cpu"], OPS["grouped_linear_exact"]["reference"]
    assert torch.equal(fast(x.float(), experts, counts), slow(x.float(), experts, counts))


@pytest.mark.parametrize("rows", [1, 8, 11, 12, 47, 48, 70])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_linear_maps_of_few_rows_equal_the_reference(rows, dtype):
    """Whichever way round and in whatever pieces they are multiplied."""
    torch.manual_seed(0)
    x, weight = torch.randn(2, rows, 640).to(dtype)[:1], torch.randn(2500, 640).to(dtype)
    bias = torch.randn(2500).to(dtype)
    exact = torch.nn.functional.linear(x.double(), weight.double())
    with torch.no_grad():
        for b in (None, bias):
            got = OPS["linear"]["cpu"](x, weight, b)
            expected = exact if b is None else exact + b.double()
            assert got.dtype == dtype and got.shape == (1, rows, 2500)
            error = (got.double() - expected).abs().max() / expected.abs().max()
            assert error < (1e-5 if dtype == torch.float32 else 8e-3)
