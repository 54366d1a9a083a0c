"""Choosing tokens: against double-precision arithmetic, and reproducible row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.serve.plain import plain_choose, plain_cut
from firesteel.serve.sampling import Controls, adjust, choose, chunk_sums, inverse_cdf, likeliest, narrow, uniforms
from firesteel.serve.sequence import Sampling, Sequence


def controls(
    B: int, temperature: float = 1.0, top_p: float = 1.0, seed: int = 0, top_k: int = 0, min_p: float = 0.0
) -> Controls:
    return Controls(
        np.full(B, temperature, np.float32), np.full(B, top_p, np.float32), np.full(B, seed, np.uint64),
        np.arange(B, dtype=np.uint64), np.full(B, top_k, np.int64), np.full(B, min_p, np.float32),
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
        out = p.clone()
        narrow(out, controls(1, top_p=top_p))
        assert torch.nonzero(out[0])[:, 0].tolist() == kept, top_p
        assert torch.equal(out[0, kept], p[0, kept])


class Fence:
    """A guide that allows the same tokens for ever."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def allowed(self) -> np.ndarray:
        return self.mask

    def push(self, token: int) -> None:
        pass


def settled(rng: np.random.Generator, V: int) -> Sequence:
    """A sequence with random settings, prompt, answer so far, and in a third of the cases a guide."""
    pick = lambda *options: options[rng.integers(len(options))]  # noqa: E731
    sampling = Sampling(
        99, temperature=pick(0.0, 0.3, 1.0, 1.0, 1.8), top_p=pick(1.0, 1.0, 0.9, 0.3, 1e-6), seed=int(rng.integers(2**63)),
        top_k=pick(0, 0, 1, 5, 40, 10_000), min_p=pick(0.0, 0.0, 0.02, 0.3, 1.0), presence_penalty=pick(0.0, 0.0, 1.5),
        frequency_penalty=pick(0.0, 0.0, -0.7), repetition_penalty=pick(1.0, 1.0, 1.3, 0.8),
        logit_bias=pick((), (), ((int(rng.integers(V)), 4.0), (0, -100.0))),
    )  # fmt: skip
    guide = None
    if rng.random() < 0.34:
        mask = rng.random(int(rng.integers(1, V + 1))) < rng.random()
        mask[rng.integers(len(mask))] = True
        guide = Fence(mask)
    prompt, ids = (rng.integers(V, size=rng.integers(1, 30)).tolist() for _ in range(2))
    return Sequence("q", prompt, sampling, guide, ids=ids)


@pytest.mark.parametrize("V", [3, 64, 517])
def test_every_setting_equals_the_plain_sampler(V: int) -> None:
    """Rows with settings of their own in one batch: the twin's token and logprob for each."""
    rng = np.random.default_rng(V)
    sequences = [settled(rng, V) for _ in range(400)]
    logits = torch.from_numpy(rng.normal(size=(400, V)).astype(np.float32)) * 3
    expected = [
        plain_choose(logits[i].double().numpy().copy(), q.prompt, q.ids, q.sampling, q.guide)
        for i, q in enumerate(sequences)
    ]
    adjust(logits, list(enumerate(sequences)))
    tokens, logprobs = choose(logits, Controls.of(sequences))
    assert tokens.tolist() == [token for token, _ in expected]
    assert logprobs.tolist() == pytest.approx([logprob for _, logprob in expected], abs=2e-5)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.75, 1.0]), min_size=1, max_size=40), st.integers(0, 45),
    st.sampled_from([1.0, 0.9012345, 0.5012345, 0.1112345, 1e-6]), st.sampled_from([0.0, 0.25, 0.5, 0.6, 1.0]),
)  # fmt: skip
def test_cuts_keep_what_the_plain_loop_keeps_ties_included(w: list[float], k: int, top_p: float, min_p: float) -> None:
    weights = torch.tensor([[*w, 1.0]])
    narrow(weights, controls(1, top_p=top_p, top_k=k, min_p=min_p))
    p = np.array([*w, 1.0]) / (sum(w) + 1.0)
    expected = plain_cut(p, Sampling(1, top_p=top_p, top_k=k, min_p=min_p))
    assert torch.nonzero(weights[0])[:, 0].tolist() == np.flatnonzero(expected).tolist()


@pytest.mark.parametrize("top_k,top_p,min_p", [(3, 1.0, 0.0), (0, 1.0, 0.1), (4, 0.9, 0.05)])
def test_frequencies_follow_the_cut_distribution(top_k: int, top_p: float, min_p: float) -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, 1.5, -0.5, -30.0]])
    p = torch.softmax(logits[0].double(), dim=-1)
    order = sorted(range(7), key=lambda t: -float(p[t]))
    sets = [
        set(order[: top_k or 7]),
        {t for i, t in enumerate(order) if sum(float(p[o]) for o in order[:i]) < top_p},
        {t for t in order if p[t] >= min_p * p.max()},
    ]
    kept = set.intersection(*sets)
    expected = np.array([float(p[t]) if t in kept else 0.0 for t in range(7)])
    expected /= expected.sum()
    tokens, _ = choose(logits.repeat(20_000, 1), controls(20_000, top_p=top_p, top_k=top_k, min_p=min_p))
    share = np.bincount(tokens.numpy(), minlength=7) / 20_000
    assert len(kept) < 6 and np.abs(share - expected).max() < 0.012 and not share[expected == 0].any()


def test_repetition_penalty_is_that_of_transformers() -> None:
    logits = torch.tensor([[4.0, -4.0, 2.0, -2.0, 1.0]])
    sequence = Sequence("q", [0, 1, 0], Sampling(1, repetition_penalty=2.0), ids=[3])
    adjust(logits, [(0, sequence)])
    assert logits.tolist() == [[2.0, -8.0, 2.0, -4.0, 1.0]]


def test_a_guide_forbids_tokens_beyond_its_mask_and_may_leave_just_one() -> None:
    for temperature in (0.0, 1.0):
        logits = torch.tensor([[1.0, 2.0, 3.0, 9.0]]).repeat(2, 1)
        short, single = Fence(np.array([True, True, False])), Fence(np.array([True, False, False, False]))
        rows = [Sequence("q", [0], Sampling(1, temperature, seed=4), guide) for guide in (short, single)]
        adjust(logits, list(enumerate(rows)))
        tokens, logprobs = choose(logits, Controls.of(rows))
        assert tokens[0] in (0, 1) and tokens[1] == 0 and float(logprobs[1]) == 0.0


def test_top_logprobs_go_by_id_among_equals_and_name_only_what_may_come() -> None:
    logits = torch.tensor([[1.0, 5.0, 1.0, 1.0, 5.0, 0.0]])
    top = likeliest(logits, [(0, Sequence("q", [0], Sampling(1, top_logprobs=3)))])[0]
    assert [id for id, _ in top] == [1, 4, 0] and top[0][1] == top[1][1] > top[2][1]
    fenced = Sequence("q", [0], Sampling(1, top_logprobs=5), Fence(np.array([True, False, True])))
    adjust(logits, [(0, fenced)])
    assert likeliest(logits, [(0, fenced)])[0] == [(0, pytest.approx(np.log(0.5))), (2, pytest.approx(np.log(0.5)))]


def test_near_ties_are_told_apart_at_temperature_zero() -> None:
    """exp(-1e-9) is 1 in float32: the choice must look at the logits themselves."""
    logits = torch.tensor([[0.0, 1e-9], [1e-9, 0.0]])
    assert choose(logits.clone(), controls(2, temperature=0.0))[0].tolist() == [1, 0]
    mixed = Controls.of([Sequence("q", [0], Sampling(1, t)) for t in (0.0, 1.0)])
    assert choose(logits.clone(), mixed)[0][0] == 1
