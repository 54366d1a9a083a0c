"""Choosing tokens: against double-precision arithmetic, and reproducible row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.serve.sampling import Controls, choose, chunk_sums, inverse_cdf, nucleus, uniforms


def controls(B: int, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0) -> Controls:
    return Controls(
        np.full(B, temperature, np.float32), np.full(B, top_p, np.float32), np.full(B, seed, np.uint64),
        np.arange(B, dtype=np.uint64),
    )  # fmt: skip


def test_uniforms_are_uniform_and_do_not_repeat() -> None:
    seeds, positions = np.meshgrid(np.arange(200, dtype=np.uint64), np.arange(200, dtype=np.uint64))
    u = uniforms(seeds.ravel(), positions.ravel())
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    counts = np.histogram(u, bins=64, range=(0, 1))[0]
    chi2 = float(((counts - counts.mean()) ** 2 / counts.mean()).sum())
    assert chi2 < 110, chi2  # 63 degrees of freedom: P(chi2 > 110) < 0.0003
    grid = u.reshape(200, 200)
    assert abs(np.corrcoef(grid[:-1].ravel(), grid[1:].ravel())[0, 1]) < 0.02  # neighbouring positions
    assert abs(np.corrcoef(grid[:, :-1].ravel(), grid[:, 1:].ravel())[0, 1]) < 0.02  # neighbouring seeds


def splitmix64(state: int) -> int:
    """The published generator's next output, in Python integers."""
    z = (state + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_uniforms_have_golden_values() -> None:
    """A change of the generator changes every seeded answer: do it on purpose or not at all."""
    assert splitmix64(0) == 0xE220A8397B1DCDAF  # the published first output for seed 0
    cases = [(0, 0), (0, 1), (1, 0), (2**64 - 1, 7), (12345, 2**40)]
    u = uniforms(*(np.array(column, np.uint64) for column in zip(*cases, strict=True)))
    expected = [splitmix64(splitmix64(s) + p * 0x9E3779B97F4A7C15) for s, p in cases]
    assert u.tolist() == [(h >> 40) / 2**24 for h in expected]
    assert u[0] == pytest.approx(0.6524484753608704, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**32), st.floats(0, 1 - 2**-24, width=32))
def test_the_token_is_the_inverse_of_the_cumulative_sum(V: int, seed: int, u: float) -> None:
    rng = np.random.default_rng(seed)
    w = rng.random(V).astype(np.float32) * (rng.random(V) < 0.5)
    w[rng.integers(V)] = 1.0
    weights = torch.from_numpy(w)[None]
    token = int(inverse_cdf(weights, chunk_sums(weights), torch.tensor([u])))
    assert w[token] > 0, "a token without probability was chosen"
    cdf = np.cumsum(w.astype(np.float64)) / w.astype(np.float64).sum()
    before = cdf[token - 1] if token else 0.0
    assert before - 1e-5 <= u <= cdf[token] + 1e-5


def test_rounding_never_leads_past_the_last_token_with_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(3000, 1000, generator=generator)
    weights[:, 700:] = 0.0
    tokens = inverse_cdf(weights, chunk_sums(weights), torch.full((3000,), 1 - 2.0**-24))
    assert weights.gather(1, tokens[:, None]).min() > 0 and tokens.max() < 700
    tokens = inverse_cdf(weights, chunk_sums(weights), torch.zeros(3000))
    assert tokens.max() == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_frequencies_follow_the_softmax(temperature: float) -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -30.0]]).repeat(20_000, 1)
    expected = torch.softmax(logits[0].double() / temperature, dim=-1).numpy()
    tokens, logprobs = choose(logits.clone(), controls(20_000, temperature))
    share = np.bincount(tokens.numpy(), minlength=5) / 20_000
    assert np.abs(share - expected).max() < 0.012
    assert np.allclose(logprobs.numpy(), np.log(expected)[tokens.numpy()], atol=1e-5)


def test_temperature_zero_takes_the_likeliest_and_reports_the_plain_logprob() -> None:
    logits = torch.randn(7, 130, generator=torch.Generator().manual_seed(1))
    tokens, logprobs = choose(logits.clone(), controls(7, temperature=0.0))
    assert torch.equal(tokens, logits.argmax(-1))
    assert torch.allclose(logprobs, torch.log_softmax(logits, -1).max(-1).values, atol=1e-6)


def test_rows_with_different_settings_do_not_disturb_each_other() -> None:
    logits = torch.randn(4, 200, generator=torch.Generator().manual_seed(2)) * 3
    mixed = Controls(
        np.array([0.0, 1.0, 0.7, 1.3], np.float32), np.array([1, 1, 0.5, 0.9], np.float32),
        np.array([1, 2, 3, 2**64 - 1], np.uint64), np.array([0, 5, 9, 100], np.uint64),
    )  # fmt: skip
    tokens, logprobs = choose(logits.clone(), mixed)
    for i in range(4):
        alone = Controls(
            mixed.temperature[i : i + 1], mixed.top_p[i : i + 1], mixed.seed[i : i + 1], mixed.position[i : i + 1]
        )
        token, logprob = choose(logits[i : i + 1].clone(), alone)
        assert (int(token), float(logprob)) == (int(tokens[i]), pytest.approx(float(logprobs[i]), abs=1e-6))
        expected = torch.log_softmax(logits[i] / (mixed.temperature[i] or 1.0), -1)[token]
        assert float(logprob) == pytest.approx(float(expected), abs=1e-5)


def test_top_p_keeps_the_smallest_set_with_that_mass() -> None:
    p = torch.tensor([[0.1, 0.4, 0.05, 0.3, 0.15]])
    for top_p, kept in ((0.05, [1]), (0.4, [1]), (0.41, [1, 3]), (0.7001, [1, 3, 4]), (0.96, [0, 1, 2, 3, 4])):
        out = nucleus(p, np.array([top_p], np.float32), np.array([False]))
        assert torch.nonzero(out[0])[:, 0].tolist() == kept, top_p
        assert torch.equal(out[0, kept], p[0, kept])
