"""Block-scaled FP8 against its slow twin, block by block, and against what the format itself says."""

import pytest
import torch

from firesteel.kernels.fp8 import BLOCK, COLUMN, GRADIENT_FLOOR, LARGEST, ROW, quantise, quantise_reference, rounded
from firesteel.kernels.linear_fp8 import grouped_linear_fp8, linear_fp8
from firesteel.kernels.table import OPS

CODES = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def spread(*shape):
    """Numbers of very different sizes, some of them zero."""
    return torch.randn(*shape) * torch.randn(*shape).mul(3).exp() * (torch.rand(*shape) > 0.1)


def values_and_gradients(op, which, inputs, *more):
    leaves = [x.clone().requires_grad_() for x in inputs]
    y = OPS[op][which](*leaves, *more)
    d = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)) * 1e-6
    return y.detach(), *torch.autograd.grad(y, leaves, d)


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("powers", [False, True])
@pytest.mark.parametrize("tile", [ROW, COLUMN, BLOCK])
@pytest.mark.parametrize("shape", [(1, 5), (128, 128), (130, 300), (257, 64)])
def test_tiles_are_scaled_and_rounded_as_one_by_one(shape, tile, powers):
    x = spread(*shape)
    fast, slow = (f(x, tile, powers=powers) for f in (quantise, quantise_reference))
    assert torch.equal(fast.scales, slow.scales)
    assert torch.equal(fast.values.view(torch.uint8), slow.values.view(torch.uint8))
    if powers:
        assert (torch.frexp(fast.scales).mantissa == 0.5).all()


def test_values_are_the_nearest_of_the_format_and_ties_are_even():
    """Of all finite codes; where two are as near, the one whose last bit is 0."""
    codes = CODES[CODES.float().isfinite()]
    x = torch.cat((torch.tensor([448.0]), spread(126) * 9, torch.tensor([17.0]))).clamp(
        -448, 448
    )  # scale 1; 17 is a tie
    away = (x[:, None].double() - codes.double()).abs()
    odd = (codes.view(torch.uint8) & 1).double() * 1e-12
    assert torch.equal(rounded(x[None], ROW)[0], codes[(away + odd).argmin(1)].float())


def test_every_code_is_read_as_torch_reads_it():
    finite = CODES[CODES.float().isfinite()]
    x = finite.float()[None] / 3
    s = torch.tensor(LARGEST / 3) / LARGEST
    assert torch.equal(rounded(x, (1, 256)), finite.float()[None] * s)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("powers", [False, True])
def test_what_is_no_number_stays_so_in_its_tile_alone(bad, powers):
    x = torch.ones(2, 256)
    x[1, 3] = bad
    out = rounded(x, ROW, powers=powers)
    assert not out[1, 3].isfinite() and out[0].isfinite().all() and out[1, 128:].isfinite().all()


@pytest.mark.parametrize("powers", ["", "_powers"])
@pytest.mark.parametrize(("M", "inputs", "outputs"), [(1, 128, 4), (5, 130, 129), (130, 12, 140), (260, 40, 24)])
def test_linear_maps(M, inputs, outputs, powers):
    data = spread(M, inputs), spread(outputs, inputs), torch.randn(outputs)
    fast, slow = (values_and_gradients("linear_fp8" + powers, which, data) for which in ("cpu", "reference"))
    for a, b in zip(fast, slow, strict=True):
        assert relative(a, b) < 1e-6


@pytest.mark.parametrize("powers", ["", "_powers"])
def test_experts_with_idle_ones_and_rows_that_fill_no_tile(powers):
    counts = [3, 0, 130, 1]
    data = spread(134, 8), spread(4, 136, 8)
    fast, slow = (values_and_gradients("grouped_linear_fp8" + powers, w, data, counts) for w in ("cpu", "reference"))
    for a, b in zip(fast, slow, strict=True):
        assert relative(a, b) < 1e-6
    assert not fast[2][1].any() and fast[2][0].any()


def test_a_tile_never_holds_rows_of_two_experts():
    """Huge rows of a neighbour would push an expert's own below the format's smallest number."""
    x, weight = torch.randn(20, 16), torch.randn(2, 8, 16).requires_grad_()
    x[10:] *= 1e6
    (both,) = torch.autograd.grad(grouped_linear_fp8(x, weight, [10, 10]).sum(), weight)
    (alone,) = torch.autograd.grad(linear_fp8(x[:10], weight[0]).sum(), weight)
    assert torch.equal(both[0], alone[0]) and both[0].all()


def test_products_are_within_the_format_s_error_of_exact_ones():
    """Three mantissa bits a factor: relative 2^-4 at most, some 2.6 % on average, in each; noise that does not add up."""
    x, w = torch.randn(256, 256), torch.randn(192, 256)
    y, dx, dw = values_and_gradients("linear_fp8", "cpu", (x, w))
    exact = values_and_gradients("linear", "reference", (x, w))
    assert all(0.02 < relative(a, b) < 0.06 for a, b in zip((y, dx, dw), exact, strict=True))


def test_small_gradients_are_scaled_as_large_ones_are():
    """Gradients are shares of a mean over a step's tokens: a floor of 1e-4 would round those of a large batch to nothing."""
    x, w = torch.randn(32, 64).requires_grad_(), torch.randn(48, 64).requires_grad_()
    y, d = linear_fp8(x, w), torch.randn(32, 48)
    large, small = (torch.autograd.grad(y, (x, w), d * s, retain_graph=True) for s in (1.0, 2.0**-60))
    for a, b in zip(large, small, strict=True):
        assert torch.equal(a, b * 2.0**60)
    assert GRADIENT_FLOOR > torch.finfo(torch.float32).smallest_normal * LARGEST


def test_what_is_kept_for_backward_is_a_quarter_and_of_frozen_weights_nothing():
    kept = []
    x, w = torch.randn(256, 256).requires_grad_(), torch.randn(128, 256)
    for weight in (w, w.clone().requires_grad_()):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            linear_fp8(x, weight).sum().backward()
            grouped_linear_fp8(x, weight[None], [256]).sum().backward()
        sizes = sum(t.nbytes for t in kept if t.shape[-2:] != w.shape)
        assert sizes == (2 * (x.numel() + x.numel() // 128 * 4) if weight.requires_grad else 0)
        kept.clear()


def test_without_rows_and_of_zeros():
    w = torch.randn(4, 8).requires_grad_()
    for rows in (0, 3):
        x = torch.zeros(2, rows, 8).requires_grad_()
        y = linear_fp8(x, w)
        dx, dw = torch.autograd.grad(y.sum(), (x, w))
        assert y.shape == (2, rows, 4) and dx.shape == x.shape and not y.any() and not dw.any()


def test_dtypes_of_results_follow_x_and_the_same_without_gradients():
    x, w = torch.randn(3, 7, 40).bfloat16().requires_grad_(), torch.randn(24, 40).bfloat16().requires_grad_()
    y = linear_fp8(x, w)
    assert y.dtype == torch.bfloat16 and y.shape == (3, 7, 24)
    assert [g.dtype for g in torch.autograd.grad(y.sum(), (x, w))] == [torch.bfloat16] * 2
    with torch.no_grad():
        assert torch.equal(linear_fp8(x, w), y)
